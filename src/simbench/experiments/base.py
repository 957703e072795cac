"""The contract of an experiment: a study design plus its human data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from simbench.design import Design, Factor, Item, People, Profile, Regression, Value
from simbench.errors import SimbenchError
from simbench.interview import Script, Style
from simbench.part import C, Part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Experiment"]


class Experiment(Part[C]):
    """A study design plus its human data.

    A subclass sets the class attributes, and implements :meth:`load`, :meth:`vignette` and (where the study
    has a rule of belief-action coherence) :meth:`coherent`. The first line of its docstring is what
    ``simbench plugins`` prints.

    ``items`` are asked in this order. ``main_subgroup`` is what samplers balance over by default (else the
    first subgroup variable). ``person`` names the column of the human behind a row where one human answers
    several conditions: such a human is in the pilot whole or not at all, and inference is clustered. ``cluster``
    names the column of what humans were sampled or treated in together, such as a village, and clusters inference.
    ``weight`` names the column of survey weights, which enter figures and their resamples on both sides.
    ``introductions`` holds wordings of the opening; ``interview.wording`` picks one. ``citation`` and ``license``
    (a name or address) are those of the study and its data: every run keeps them and its page shows them.
    """

    factors: ClassVar[Sequence[Factor]] = ()
    profile: ClassVar[Sequence[Profile]] = ()
    items: ClassVar[Sequence[Item]]
    regressions: ClassVar[Sequence[Regression]] = ()
    main_subgroup: ClassVar[str | None] = None
    person: ClassVar[str | None] = None
    cluster: ClassVar[str | None] = None
    weight: ClassVar[str | None] = None
    introductions: ClassVar[Sequence[str]] = ("You are taking part in a scientific study.",)
    citation: ClassVar[str] = ""
    license: ClassVar[str] = ""

    @cached_property
    def design(self) -> Design:
        """The declared design as one object."""
        return Design(
            self.name,
            tuple(self.factors),
            tuple(self.profile),
            tuple(self.items),
            tuple(self.regressions),
            self.main_subgroup,
            self.person,
            self.cluster,
            self.weight,
        )

    @property
    def synthetic(self) -> bool:
        """Whether the "humans" are not real people. Every report then says so next to every number."""
        return False

    @classmethod
    def people_are(cls) -> str:
        """``real`` or ``synthetic`` under default settings, without loading anybody; empty where settings decide."""
        if cls.synthetic is Experiment.synthetic:
            return "real"
        try:
            return "synthetic" if cls(cls.Config()).synthetic else "real"
        except (SimbenchError, TypeError):
            return ""

    @property
    def source(self) -> str:
        """Where the people come from, in one line."""
        return self.name

    @abstractmethod
    def load(self) -> pd.DataFrame:
        """The people: one row per participant, one column per name in ``design.columns``.

        Same configuration, same rows in the same order.
        """

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The text that a treatment group reads. ``treatment`` maps factors to values."""
        return "\n".join(f"{factor.name}: {factor.words[treatment[factor.name]]}" for factor in self.design.factors)

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """Whether each row's decision agrees with its own beliefs: boolean (n,), <NA> where undefined.

        The default is undefined everywhere: the value-action gap is then not computable.
        """
        import pandas as pd

        return pd.Series(pd.NA, index=people.index, dtype="boolean")

    @property
    def coherence(self) -> Mapping[str, str] | None:
        """The rule of :meth:`coherent` as expressions: ``rule`` and ``undefined`` (empty where there is none).

        None where the rule is Python code: a run then keeps what it said of the rows that were scored.
        """
        return {"rule": "", "undefined": ""} if type(self).coherent is Experiment.coherent else None

    def lacking(self) -> str:
        """What of its data would first have to be downloaded; empty where nothing would, or where that is not known.

        Quick, and asks no network.
        """
        return ""

    @property
    def sources(self) -> Sequence[Path]:
        """The files that the study was read from; every run keeps their digests."""
        return ()

    def scoring(self) -> dict[str, Any]:
        """What decides, besides the answers, how they are scored. A change of it scores a finished run anew."""
        return {"design": repr(self.design)}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of how the people were read. Loads them."""
        return ()

    def given(self) -> pd.DataFrame | None:
        """The numbers that people gave, before they were binned: a column per binned item, indexed by participant id.

        None where nothing was binned. They are kept with the people, and shown to no model.
        """
        return None

    @property
    def ranges(self) -> Mapping[str, str]:
        """What the answers to items can be, in words, where the list of options does not say it (bins)."""
        return {}

    def people(self) -> People:
        """Load and validate. Raises DataError that names every problem."""
        return People.of(self.design, self.load(), self.source, self.ranges)

    def script(self, style: Style | None = None, ask: Sequence[str] = ()) -> Script:
        """What writes this experiment's interviews."""
        style = style or Style()
        wording = self.introductions[style.wording % len(self.introductions)]
        return Script(self.design, wording, self.vignette, style, tuple(ask))
