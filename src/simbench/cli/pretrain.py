"""``simbench pretrain --leave-out NAME``: an adapter that has learned from the people of other studies."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from simbench.errors import ConfigError, closest
from simbench.files import as_path

__all__ = ["estimate", "main"]

OWN = ("n", "seed", "out", "backend")


def main(words: Sequence[str]) -> int:
    """Train an adapter on real people of every study whose data are on this machine, less those left out.

    Every study gives equally many transcripts. A run starts from what was learned with backend.adapter=FOLDER, and is
    refused where its own study is among them. A training that was stopped goes on; nothing is written over.
    """
    prepared = _prepared(words)
    _say(prepared)
    from simbench.cli.quiet import quiet
    from simbench.cli.terminal import progress
    from simbench.harness.pretraining import pretrain

    with quiet(), progress() as bars:
        folder = pretrain(prepared, bars)
    print(f"goes on from what was learned: backend.adapter={folder} (with backend.adapt=none it is used as it is)")
    return 0


def estimate(words: Sequence[str]) -> int:
    """Say what it would take, and nothing else."""
    _say(_prepared(words))
    return 0


def _prepared(words: Sequence[str]) -> Any:
    from simbench.harness.pretraining import prepare_pretraining
    from simbench.plugin.manager import load_plugins

    parser = argparse.ArgumentParser(prog="simbench pretrain", description=main.__doc__)
    parser.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="NAME",
        help="a study not to be learned from; repeatable",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="n=30 transcripts per study, seed=0, out=adapters/without-NAME, backend=local, backend.KEY=VALUE",
    )
    asked = parser.parse_intermixed_args(list(words))
    own, settings = dict[str, str](), dict[str, str]()
    for word in asked.settings:
        key, mark, value = word.partition("=")
        if not mark or (key not in OWN and not key.startswith("backend.")):
            raise ConfigError(f"pretrain: expected KEY=VALUE; found {word!r}{closest(key, OWN)}")
        (settings if key.startswith("backend.") else own)[key.removeprefix("backend.")] = value
    if not asked.leave_out:
        raise ConfigError("pretrain: expected --leave-out NAME, the study that is to be simulated afterwards")
    return prepare_pretraining(
        load_plugins(),
        asked.leave_out,
        as_path(own.get("out", f"adapters/without-{'-'.join(asked.leave_out)}")),
        own.get("backend", "local"),
        settings,
        _whole("n", own.get("n", "30")),
        _whole("seed", own.get("seed", "0")),
    )


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name}: expected a whole number; found {text!r}") from None


def _say(prepared: Any) -> None:
    """Who is learned from, who is not and why, and what it will take."""
    from simbench.cli.infer import in_words
    from simbench.harness.pretraining import cost_of

    for lesson in prepared.lessons:
        print(f"{lesson.facts['name']}: {lesson.facts['rows']} transcripts of {lesson.facts['people']} people")
    for name, why in prepared.skipped.items():
        print(f"not learned from: {name}: {why}")
    print(f"{len(prepared.transcripts)} transcripts in all: {in_words(cost_of(prepared))}")
    state = prepared.folder.status
    doing = {None: "to", "done": "done before, nothing is left to do"}.get(state, "goes on from")
    print(f"{doing}: {prepared.folder.path}")
