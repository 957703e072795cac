"""Harness of simbench."""
