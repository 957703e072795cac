"""Hydra: composes ``key=value`` words into runs and sweeps. No other module knows of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, make_dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import simbench
from simbench.cli.check import check_words, only_shows
from simbench.cli.job import refuse, report_sweep, run_job
from simbench.cli.studies import Study, expand, find_study, nodes
from simbench.errors import ConfigError, SimbenchError
from simbench.files import as_path
from simbench.harness.config import DEFAULTS, RunSettings, named_config, writable
from simbench.harness.sweeps import FOLDER, Sweep, write_begun, write_outcome, write_plan
from simbench.plugin.manager import Registry, load_plugins

__all__ = ["compose", "presets", "run_hydra"]

SWEEP = "SIMBENCH_SWEEP"
FULL_ERROR = "HYDRA_FULL_ERROR"
LONGEST = 600
MULTIRUN = ("-m", "--multirun")
STARTED_IN = "SIMBENCH_STARTED_IN"

HEADER = """simbench: how well do language models simulate the people of behavioural experiments?

A run is written as key=value, a sweep as -m key=value,value:
  simbench experiment=framing backend=uniform sampler=balanced sampler.n=60
  simbench -m experiment=framing backend=uniform,majority,resample sampler=random,balanced
Verbs: simbench plugins, simbench show KIND NAME, and those that `simbench help` lists.
"""


def presets() -> Path:
    """The folder of YAML presets: inside the wheel, or the repository's in an editable install."""
    packaged = Path(simbench.__file__).parent / "_conf"
    return packaged if packaged.is_dir() else Path(simbench.__file__).parents[2] / "conf"


class Presets(SearchPathPlugin):  # type: ignore[misc]  # Hydra has no types
    """Adds the folder of presets to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Hydra's hook."""
        search_path.append("simbench", f"file://{presets()}")


def run_hydra(words: Sequence[str]) -> int:
    """Compose and carry out what the words ask for; returns the exit code."""
    if list(words) == ["--version"]:
        print(f"simbench {simbench.__version__}")
        return 0
    words = sorted(words, key=lambda word: word not in MULTIRUN)  # argparse refuses it between others
    registry = _plugins()
    study = find_study(words, presets())
    if study:
        words = expand(words, study)
    chosen = check_words(words, registry, presets(), _cells(words, study))
    many = not set(MULTIRUN).isdisjoint(words) and not only_shows(words)
    sweep = Sweep(_sweeps(words) / f"{datetime.now():%Y%m%d-%H%M%S-%f}" if many else Path())
    register(registry, sweep, study, {kind: names[0] for kind, names in chosen.items() if len(names) > 1})
    if many:
        write_plan(sweep.folder, ["simbench", *words], _jobs(words))
    options: dict[str, Any] = {} if _version() >= (1, 4) else {"version_base": "1.3"}
    sys.argv = ["simbench", *words]
    try:
        with _hydra_in_words():
            hydra.main(config_path=None, config_name="simbench", **options)(job)()
    except Finished as done:
        return int(done.code or 0)
    except SystemExit as stop:
        if many:
            sweep.forget()
        return 2 if stop.code in (1, 2) else 0
    except SimbenchError:
        if many:
            sweep.forget()
        raise
    return report_sweep(sweep) if many else 0


def _plugins() -> Registry:
    """All plugins; those that were left out are said, since a word that is unknown may be theirs."""
    registry = load_plugins()
    for lost in registry.broken:
        print(f"simbench: {lost}", file=sys.stderr)
    return registry


def compose(words: Sequence[str]) -> dict[str, Any]:
    """The configuration of the one run that the words ask for, without carrying it out."""
    registry = _plugins()
    if odd := [word for word in words if word.startswith("-")]:
        raise ConfigError(f"expected key=value, the words of one run; found {odd[0]!r}")
    if study := find_study(words, presets()):
        raise ConfigError(f"study {study.name!r} has many runs; give the words of one of them")
    check_words(words, registry, presets())
    register(registry, Sweep(Path()), None)
    options: dict[str, Any] = {} if _version() >= (1, 4) else {"version_base": "1.3"}
    with _hydra_in_words(), hydra.initialize(config_path=None, **options):
        return _plain(hydra.compose("simbench", overrides=list(words)))


@contextmanager
def _hydra_in_words() -> Iterator[None]:
    """Turn what Hydra, OmegaConf or a launcher raises into a ConfigError of one line.

    Runs end in outcomes, never in exceptions, so what comes out of Hydra is about the words. Who has set
    ``HYDRA_FULL_ERROR=1`` gets the whole exception.
    """
    asked = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"  # else Hydra prints it and ends the program
    try:
        yield
    except SimbenchError:
        raise
    except Exception as error:
        if asked == "1":
            raise
        raise ConfigError(_one_line(error)) from error
    finally:
        os.environ.pop(FULL_ERROR)
        if asked is not None:
            os.environ[FULL_ERROR] = asked


def _one_line(error: Exception) -> str:
    """What Hydra says, without its own search path and type names."""
    inner = error.__cause__
    text = f"{error}\n{inner}" if isinstance(inner, OmegaConfBaseException) else str(error)
    lines = [line.strip() for line in text.splitlines() if not line.strip().startswith(("full_key:", "object_type="))]
    said = " ".join(line for line in lines if line).partition("Config search path:")[0].strip()
    said = (said if len(said) <= LONGEST else f"{said[:LONGEST]}...") or type(error).__name__
    known = isinstance(error, HydraException | OmegaConfBaseException)
    return said if known else f"{said} ({FULL_ERROR}=1 shows where)"


