"""The plugin system: marker, hook specifications, built-ins, manager."""
