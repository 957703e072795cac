"""From a table that a researcher has to a first draft of a study: what each column holds, and what it may be.

Nothing is known for sure of a table; every guess comes with its reason, and the draft says what is to be looked at.
"""
