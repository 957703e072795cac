"""Experiments of simbench."""
