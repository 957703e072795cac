"""Backends of simbench."""
