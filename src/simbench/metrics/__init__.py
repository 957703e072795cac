"""Metrics of simbench."""
