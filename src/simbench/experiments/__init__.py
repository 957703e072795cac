"""Experiments: study designs with their people. One file each; the contract is in ``base``."""
