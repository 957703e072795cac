"""``python -m simbench``."""

import sys

from simbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
