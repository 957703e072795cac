"""Report of simbench."""
