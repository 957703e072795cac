"""Experiments written as one YAML file, with no Python: ``experiment=yaml experiment.file=PATH``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from simbench.design import PARTICIPANT, Design, Item, People, Value
from simbench.design.numbers import as_number, spelled
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

    file: str = setting("", "the YAML file that declares the experiment", runtime=True)
    data: str = setting(
        "",
        "CSV, TSV, Parquet, Excel, SPSS or Stata file of its people; empty: the one the YAML file names",
        runtime=True,
    )


class DeclaredExperiment(Experiment[DeclaredConfig]):
    """An experiment declared in a YAML file over a CSV or Parquet file: no Python needed.

    The file's keys: ``name``, ``introduction``, ``vignettes`` (a template over the factors, or a text per
    condition; none where there are no factors), ``factors``, ``profile``, ``items``, ``data``, and if wanted
    ``columns``, ``missing``, ``separator``, ``encoding``, ``sheet``, ``person``, ``cluster``, ``main_subgroup``,
    ``scores``, ``coherence``, ``undefined``, ``regressions``, ``synthetic``, ``citation``, ``license``.
    """

    name = "yaml"
    Config = DeclaredConfig
    items: ClassVar[Sequence[Item]] = ()

    @cached_property
    def declaration(self) -> Declaration:
        """The checked file."""
        return read_declaration(self.path)

    @property
    def path(self) -> Path:
        """The YAML file's path."""
        if not self.config.file:
            raise ConfigError("experiment.file: expected the YAML file that declares the experiment")
        return user_path(self.config.file, "experiment.file")

    @cached_property
    def design(self) -> Design:
        """The design that the file declares."""
        return self.declaration.design

    @property
    def synthetic(self) -> bool:
        """What the file says of its people."""
        return self.declaration.synthetic

    @property
    def citation(self) -> str:  # type: ignore[override]
        """What the file says is to be cited."""
        return self.declaration.citation

    @property
    def license(self) -> str:  # type: ignore[override]
        """What the file says of the licence of the study and its people."""
        return self.declaration.license

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
            raise ConfigError(
                "experiment.data: expected a file of people, such as people.csv; the YAML file names none"
            )
        return self.declaration.data

    @property
    def ranges(self) -> Mapping[str, str]:
        """The range of every item that is binned."""
        return {name: bins.expected for name, bins in self.declaration.bins.items()}

    def given(self) -> pd.DataFrame | None:
        """The numbers behind every binned item."""
        import pandas as pd

        frame, _, numbers = self._loaded
        return pd.DataFrame(numbers).set_axis(frame[PARTICIPANT].map(spelled)) if numbers else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was made of the table: ids, and the numbers that bins stand for."""
        return tuple(self._loaded[1])

    def load(self) -> pd.DataFrame:
        """The table under our names: missing values taken out, what is computed computed, numbers binned."""
        return self._loaded[0].copy()

    @cached_property
    def _loaded(self) -> tuple[pd.DataFrame, list[str], dict[str, list[float]]]:
        told = self.declaration
        theirs = {name: told.columns.get(name, name) for name in self.design.columns}
        ids = self.design.ids
        setting = "experiment.data" if self.config.data else f"{self.config.file}: data"
        frame = read_table(self.data, setting, [theirs[name] for name in ids], told.layout)
        notes = []
        if PARTICIPANT not in told.columns and PARTICIPANT not in frame.columns:
            frame = frame.assign(**{PARTICIPANT: [str(row) for row in range(1, len(frame) + 1)]})
            notes.append(f"{self.data.name} has no {PARTICIPANT}: every row is taken for one, named by its number")
        read = {name: column for name, column in theirs.items() if name not in told.computed}
        lost = {name: column for name, column in read.items() if column not in frame.columns}
        if lost:
            found = f"columns {', '.join(map(str, frame.columns))}"
            problems = [Problem(column, f"this column, for {name!r}", found) for name, column in lost.items()]
            raise DataError(str(self.data), problems)
        raw = {name for amount in told.computed.values() for name in amount.columns if name in frame.columns}
        clean = frame.assign(**{name: _without(frame[name], told.missing[""]) for name in raw})
        ours = {name: frame[column] for name, column in read.items()}
        ours |= {name: amount.value(clean) for name, amount in told.computed.items()}
        dropped = []
        for name in [name for name in ours if name not in ids]:
            declared = () if name in told.bins else self.design.orders.get(name, ())
            gone = told.missing.get(name, frozenset()) | (told.missing[""] - {str(value) for value in declared})
            answers, ours[name] = ours[name], _without(ours[name], gone) if gone else ours[name]
            if codes := sorted({spelled(value) for value in answers[answers.notna() & ours[name].isna()]}):
                dropped.append(f"{name} {int(answers.notna().sum() - ours[name].notna().sum())} ({', '.join(codes)})")
        if dropped:
            notes.append(f"values declared missing are no answers: {'; '.join(dropped)}")
        numbers = {name: [as_number(value) for value in ours[name].astype(object)] for name in told.bins}
        for name, bins in told.bins.items():
            notes += bins.loss(name, ours[name])
            ours[name] = bins.cut(ours[name])
        return frame[[]].assign(**ours), notes, numbers

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

    @property
    def coherence(self) -> Mapping[str, str]:
        """The declared rule, and where it is undefined."""
        told = self.declaration
        rules = {"rule": told.rule, "undefined": told.undefined}
        return {name: rule.text if rule else "" for name, rule in rules.items()}

    @property
    def sources(self) -> tuple[Path, ...]:
        """The YAML file and the table."""
        return self.path, self.data

    def scoring(self) -> dict[str, Any]:
        """The design, and the declared rule: an edited file scores finished runs anew."""
        return super().scoring() | {"rules": [text or None for text in self.coherence.values()]}

    def script(self, style: Style | None = None, ask: Sequence[str] = ()) -> Script:
        """What writes this experiment's interviews."""
        style = style or Style()
        wordings = self.declaration.introductions
        return Script(self.design, wordings[style.wording % len(wordings)], self.vignette, style, tuple(ask))


def _without(column: pd.Series, values: frozenset[str]) -> pd.Series:
    """The column (n,) with some values, as they are spelled, missing."""
    gone = column.astype(object).map(lambda value: spelled(value) in values)
    return column.astype(object).mask(gone.astype(bool), None).infer_objects()
