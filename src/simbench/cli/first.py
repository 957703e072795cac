"""``simbench`` alone: three things to try, and what is there."""

from __future__ import annotations

import sys

from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import core_version, load_plugins

__all__ = ["main"]

TO_TRY = """simbench {version}: how well do language models simulate the people of behavioural experiments?

Three things to try:
  simbench demo                  {demo}
  simbench new study DATA.csv    a study of your own from a table (CSV, Excel, SPSS, Stata, Qualtrics, oTree)
  simbench experiment={experiment} backend=tabular sampler=random
                                 the same without a language model, in about a minute

`simbench help` lists the verbs, `simbench show KIND NAME` says what a part is and every setting it has.
Installed:"""


def main() -> int:
    """Print the help. Nothing is run: a run needs at least one word."""
    registry = load_plugins()
    names = {kind: [entry.name for entry in registry.of(kind)] for kind in KINDS}
    experiment = "framing" if "framing" in names["experiment"] else "information_disclosure"
    if "local" in names["backend"]:
        demo = "a small language model learns from a quarter of the people and plays the others"
    else:
        demo = "a model without language learns from a quarter of the people and plays the others"
    print(TO_TRY.format(version=core_version(), demo=demo, experiment=experiment))
    for kind, found in names.items():
        told = ", ".join(found) if kind != "metric" else f"{len(found)} (simbench plugins lists them)"
        print(f"  {kind + 's':<12} {told}")
    for lost in registry.broken:
        print(f"simbench: {lost}", file=sys.stderr)
    return 0
