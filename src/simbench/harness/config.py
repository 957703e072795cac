"""One run's configuration: from plain values to a plan of built parts.

``simbench key=value`` and ``simbench.run(key=value)`` both end here, so both accept the same names and give
the same errors. A configuration is a plain mapping::

    {"experiment": {"name": "framing", ...}, "backend": {...}, "sampler": {...},
     "metric": {"js_distance": {...}, ...}, "interview": {...}, "scoring": {...},
     "evaluate": "heldout", "replicates": 1, "seed": 0, "out": "runs", "budget": None}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, make_dataclass
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from simbench.backends.base import Backend
from simbench.errors import ConfigError, PluginError, closest
from simbench.experiments.base import Experiment
from simbench.files import as_path
from simbench.interview import Style
from simbench.metrics.base import Metric
from simbench.plugin.blame import blamed
from simbench.plugin.manager import Entry, Registry
from simbench.plugin.sources import identities
from simbench.samplers.base import Sampler
from simbench.settings import one_of, refuse_beyond_numbers, setting, settings_of

__all__ = [
    "DEFAULTS",
    "PARTS",
    "Plan",
    "RunSettings",
    "ScoringPlan",
    "ScoringSettings",
    "assemble",
    "assemble_scoring",
    "named_config",
    "typed",
    "writable",
]

DEFAULTS = {"experiment": "information_disclosure", "backend": "local", "sampler": "balanced"}
SCOPES = ("heldout", "reserved", "all")
INTERVALS = ("percentile", "bca")
MOST = {"resamples": 100_000, "splits": 10_000, "floors": 1000, "baseline_resamples": 100_000}
MOST_REPLICATES = 1000
PARTS = ("beliefs", "attitudes", "decisions", "demographics")


@dataclass(frozen=True)
class ScoringSettings:
    """How scores are given their uncertainty."""

    resamples: int = setting(1000, "bootstrap resamples over respondents")
    confidence: float = setting(0.95, "level of the intervals")
    alpha: float = setting(0.05, "significance level of coefficient recovery")
    splits: int = setting(100, "human split-halves behind the ceiling")
    floors: int = setting(20, "uniform-random samples behind the floor")
    seed: int = setting(0, "seed of the resamples; runs that share it can be compared pair by pair")
    interval: str = setting("percentile", "bootstrap intervals: percentile or bca (slower)")
    baseline_resamples: int = setting(200, "resamples behind the margins over baselines, at most `resamples`")
    swaps: int = setting(499, "exchanges of people with participants behind p-values, at most `resamples` (0: none)")

    def __post_init__(self) -> None:
        one_of("scoring.interval", self.interval, INTERVALS)
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(f"scoring.{name}: expected 1 to {most}; found {getattr(self, name)}")
        if self.swaps < 0:
            raise ConfigError(f"scoring.swaps: expected 0 or more; found {self.swaps}")
        for name in ("confidence", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"scoring.{name}: expected a number in (0, 1); found {getattr(self, name)}")


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run that belong to no plugin."""

    interview: Style = setting(Style, "how interviews are worded")
    scoring: ScoringSettings = setting(ScoringSettings, "how scores are given their uncertainty")
    evaluate: str = setting(
        "heldout",
        "people compared: heldout (outside the pilot), reserved (a fixed share that no pilot may be drawn from, "
        "so that runs with different pilots meet the same people) or all (the paper's way)",
    )
    evaluate_n: int | None = setting(
        None, "simulate and compare a random sample of so many of these people, by treatment group (empty: all)"
    )
    reserve: float = setting(0.5, "share of every treatment group that evaluate=reserved keeps out of all pilots")
    adapt_on: Any = setting(None, "another experiment to draw the pilot from; empty: the one evaluated")
    train_without: list[str] = setting(list, f"parts left out of training transcripts, of: {', '.join(PARTS)}")
    ask_without: list[str] = setting(list, "parts left out when participants are simulated: demographics")
    replicates: int = setting(1, "independent answers per simulated participant")
    seed: int = setting(0, "seed of everything random in the run")
    likelihood: bool | None = setting(
        None,
        "ask the model, too, how likely it finds what people outside the pilot answered (empty: where a metric needs "
        "it and it costs no money)",
        runtime=True,
    )
    out: str = setting("runs", "folder that holds the run folders", runtime=True)
    budget: float | None = setting(None, "US dollars at which the run stops, to go on later", runtime=True)
    retry_failed: bool | None = setting(
        None,
        "carry out failed runs again (empty: a single run yes, those of a sweep no) and, if true, ask interviews "
        "that failed in finished runs again",
        runtime=True,
    )
    report: bool | None = setting(
        None, "write report.html into the run folder; empty: a single run yes, the runs of a sweep no", runtime=True
    )
    study: str = setting("", "name of the study the run belongs to, for reports", runtime=True)
    cell: str = setting("", "name of the run's cell within the study, for reports", runtime=True)

    def __post_init__(self) -> None:
        for part in self.train_without:
            one_of("train_without", part, PARTS)
        for part in self.ask_without:
            one_of("ask_without", part, ("demographics",))
        if not 0 < self.reserve < 1:
            raise ConfigError(f"reserve: expected a share in (0, 1); found {self.reserve}")
        one_of("evaluate", self.evaluate, SCOPES)
        if self.evaluate_n is not None and self.evaluate_n < 1:
            raise ConfigError(f"evaluate_n: expected 1 or more; found {self.evaluate_n}")
        if not 1 <= self.replicates <= MOST_REPLICATES:
            raise ConfigError(f"replicates: expected 1 to {MOST_REPLICATES}; found {self.replicates}")
        if self.seed < 0:
            raise ConfigError(f"seed: expected 0 or more; found {self.seed}")
        if self.budget is not None and self.budget <= 0:
            raise ConfigError(f"budget: expected more than 0 US dollars; found {self.budget}")


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoringPlan:
    """What scoring needs: a study, metrics and settings; a finished run has them without its plugins.

    ``scorers`` identifies the code that makes the scores (see :mod:`simbench.plugin.sources`).
    """

    experiment: Experiment[Any]
    metrics: tuple[Metric[Any], ...]
    settings: RunSettings
    config: Mapping[str, Any]
    scorers: Mapping[str, str]
    pilot_from: Experiment[Any] | None = None

    def scoring(self) -> dict[str, Any]:
        """What decides how answers are scored."""
        study = self.experiment.scoring()
        given = {name: self.config[name] for name in ("metric", "scoring")}
        return {**given, "experiment": study, "plugins": dict(self.scorers)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan(ScoringPlan):
    """Everything one run needs, built and checked.

    ``plugins`` identifies the code that makes the answers.
    """

    sampler: Sampler[Any]
    backend: Backend[Any]
    plugins: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    @property
    def out(self) -> Path:
        """The folder that holds the run folders."""
        return as_path(self.settings.out)

    @property
    def title(self) -> str:
        """The run in three words."""
        return f"{self.experiment.design.name} {self.backend.name} {self.sampler.name}"

    def deciding(self) -> dict[str, Any]:
        """The part of the configuration that decides which answers come out: all but run-time knobs and scoring."""
        own = {field.name for field in fields(RunSettings)} - {"scoring"}
        kept = _without_runtime(RunSettings, {name: self.config[name] for name in own})
        if kept["evaluate_n"] is None:  # so that runs made before there was a choice keep their identity
            del kept["evaluate_n"]
        for kind in DEFAULTS:
            kept[kind] = _without_runtime(type(getattr(self, kind)).Config, self.config[kind])
        if self.pilot_from is not None:
            kept["adapt_on"] = _without_runtime(type(self.pilot_from).Config, self.config["adapt_on"])
        return kept


def assemble(config: Mapping[str, Any], registry: Registry) -> Plan:
    """Build every part of a run. ConfigError names what is wrong and the closest right name."""
    config = {key: value for key, value in config.items() if value is not None or key == "budget"}
    own = {field.name for field in fields(RunSettings)}
    known = {*own, "experiment", "sampler", "backend", "metric"}
    for key in config:
        if key not in known:
            raise ConfigError(f"there is no setting {key!r}{closest(key, known)}")
    entries: dict[str, Entry] = {}
    parts: dict[str, Any] = {}
    for kind, default in DEFAULTS.items():
        entries[kind], parts[kind] = _part(kind, config.get(kind, default), registry)
    metrics = _metrics(config.get("metric"), registry)
    settings = typed(RunSettings, {k: v for k, v in config.items() if k in own}, "")
    as_path(settings.out)
    resolved: dict[str, Any] = {kind: {"name": parts[kind].name, **_stored(parts[kind].config)} for kind in parts}
    resolved["metric"] = {metric.name: _stored(metric.config) for _, metric in metrics}
    resolved |= dataclasses.asdict(settings)
    pilot_from = None
    if settings.adapt_on is not None:
        entries["adapt_on"], pilot_from = _part("experiment", settings.adapt_on, registry, "adapt_on")
        resolved["adapt_on"] = {"name": pilot_from.name, **_stored(pilot_from.config)}
    return Plan(
        **parts,
        metrics=tuple(metric for _, metric in metrics),
        settings=settings,
        config=resolved,
        plugins=identities(entries.values()),
        scorers=identities((entry for entry, _ in metrics), scoring=True),
        pilot_from=pilot_from,
        left_out=tuple(map(str, registry.broken)),
    )


def assemble_scoring(
    config: Mapping[str, Any],
    registry: Registry,
    experiment: Experiment[Any],
    pilot_from: Experiment[Any] | None = None,
) -> ScoringPlan:
    """What scores a finished run of this study, from the run's own configuration with other metrics or settings."""
    known = {field.name for field in fields(RunSettings)}
    settings = typed(RunSettings, {name: value for name, value in config.items() if name in known}, "")
    metrics = _metrics(config.get("metric"), registry)
    stored = {metric.name: _stored(metric.config) for _, metric in metrics}
    return ScoringPlan(
        experiment=experiment,
        metrics=tuple(metric for _, metric in metrics),
        settings=settings,
        config={**config, "metric": stored, "scoring": _stored(settings.scoring)},
        scorers=identities((entry for entry, _ in metrics), scoring=True),
        pilot_from=pilot_from,
    )


def named_config(cls: type[Any]) -> type[Any]:
    """The plugin's Config with one more field ``name``, as it stands in composed configurations."""
    if any(field.name == "name" for field in fields(cls.Config)):
        raise PluginError(f"{cls.__qualname__}.Config has a field 'name', which simbench itself uses")
    frozen = cls.Config.__dataclass_params__.frozen
    name = ("name", str, dataclasses.field(default=cls.name))
    return make_dataclass(cls.Config.__name__, [name], bases=(cls.Config,), frozen=frozen)


def writable(config: type[Any]) -> DictConfig:
    """The typed schema of a dataclass, open to changes at every depth; a frozen one would be read-only."""
    schema = OmegaConf.structured(config)
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        OmegaConf.set_readonly(node, None)
        children = (node._get_node(key) for key in node)
        waiting += [child for child in children if isinstance(child, DictConfig) and not child._is_none()]
    return schema


def _part(kind: str, given: Any, registry: Registry, key: str = "") -> tuple[Entry, Any]:
    """Build the experiment, sampler or backend that ``given`` (a name, or a mapping with one), set by ``key``, is."""
    settings = {"name": given} if isinstance(given, str) else dict(given) if isinstance(given, Mapping) else {}
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(f"{key or kind}: expected a name or a mapping with one; found {given!r}")
    entry = registry.get(kind, name)
    config = typed(entry.cls.Config, settings, f"{key or kind}.")
    with blamed(kind, entry.cls, "__init__"):
        return entry, entry.cls(config)


def _metrics(given: Any, registry: Registry) -> list[tuple[Entry, Metric[Any]]]:
    """Build the metrics asked for: all by default, a list of names, or ``{name: settings}``."""
    if given is None:
        wanted: dict[str, Any] = {entry.name: {} for entry in registry.of("metric")}
    elif isinstance(given, Mapping):
        wanted = dict(given)
    else:
        wanted = {name: {} for name in ([given] if isinstance(given, str) else given)}
    built = []
    for name in sorted(wanted):
        entry = registry.get("metric", name)
        settings = {key: value for key, value in (wanted[name] or {}).items() if key != "name"}
        config = typed(entry.cls.Config, settings, f"metric.{name}.")
        with blamed("metric", entry.cls, "__init__"):
            built.append((entry, entry.cls(config)))
    return built


def typed(config: type[Any], given: Mapping[str, Any], prefix: str) -> Any:
    """Instantiate a Config dataclass from plain values; types are checked and simple ones converted."""
    schema = writable(config)
    for name, value in given.items():
        _known(config, name, value, prefix)
        try:
            schema.merge_with({name: value})
        except OmegaConfBaseException as error:
            raise ConfigError(f"{prefix}{name}: {str(error).splitlines()[0]}") from None
    try:
        if lacking := sorted(OmegaConf.missing_keys(schema)):
            raise ConfigError(f"{prefix}{lacking[0]} has no default: give {prefix}{lacking[0]}=VALUE")
        made = OmegaConf.to_object(schema)
        refuse_beyond_numbers(made, given, prefix)
        return made
    except OmegaConfBaseException as error:  # an interpolation of what is not there
        raise ConfigError(f"{prefix.rstrip('.') or 'settings'}: {str(error).splitlines()[0]}") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:  # __post_init__'s refusal
        raise ConfigError(f"{prefix.rstrip('.') or 'settings'}: {error}") from error


def _known(config: type[Any], name: str, value: Any, prefix: str) -> None:
    """Raise ConfigError where a setting, or a setting inside a group of settings, does not exist."""
    known = {each.name for each in settings_of(config)}
    if name not in known:
        raise ConfigError(f"there is no setting {prefix + name!r}{closest(name, known)}")
    default = next(each.default for each in settings_of(config) if each.name == name)
    if isinstance(value, Mapping) and is_dataclass(default):
        for inner, inside in value.items():
            _known(type(default), inner, inside, f"{prefix}{name}.")


def _stored(config: Any) -> dict[str, Any]:
    """Settings as plain values, which give the same settings when they are read again."""
    found: dict[str, Any] = _plain(dataclasses.asdict(config))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(_plain(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, PurePath) else value


def _without_runtime(config: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    runtime = {each.name for each in settings_of(config) if each.runtime}
    return {name: value for name, value in values.items() if name not in runtime}
