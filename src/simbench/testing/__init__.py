"""What tests of any plugin need: a small study, its interviews and transcripts, and a folder to work in.

The stand-in for the APIs of providers is in the distribution ``simbench-api``: :mod:`simbench_api.testing`.
"""
