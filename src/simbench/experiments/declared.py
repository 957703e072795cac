"""Experiments written as one YAML file, with no Python: ``experiment=yaml experiment.file=PATH``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from simbench.design import PARTICIPANT, Design, Item, People, Value
from simbench.design.numbers import spelled
from simbench.errors import ConfigError
from simbench.experiments.base import Experiment
from simbench.experiments.declaration import Declaration, read_declaration
from simbench.experiments.files import user_path
from simbench.experiments.prepared import Prepared, prepare
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
        "CSV, TSV, Parquet, Excel, SPSS, Stata or R file of its people, or a folder with what it would download; "
        "empty: as the YAML file says",
        runtime=True,
    )


class DeclaredExperiment(Experiment[DeclaredConfig]):
    """An experiment declared in a YAML file over a table of people: no Python needed.

    The file's keys: ``name``, ``introduction``, ``vignettes`` (a template over the factors, or a text per
    condition; none where there are no factors), ``factors``, ``profile``, ``items``, ``data``, and if wanted
    ``columns``, ``missing``, ``separator``, ``encoding``, ``sheet``, ``person``, ``cluster``, ``weight``,
    ``main_subgroup``, ``scores``, ``coherence``, ``undefined``, ``regressions``, ``synthetic``, ``citation``,
    ``license``.
    """

    name = "yaml"
    Config = DeclaredConfig
    items: ClassVar[Sequence[Item]] = ()

    @cached_property
    def declaration(self) -> Declaration:
        """The checked file."""
        return read_declaration(self.path, self.config.data)

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
        return self.declaration.data.words(self.config.data)

    @property
    def ranges(self) -> Mapping[str, str]:
        """The range of every item that is binned."""
        computed = self.declaration.computed
        return {name: bins.expected for name, bins in (computed.bins | computed.cuts).items()}

    def given(self) -> pd.DataFrame | None:
        """The numbers behind every binned item."""
        import pandas as pd

        made = self._prepared
        ids = made.frame[PARTICIPANT].map(spelled)
        return pd.DataFrame(made.numbers).set_axis(ids) if made.numbers else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was made of the table: ids, and the numbers that bins stand for."""
        return tuple(self._prepared.notes)

    def load(self) -> pd.DataFrame:
        """The table under our names: missing values taken out, what is computed computed, numbers binned."""
        return self._prepared.frame.copy()

    def lacking(self) -> str:
        """The folder of published files that is not on this machine, where it would be downloaded."""
        remote = self.declaration.data.remote
        return "" if remote is None or self.config.data or remote.at_hand() else f"{remote.folder} from {remote.url}"

    @cached_property
    def _read(self) -> tuple[pd.DataFrame, tuple[Path, ...], list[str]]:
        """The table in shape, the files it is in, and notes."""
        told = self.declaration
        theirs = [told.columns.get(name, name) for name in self.design.ids]
        return told.data.read(self.config.data, f"{self.path.name}: data", theirs, told.layout)

    @cached_property
    def _prepared(self) -> Prepared:
        told = self.declaration
        table, paths, notes = self._read
        name, folder = (paths[0].name, paths[0].parent) if paths else (told.data.packaged, self.path.parent)
        made = prepare(self.shaped(table, folder), self.design, told.columns, told.computed, name)
        return replace(made, notes=notes + made.notes)

    def shaped(self, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
        """The table before its columns are brought under our names; ``folder`` holds its file.

        What YAML cannot say of it, a subclass does here.
        """
        return table

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
    def coherence(self) -> Mapping[str, str] | None:
        """The declared rule, and where it is undefined; None where a subclass has one in Python."""
        if type(self).coherent is not DeclaredExperiment.coherent:
            return None
        told = self.declaration
        rules = {"rule": told.rule, "undefined": told.undefined}
        return {name: rule.text if rule else "" for name, rule in rules.items()}

    @property
    def sources(self) -> tuple[Path, ...]:
        """The YAML file and the files of the table."""
        return self.path, *self._read[1]

    def scoring(self) -> dict[str, Any]:
        """The design, and the declared rule: an edited file scores finished runs anew."""
        return super().scoring() | {"rules": [text or None for text in (self.coherence or {}).values()]}

    def script(self, style: Style | None = None, ask: Sequence[str] = ()) -> Script:
        """What writes this experiment's interviews."""
        style = style or Style()
        wordings = self.declaration.introductions
        return Script(self.design, wordings[style.wording % len(wordings)], self.vignette, style, tuple(ask))
