"""Backends: what answers interviews. One file each; the contract is in ``base``."""
