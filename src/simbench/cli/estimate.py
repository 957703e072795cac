"""``simbench estimate key=value ...``: what a run would take, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from simbench.backends.base import Estimate
from simbench.cli.terminal import show
from simbench.errors import ConfigError
from simbench.harness.config import assemble
from simbench.harness.run import notes_before, prepare
from simbench.metrics.trial import refuse_unfit
from simbench.plugin.manager import load_plugins

__all__ = ["main"]

OTHERS = {"infer": "simbench.cli.infer", "simulate": "simbench.cli.simulate"}


def main(words: Sequence[str]) -> int:
    """Print ranges of tokens, cost and time for the run that the same words would start."""
    from simbench.cli.launch import compose

    if words and words[0] in OTHERS:
        code: int = import_module(OTHERS[words[0]]).estimate(words[1:])
        return code
    if any(word in ("-m", "--multirun") for word in words):
        raise ConfigError("estimate takes the words of one run, not of a sweep")
    if any(word in ("-h", "--help") for word in words):
        print("usage: simbench estimate key=value ... | infer key=value ... | simulate RUN key=value ...")
        return 0
    config: Mapping[str, Any] = compose(list(words))
    ready = prepare(assemble(config, load_plugins()))
    refuse_unfit(ready.humans)
    found = ready.plan.backend.estimate(ready.transcripts, ready.interviews)
    people = f"pilot of {len(ready.transcripts)}, {len(ready.interviews)} interviews"
    print(f"{ready.plan.title}: {people}")
    show(_table(found))
    for note in (*found.notes, *(f"note: {words}" for words in notes_before(ready))):
        print(note)
    return 0


def _table(found: Estimate) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("estimate")
    table.add_column("low", justify="right")
    table.add_column("high", justify="right")
    table.add_row("model", found.model, "")
    for name in ("adaptation_tokens", "input_tokens", "output_tokens"):
        low, high = getattr(found, name)
        table.add_row(name.replace("_", " "), f"{low:,}", f"{high:,}")
    if found.cost is None:
        table.add_row("cost", "price unknown", "price unknown")
    else:
        table.add_row("cost (US dollars)", *(f"{dollars:.4f}" for dollars in found.cost))
    if found.hidden_tokens:
        table.add_row("hidden thinking, at most", "", f"+ {found.hidden_tokens:,}")
        if found.hidden_cost is not None and found.cost is not None:
            table.add_row("cost with all of that", "", f"{found.cost[1] + found.hidden_cost:.4f}")
    if found.seconds is not None:
        table.add_row("seconds", *(f"{seconds:.0f}" for seconds in found.seconds))
    return table
