"""The harness: one run from people to report, and what it leaves on disk."""
