"""Samplers of simbench."""