class Finished(SystemExit):
    """A single run has ended; carries its exit code through Hydra."""


def job(config: DictConfig) -> None:
    """Hydra's task function: one run, alone or as a part of a sweep."""
    meta = HydraConfig.get()
    many, number = meta.mode == RunMode.MULTIRUN, int(meta.job.get("num", 0) or 0)
    words = f"#{number} {' '.join(meta.overrides.task)}" if many else ""
    folder = Path(os.environ[SWEEP])
    if many:
        os.chdir(os.environ[STARTED_IN])  # a worker of a cluster starts in a folder of its own
    try:
        settings = _plain(config)
    except OmegaConfBaseException as error:
        outcome = refuse(ConfigError(_one_line(error)), words)
    else:
        if many:
            settings |= {name: False for name in ("retry_failed", "report") if settings.get(name) is None}
        begun = (lambda run: write_begun(folder, number, run.path)) if many else None
        outcome = run_job(settings, words, begun)
    if not many:
        raise Finished(outcome.code)
    write_outcome(folder, number, outcome)


def _jobs(words: Sequence[str]) -> list[str]:
    """The words of every job of a sweep, in Hydra's order."""
    overrides = OverridesParser.create().parse_overrides([word for word in words if not word.startswith("-")])
    with _hydra_in_words():
        batches = BasicSweeper.split_arguments(overrides, None)
    return [" ".join(job) for batch in batches for job in batch]


def _plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as plain values, without Hydra's part and what nobody has set."""
    plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)  # each loading has an Enum of its own
    if not isinstance(plain, dict):
        raise TypeError(f"expected a mapping, found {type(plain).__name__}")
    return {str(name): value for name, value in plain.items() if name != "hydra" and value != MISSING}


def _cells(words: Sequence[str], study: Study | None) -> list[Mapping[str, Any]]:
    """What the cells of a study that are asked for set, each beside the words; one empty cell without a study."""
    if study is None:
        return [{}]
    (asked,) = (word.partition("=")[2] for word in words if word.startswith("+cell="))
    configs = study.configs()
    return [configs[name.removeprefix(f"{study.name}/")] for name in asked.split(",")]


def _sweeps(words: Sequence[str]) -> Path:
    """The folder that notes the sweeps of the folder of runs that the words ask for: one for all runs of a sweep."""
    out: Any = RunSettings().out
    for word in words:
        if word.lstrip("+").startswith("out="):
            given = OverridesParser.create().parse_override(word)
            if given.is_sweep_override():
                raise ConfigError(f"{word}: all runs of a sweep go to one folder; give out one value")
            out = given.value()
    text = out.text if isinstance(out, QuotedString) else str(out)
    try:
        found = OmegaConf.to_container(OmegaConf.create({"out": text}), resolve=True)
    except OmegaConfBaseException:
        raise ConfigError(
            f"out={text}: all runs of a sweep go to one folder, so out cannot name other settings"
        ) from None
    return as_path(str(found["out"])).absolute() / FOLDER


def _version() -> tuple[int, int]:
    major, minor = hydra.__version__.split(".")[:2]
    return int(major), int(minor)


def register(
    registry: Registry, sweep: Sweep, study: Study | None, first: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Put every plugin's settings and the primary configuration into Hydra's store.

    ``first``: of kinds that are swept over, the first plugin. Hydra composes once before the sweep, without what is
    swept over: a setting that all of them have must be there.
    """
    plugins = Plugins.instance()
    if Presets not in plugins.discover(SearchPathPlugin):
        plugins.register(Presets)
    store = ConfigStore.instance()
    for entry in registry:
        if entry.kind == "metric":
            store.store(
                group="metric", name=entry.name, node=writable(entry.cls.Config), package=f"metric.{entry.name}"
            )
        else:
            store.store(group=entry.kind, name=entry.name, node=writable(named_config(entry.cls)))
    if study:
        for name, node in nodes(study):
            store.store(group=f"cell/{study.name}", name=name, node=node, package="_global_")
    store.store(name="simbench", node=_primary(registry, sweep, first))


def _primary(registry: Registry, sweep: Sweep, first: Mapping[str, str]) -> DictConfig:
    """The primary configuration: run settings, one slot per kind, and quiet Hydra defaults.

    A default that is not installed leaves its slot open, so that it only matters to who uses it.
    """
    there = {kind: name if (kind, name) in registry.entries else None for kind, name in {**DEFAULTS, **first}.items()}
    defaults: list[Any] = ["_self_", *({kind: name} for kind, name in there.items())]
    defaults.append({"metric": [entry.name for entry in registry.of("metric")]})
    defaults.append({"launcher": None})
    defaults += [{"override hydra/job_logging": "none"}, {"override hydra/hydra_logging": "none"}]
    kept = {SWEEP: str(sweep.folder), STARTED_IN: str(Path.cwd())}
    quiet = {
        "run": {"dir": "."},
        "output_subdir": None,
        "sweep": {"dir": str(sweep.folder), "subdir": "${hydra.job.num}"},
        "job": {"name": "simbench", "chdir": False, "env_set": kept},
        "help": {"app_name": "simbench", "header": HEADER},
    }
    slots: list[tuple[str, Any, Any]] = [(kind, Any, field(default=MISSING)) for kind in DEFAULTS]
    slots.append(("metric", Any, field(default_factory=dict)))
    slots.append(("defaults", list[Any], field(default_factory=lambda: defaults)))
    slots.append(("hydra", Any, field(default_factory=lambda: quiet)))
    return writable(make_dataclass("Simbench", slots, bases=(RunSettings,), frozen=True))
