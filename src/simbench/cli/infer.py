"""``simbench infer key=value ...``: valid estimates from all people and a simulation of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simbench.backends.base import Estimate
from simbench.errors import ConfigError
from simbench.files import as_path

__all__ = ["estimate", "in_words", "main"]

USAGE = """usage: simbench infer key=value ...   (the words of a run, less sampler and evaluate: everybody counts)

  folds=5           folds of people; each is predicted by a model adapted to the others
  repeats=1         random splits into folds; more put the split's own chance into the intervals
  people=FILE       profiles of people without answers, predicted by all folds' models
  level=0.95        of the intervals
  randomised=true   whether arms were assigned by chance (default: where there are factors and one row a person)
  out=inferred      folder of the results
  replicates=10     answers per person and arm; more average out what is drawn by chance

Needs one population behind all people, folds of whole persons, and nothing tuned on the fold left out.
"""
OWN = ("folds", "repeats", "people", "level", "randomised")


def main(words: Sequence[str]) -> int:
    """Say what it will take, carry it out, print the table and write the files."""
    if any(word in ("-h", "--help") for word in words):
        print(USAGE, end="")
        return 0
    from simbench.cli.quiet import quiet
    from simbench.cli.terminal import progress, show
    from simbench.harness.inferring import carry_out
    from simbench.report.inference import gained, inference_table, write_inference

    inference = _prepared(words)
    _say(inference)
    with quiet(), progress() as bars:
        done = carry_out(inference, bars)
    write_inference(done)
    frame = done.estimates
    show(inference_table(frame))
    print("simulated: from the simulation alone, not valid: nothing corrects it")
    print(gained(frame))
    if done.manifest["humans"]["synthetic"]:
        print("The people of this study are SYNTHETIC: no figure says anything about real people.")
    for note in dict.fromkeys(frame.loc[frame["estimate"].isna(), "note"].dropna()):
        print(f"not computed: {note}")
    print(f"subgroups, arms, tables, forest plot and methods: {done.folder.path}")
    return 0


def estimate(words: Sequence[str]) -> int:
    """Say what an inference would take, and nothing else."""
    _say(_prepared(words))
    return 0


def _prepared(words: Sequence[str]) -> Any:
    from simbench.cli.launch import compose
    from simbench.harness.config import assemble
    from simbench.harness.inferring import prepare_inference, refuse_others
    from simbench.plugin.manager import load_plugins

    own: dict[str, str] = {}
    rest = []
    for word in words:
        key, mark, value = word.partition("=")
        if mark and key in OWN:
            own[key] = value
        else:
            rest.append(word)
    refuse_others(word.partition("=")[0] for word in rest)
    if not any(word.startswith("out=") for word in rest):
        rest.append("out=inferred")
    config = {**compose(rest), "sampler": {"name": "none"}, "metric": {}, "evaluate": "all"}
    return prepare_inference(
        assemble(config, load_plugins()),
        folds=_number("folds", own.get("folds", "5"), int),
        people=as_path(own["people"]) if "people" in own else None,
        level=_number("level", own.get("level", "0.95"), float),
        randomised=_truth(own.get("randomised")),
        repeats=_number("repeats", own.get("repeats", "1"), int),
    )


def _number(name: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{name}: expected a number; found {text!r}") from None


def _truth(text: str | None) -> bool | None:
    if text is not None and text.lower() not in ("true", "false"):
        raise ConfigError(f"randomised: expected true or false; found {text!r}")
    return None if text is None else text.lower() == "true"


def _say(inference: Any) -> None:
    """What it will take."""
    from simbench.harness.inferring import cost_of

    folds = len(inference.folds)
    asked = sum(len(fold.ready.interviews) for fold in inference.folds)
    others = "" if inference.unlabelled is None else f", {len(inference.unlabelled)} without answers"
    print(f"{inference.people.design.name} {inference.plan.backend.name}: {len(inference.people)} people{others}")
    splits = f" ({inference.repeats} splits)" if inference.repeats > 1 else ""
    print(f"{folds} adaptations{splits}, {asked:,} interviews: {in_words(cost_of(inference))}")
    if inference.arms:
        print(
            f"predicted under every arm ({', '.join(inference.shares)}); presumes that arms were assigned by chance"
        )
    elif inference.unlabelled is None:
        print(
            "no arms assigned by chance and nobody without answers (people=FILE): there is nothing to add to humans"
        )
    print(
        f"goes on from: {inference.folder.path}"
        if inference.folder.path.exists()
        else f"to: {Path(inference.folder.path)}"
    )


def in_words(found: Estimate) -> str:
    """Tokens, dollars and seconds in a line."""
    parts = []
    for name in ("adaptation_tokens", "input_tokens", "output_tokens"):
        low, high = getattr(found, name)
        if high:
            parts.append(f"{low:,} to {high:,} {name.replace('_', ' ')}")
    cost = found.cost
    parts.append("price unknown" if cost is None else f"{cost[0]:.4f} to {cost[1]:.4f} US dollars")
    if found.seconds is not None:
        parts.append(f"{found.seconds[0]:.0f} to {found.seconds[1]:.0f} seconds")
    return ", ".join(parts) + "".join(f"; {note}" for note in found.notes)
