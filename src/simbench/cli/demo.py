"""``simbench demo``: the main job, in the words that anybody could have written."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence

from simbench.plugin.manager import FIRST_PARTY, Registry, load_plugins

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Carry out the main job: a model learns from some of the people of a study and takes part as all others.

    Words are added to those of the job: `simbench demo seed=1`. What is not installed is named, and done without.
    """
    parser = argparse.ArgumentParser(prog="simbench demo", description=main.__doc__)
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="settings beside those of the job")
    parser.parse_args([word for word in words if not word.startswith("-") or word in ("-h", "--help")])
    given = {word.partition("=")[0] for word in words}
    chosen, lacking = _job(load_plugins(), given)
    for kind, name in lacking:
        print(f"{kind} {name} is not installed (pip install {FIRST_PARTY[kind, name]}): done without it")
    job = [*chosen, *words]
    print(f"simbench {' '.join(job)}\n", flush=True)
    from simbench.cli.launch import run_hydra

    return run_hydra(job)


def _job(registry: Registry, given: Collection[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The words of the job, less those of ``given`` kinds, and what is not installed (kind, name)."""
    wanted = {("experiment", "framing"): "information_disclosure", ("backend", "local"): "tabular"}
    lacking = [each for each in wanted if each not in registry.entries and each[0] not in given]
    names = {kind: other if (kind, name) in lacking else name for (kind, name), other in wanted.items()}
    if names["backend"] == "local" and not {"backend", "backend.adapt"} & set(given):
        names["backend.adapt"] = "blend"
    return [f"{kind}={name}" for kind, name in {**names, "sampler": "balanced"}.items() if kind not in given], lacking
