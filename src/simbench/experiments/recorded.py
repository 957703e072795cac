"""The study of a finished run, from what its folder keeps: no file of the study and no plugin is needed.

A record holds every word that participants read, the design, and the rule of coherence: as expressions where the
study is declared in YAML, else as a table of what the rule said of every row that figures rest on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.design import Design, People, Value, design_from_json, design_to_json
from simbench.errors import ConfigError, PluginError, StorageError
from simbench.experiments.base import Experiment
from simbench.experiments.expressions import Rule
from simbench.files import file_digest
from simbench.interview import Script
from simbench.settings import NoConfig

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Recorded", "as_declared", "record", "verdicts"]

SCHEMA = 1
VERDICT = "coherent"


def record(experiment: Experiment[Any], people: People, design: Design, script: Script) -> dict[str, Any]:
    """The study as JSON, with the words that these people's treatment groups read.

    ``design`` is that of the people compared, which may hold variables worked out for the comparison.

    Raises PluginError for a design that JSON does not hold.
    """
    try:
        plain = design_to_json(design)
    except TypeError as error:
        raise PluginError(f"experiment {experiment.name!r} has a design that cannot be kept: {error}") from None
    first = people.where(~people.condition.duplicated())
    rows = first.frame.to_dict("records")
    treatments = {name: design.treatment(row) for name, row in zip(first.condition, rows, strict=True)}
    shown = [name for name in design.conditions if name in treatments]
    return {
        "schema": SCHEMA,
        "experiment": experiment.name,
        "design": plain,
        "introduction": script.introduction,
        "vignettes": {name: script.vignette(treatments[name]) for name in shown},
        "coherence": experiment.coherence,
        "synthetic": experiment.synthetic,
        "source": experiment.source,
        "sources": {str(path): file_digest(path) for path in experiment.sources},
        "notes": list(experiment.notes),
        "citation": experiment.citation,
        "license": experiment.license,
    }


def as_declared(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record without the variables that were worked out for one run's comparison."""
    design = content["design"]
    profile = [each for each in design["profile"] if not each.get("derived")]
    return {**content, "design": {**design, "profile": profile}}


def verdicts(experiment: Experiment[Any], design: Design, frames: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """What a rule of coherence says of these rows: one row per different row of profile, factors and items.

    None where the rule is written as expressions, and where it says different things of equal rows.
    """
    import pandas as pd

    if experiment.coherence is not None:
        return None
    names = _judged(design)
    tables = [frame[names].astype(object).assign(**{VERDICT: experiment.coherent(frame)}) for frame in frames]
    table = pd.concat(tables, ignore_index=True)
    keys = pd.Series(_keys(table, names))
    said = table[VERDICT].astype("Int64").fillna(-1)
    if (said.groupby(keys).nunique() > 1).any():
        return None
    kept = table[~keys.duplicated().to_numpy()].reset_index(drop=True)
    return kept.astype({VERDICT: "boolean"}).infer_objects()


class Recorded(Experiment[NoConfig]):
    """The study of a finished run as its folder keeps it."""

    name = "recorded"

    def __init__(self, content: Mapping[str, Any], table: pd.DataFrame | None = None) -> None:
        """``content`` as :func:`record` made it, ``table`` as :func:`verdicts`. StorageError for what is none."""
        super().__init__(NoConfig())
        if content.get("schema") != SCHEMA:
            raise StorageError(f"expected the record of a study, schema {SCHEMA}; found {content.get('schema')!r}")
        self._content, self._table = content, table
        self.items = self.design.items  # type: ignore[misc]
        self.introductions = (content["introduction"],)  # type: ignore[misc]
        self.citation, self.license = content["citation"], content["license"]  # type: ignore[misc]

    @cached_property
    def design(self) -> Design:
        """The design of the people in the run's folder."""
        return design_from_json(self._content["design"])

    @property
    def synthetic(self) -> bool:
        """What the run says of its people."""
        return bool(self._content["synthetic"])

    @property
    def source(self) -> str:
        """Where the people came from when the run was made."""
        return str(self._content["source"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was made of the table of people when the run was made."""
        return tuple(self._content["notes"])

    @property
    def coherence(self) -> Mapping[str, str] | None:
        """The rule as the run keeps it; None where it was written in Python."""
        kept: Mapping[str, str] | None = self._content["coherence"]
        return kept

    def load(self) -> pd.DataFrame:
        """Refused: a run keeps the people it compares, and not everybody."""
        raise ConfigError("a finished run keeps the people it compares, and not everybody the study has")

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The text that the treatment group read."""
        words = [factor.words[treatment[factor.name]] for factor in self.design.factors]
        name = "/".join(map(str, words)) or "all"
        if name not in self._content["vignettes"]:
            raise ConfigError(f"nobody of this run was in the treatment group {name!r}, so its text was not kept")
        return str(self._content["vignettes"][name])

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """The rule that the run keeps. ConfigError for rows of which it keeps no verdict."""
        if self.coherence is None:
            return self._looked_up(people)
        if not self.coherence.get("rule"):
            return super().coherent(people)
        held = self._rule("rule").holds(people)
        if not self.coherence.get("undefined"):
            return held
        return held.mask(self._rule("undefined").holds(people).fillna(True))

    def _rule(self, name: str) -> Rule:
        rule = (self.coherence or {})[name]
        return Rule.parse(rule, dict.fromkeys(self.design.columns) | self.design.orders)

    def _looked_up(self, people: pd.DataFrame) -> pd.Series:
        import pandas as pd

        why = "the rule of coherence is Python code of the experiment, which the run folder does not hold; "
        if self._table is None:
            raise ConfigError(f"{why}nor what it said of these rows")
        known = dict(zip(self._known, self._table[VERDICT], strict=True))
        keys = _keys(people, _judged(self.design))
        unknown = sum(key not in known for key in keys)
        if unknown:
            raise ConfigError(
                f"{why}it keeps what the rule said of the rows that it was scored with, and {unknown} of these "
                f"{len(keys)} rows are others (another scoring.seed or scoring.floors draws others)"
            )
        return pd.Series([known[key] for key in keys], index=people.index, dtype="boolean")

    @cached_property
    def _known(self) -> list[tuple[str, ...]]:
        if self._table is None:
            return []
        return _keys(self._table, _judged(self.design))


def _judged(design: Design) -> list[str]:
    """The columns that a rule of coherence can speak of."""
    return [name for name in design.given.columns if name not in (*design.ids, design.weight)]


def _keys(frame: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Every row (n,) as texts, equal for equal values whatever the type of their column; missing is empty."""
    from simbench.design.numbers import spelled

    columns = []
    for name in names:
        values = frame[name].astype(object)
        gone = values.isna().to_numpy()
        plain = (each.item() if isinstance(each, np.generic) else each for each in values)
        columns.append(["" if missing else spelled(each) for missing, each in zip(gone, plain, strict=True)])
    return list(zip(*columns, strict=True))
