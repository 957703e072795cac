"""Samplers: who is in the pilot. One file each; the contract is in ``base``."""
