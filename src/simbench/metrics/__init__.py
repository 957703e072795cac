"""Metrics: human against simulated participants. One file each; the contract is in ``base``."""
