"""``simbench score RUNS...``: finished runs asked for other figures, from their folders alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from simbench.cli.terminal import progress, show
from simbench.errors import ConfigError
from simbench.harness.kept import study_of
from simbench.harness.library import Runs, load_runs
from simbench.harness.rescoring import rescore
from simbench.plugin.manager import load_plugins
from simbench.report.content import whose_words
from simbench.report.page import write_report
from simbench.report.table import run_table

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Score finished runs anew: nobody is asked again, and no file of the study is needed."""
    parser = argparse.ArgumentParser(prog="simbench score", description=main.__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUNS", help="run folders, folders of runs, globs, name=value")
    parser.add_argument("--metric", action="append", metavar="NAME", help="a metric; repeatable (default: the run's)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, as resamples=2000; repeatable"
    )
    asked = parser.parse_args(words)
    registry = load_plugins()
    for run in load_runs(*asked.runs).done:
        for words in whose_words(study_of(run.folder, registry)):
            print(f"simbench: note: {run.folder.path}: {words}", file=sys.stderr)
        with progress() as bars:
            done = rescore(run, registry, asked.metric, _settings(asked.set), bars)
        write_report(Runs([done.folder]), registry, done.folder.path, figures=False)
        show(run_table(done, registry))
    return 0


def _settings(words: Sequence[str]) -> dict[str, Any]:
    """``scoring.resamples=2000``, or without ``scoring.``, as a mapping."""
    try:
        found: Any = OmegaConf.to_container(OmegaConf.from_dotlist([each.removeprefix("scoring.") for each in words]))
    except (OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(f"--set: {str(error).splitlines()[0]}") from None
    return {str(name): value for name, value in found.items()}
