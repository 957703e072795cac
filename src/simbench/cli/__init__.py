"""The command line. A first word without ``=``, ``+``, ``~`` or ``-`` is a verb; all else is a run or a sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; returns the exit code. 2 is for what the user can mend."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    from simbench.cli.quiet import quiet
    from simbench.errors import SimbenchError

    try:
        with quiet():
            return _dispatch(words)
    except SimbenchError as error:
        print(f"simbench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("simbench: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader (head, less) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(words: list[str]) -> int:
    if not words:
        from simbench.cli.first import main as first

        return first()
    if words and words[0] and not words[0].startswith("-") and not any(mark in words[0] for mark in "=+~"):
        from simbench.cli.verbs import run_verb

        return run_verb(words[0], words[1:])
    from simbench.cli.launch import run_hydra

    return run_hydra(words)
