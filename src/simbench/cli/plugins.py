"""``simbench plugins``: what is there to be used."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from simbench.plugin.manager import load_plugins

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Print a table, or JSON with ``--json``. Plugins that were left out go to standard error.

    ``people`` says of experiments whether theirs are real or synthetic, where settings do not decide it.
    """
    parser = argparse.ArgumentParser(prog="simbench plugins", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    registry = load_plugins()
    rows = [
        {
            "kind": entry.kind,
            "name": entry.name,
            "people": entry.cls.people_are() if entry.kind == "experiment" else "",
            "summary": entry.summary,
            "distribution": entry.distribution,
            "version": entry.version,
        }
        for entry in registry
    ]
    if asked.json:
        broken = [{"name": b.name, "distribution": b.distribution, "error": b.error} for b in registry.broken]
        print(json.dumps({"plugins": rows, "broken": broken}, indent=2))
        return 0
    widths = {key: max(len(row[key]) for row in rows) for key in rows[0]}
    for row in [{key: key for key in widths}, *rows]:
        print("  ".join(row[key].ljust(widths[key]) for key in widths).rstrip())
    for lost in registry.broken:
        print(f"simbench: {lost}", file=sys.stderr)
    return 0
