"""``simbench estimate key=value ...``: what a run would take, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from simbench.backends.base import Backend, Estimate
from simbench.cli.terminal import show
from simbench.errors import ConfigError
from simbench.harness.config import assemble
from simbench.harness.likelihood import looked_up, wanted
from simbench.harness.pretraining import refuse_known
from simbench.harness.run import notes_before, prepare
from simbench.interview import Interview, Transcript
from simbench.metrics.trial import refuse_unfit
from simbench.plugin.manager import load_plugins

__all__ = ["main"]

OTHERS = {name: f"simbench.cli.{name}" for name in ("infer", "simulate", "pretrain")}


def main(words: Sequence[str]) -> int:
    """Print ranges of tokens, cost and time for the run that the same words would start."""
    from simbench.cli.launch import compose

    if words and words[0] in OTHERS:
        code: int = import_module(OTHERS[words[0]]).estimate(words[1:])
        return code
    if any(word in ("-m", "--multirun") for word in words):
        raise ConfigError("estimate takes the words of one run, not of a sweep")
    if any(word in ("-h", "--help") for word in words):
        print(
            "usage: simbench estimate key=value ... | infer key=value ... | simulate RUN key=value ... | "
            "pretrain --leave-out NAME ..."
        )
        return 0
    config: Mapping[str, Any] = compose(list(words))
    ready = prepare(assemble(config, load_plugins()))
    refuse_unfit(ready.humans)
    backend = ready.plan.backend
    refuse_known(backend, ready.plan.experiment)
    real = (
        looked_up(ready.plan, ready.asked, ready.pilot) if wanted(ready.plan) and not backend.cannot_score() else []
    )
    found = backend.estimate(ready.transcripts, ready.interviews + [each.interview for each in real])
    people = f"pilot of {len(ready.transcripts)}, {len(ready.interviews)} interviews"
    people += f", and looking up what {len(real)} people outside the pilot really answered" if real else ""
    print(f"{ready.plan.title}: {people}")
    show(_table(found))
    for note in _of_looking_up(backend, ready.transcripts, ready.interviews, real, found):
        print(note)
    for note in (*found.notes, *(f"note: {words}" for words in notes_before(ready))):
        print(note)
    return 0


def _of_looking_up(
    backend: Backend[Any],
    pilot: list[Transcript],
    interviews: list[Interview],
    real: list[Transcript],
    whole: Estimate,
) -> Iterator[str]:
    """How much of the estimate is for the likelihood of real answers."""
    if not real:
        return
    alone = backend.estimate(pilot, interviews)
    low, high = (whole.input_tokens[end] - alone.input_tokens[end] for end in (0, 1))
    parts = [f"{sum(len(each.answers) for each in real):,} answers", f"{low:,} to {high:,} input tokens"]
    if whole.cost is not None and alone.cost is not None and whole.cost[1]:
        parts.append(f"{whole.cost[0] - alone.cost[0]:.4f} to {whole.cost[1] - alone.cost[1]:.4f} US dollars")
    yield f"of this for looking up real answers (likelihood=false leaves it out): {', '.join(parts)}"


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
