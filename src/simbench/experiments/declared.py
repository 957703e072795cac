"""Experiments written as one YAML file, with no Python: ``experiment=yaml experiment.file=PATH``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from simbench.design import PARTICIPANT, Design, Item, People, Value
from simbench.errors import ConfigError, DataError, Problem
from simbench.experiments.base import Experiment
from simbench.experiments.declaration import Declaration, read_declaration
from simbench.experiments.files import user_path
from simbench.experiments.tables import read_table
from simbench.interview import Script, Style
from simbench.settings import setting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DeclaredConfig", "DeclaredExperiment"]


@dataclass(frozen=True)
class DeclaredConfig:
    """Settings of a declared experiment."""

    file: str = setting("", "the YAML file that declares the experiment")
    data: str = setting("", "CSV, TSV or Parquet file of its people; empty: the one the YAML file names")


class DeclaredExperiment(Experiment[DeclaredConfig]):
    """An experiment declared in a YAML file over a CSV or Parquet file: no Python needed.

    The file's keys: ``name``, ``introduction``, ``vignettes`` (a template over the factors, or a text per
    condition), ``factors``, ``profile``, ``items``, ``data``, and if wanted ``columns``, ``person``,
    ``main_subgroup``, ``coherence``, ``undefined``, ``regressions``, ``synthetic``, ``citation``.
    """

    name = "yaml"
    Config = DeclaredConfig
    items: ClassVar[Sequence[Item]] = ()

    @cached_property
    def declaration(self) -> Declaration:
        """The checked file."""
        if not self.config.file:
            raise ConfigError("experiment.file: expected the YAML file that declares the experiment")
        return read_declaration(user_path(self.config.file, "experiment.file"))

    @cached_property
    def design(self) -> Design:
        """The design that the file declares."""
        return self.declaration.design

    @property
    def synthetic(self) -> bool:
        """What the file says of its people."""
        return self.declaration.synthetic

    @property
    def source(self) -> str:
        """The table the people come from."""
        return str(self.data)

    @property
    def data(self) -> Path:
        """The table's path."""
        if self.config.data:
            return user_path(self.config.data, "experiment.data")
        if self.declaration.data is None:
            raise ConfigError("experiment.data: expected a CSV or Parquet file; the YAML file names none")
        return self.declaration.data

    @property
    def ranges(self) -> Mapping[str, str]:
        """The range of every item that is binned."""
        return {name: bins.expected for name, bins in self.declaration.bins.items()}

    def load(self) -> pd.DataFrame:
        """The table, with its columns under our names and numbers binned where the file says so."""
        theirs = {name: self.declaration.columns.get(name, name) for name in self.design.columns}
        ids = [PARTICIPANT, *([self.design.person] if self.design.person else [])]
        setting = "experiment.data" if self.config.data else f"{self.config.file}: data"
        frame = read_table(self.data, setting, text=[theirs[name] for name in ids])
        lost = {name: column for name, column in theirs.items() if column not in frame.columns}
        if lost:
            found = f"columns {', '.join(map(str, frame.columns))}"
            problems = [Problem(column, f"this column, for {name!r}", found) for name, column in lost.items()]
            raise DataError(str(self.data), problems)
        ours = {name: frame[column] for name, column in theirs.items()}
        ours |= {name: bins.cut(ours[name]) for name, bins in self.declaration.bins.items()}
        return frame[[]].assign(**ours)

    def people(self) -> People:
        """Load and validate, and try the coherence rule on what was loaded."""
        people = super().people()
        self.coherent(people.frame)
        return people

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The text of a treatment group."""
        return self.declaration.vignette(treatment)

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """The declared rule; undefined where the file says so, and without a rule everywhere."""
        rule, undefined = self.declaration.rule, self.declaration.undefined
        if rule is None:
            return super().coherent(people)
        held = rule.holds(people)
        return held if undefined is None else held.mask(undefined.holds(people).fillna(True))

    def scoring(self) -> dict[str, Any]:
        """The design, and the declared rule: an edited file scores finished runs anew."""
        rules = (self.declaration.rule, self.declaration.undefined)
        return super().scoring() | {"rules": [None if rule is None else rule.text for rule in rules]}

    def script(self, style: Style | None = None, ask: Sequence[str] = ()) -> Script:
        """What writes this experiment's interviews."""
        style = style or Style()
        wordings = self.declaration.introductions
        return Script(self.design, wordings[style.wording % len(wordings)], self.vignette, style, tuple(ask))
