"""Settings for the packages that formulas are checked against."""

import os

# ppi_py compiles small loops for longer than it runs them.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
