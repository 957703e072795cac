"""The words a study is written in: options, items, factors, profile variables, regressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simbench.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ROLES", "Factor", "Item", "Option", "Profile", "Regression", "Value"]

Value = str | int
ROLES = ("belief", "attitude", "decision")
FAMILIES = ("ols", "logit", "ordered_logit", "multinomial", "interval", "poisson")


@dataclass(frozen=True)
class Option:
    """One answer an item can have: ``value`` stands in the data, ``label`` is what people read and say.

    ``when`` holds (factor, values) pairs: the option is offered only where every factor has one of its values.
    """

    value: Value
    label: str
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def offered(self, treatment: Mapping[str, Value]) -> bool:
        """Whether a treatment group (factor name to value) can give this answer."""
        return all(treatment[factor] in values for factor, values in self.when)


def _options(given: Sequence[Option | Value] | Mapping[Value, str]) -> tuple[Option, ...]:
    if isinstance(given, Mapping):
        return tuple(Option(value, label) for value, label in given.items())
    return tuple(each if isinstance(each, Option) else Option(each, str(each)) for each in given)


def _restricted(
    item: str, options: tuple[Option, ...], only: Mapping[Value, Mapping[str, Sequence[Value]]]
) -> tuple[Option, ...]:
    unknown = set(only) - {option.value for option in options}
    if unknown:
        raise ConfigError(f"item {item!r}: restricts {sorted(map(str, unknown))}, which are none of its options")
    when = {value: tuple((factor, tuple(v)) for factor, v in limits.items()) for value, limits in only.items()}
    return tuple(replace(option, when=when.get(option.value, option.when)) for option in options)


@dataclass(frozen=True, init=False)
class Item:
    """One question with a closed list of options.

    ``options`` may be given as values, as ``{value: label}``, or as :class:`Option`. ``ordered`` says
    whether the order of the options carries meaning (a scale), as opposed to mere names. ``only`` restricts
    options to treatment groups: ``{"leave": {"participation": ("voluntary",)}}``. ``spans`` makes the item a
    number that is asked in bins: the lowest and highest number of every option. ``digits``: it is asked for in digits
    instead, as interviews may; its answers are bins all the same, and the number itself is kept beside them.
    """

    name: str
    role: str
    text: str
    options: tuple[Option, ...]
    ordered: bool = True
    spans: tuple[tuple[float, float], ...] = ()
    digits: bool = False

    def __init__(
        self,
        name: str,
        role: str,
        text: str,
        options: Sequence[Option | Value] | Mapping[Value, str],
        ordered: bool = True,
        only: Mapping[Value, Mapping[str, Sequence[Value]]] | None = None,
        spans: Sequence[Sequence[float]] = (),
        digits: bool = False,
    ) -> None:
        for key, value in {
            "name": name,
            "role": role,
            "text": text,
            "options": _restricted(name, _options(options), only or {}),
            "ordered": ordered,
            "spans": tuple((float(low), float(high)) for low, high in spans),
            "digits": digits,
        }.items():
            object.__setattr__(self, key, value)
        if role not in ROLES:
            raise ConfigError(f"item {name!r}: role is one of {', '.join(ROLES)}; found {role!r}")
        if not self.options:
            raise ConfigError(f"item {name!r} has no options")
        if not name or ":" in name or "\n" in name:
            raise ConfigError(f"item {name!r}: a name is not empty and has no colon or line break")
        if len({isinstance(value, str) for value in self.values}) > 1:
            raise ConfigError(f"item {name!r}: values are all text or all whole numbers; found {self.values}")
        if self.spans and not (len(self.spans) == len(self.options) and self._rise()):
            raise ConfigError(f"item {name!r}: spans are (low, high) for every option, rising; found {self.spans}")
        if digits and not self.spans:
            raise ConfigError(f"item {name!r}: only a number, an item with spans, can be asked for in digits")
        spoken = [label.casefold() for label in self.labels]
        for what, words in (("values", self.values), ("labels", tuple(spoken))):
            if len(set(words)) != len(words):
                raise ConfigError(f"item {name!r}: two options share their {what[:-1]}: {words}")
        for label in self.labels:
            if label != label.strip() or not label or "\n" in label:
                raise ConfigError(f"item {name!r}: label {label!r} is empty, padded or has a line break")

    def __hash__(self) -> int:
        return hash((self.name, self.role))  # of its many parts what tells items of a study apart

    def _rise(self) -> bool:
        """Whether the spans rise, and every option's value is its span's lowest number."""
        ends = [end for span in self.spans for end in span]
        lows = [low for low, _ in self.spans]
        return ends == sorted(ends) and len(set(lows)) == len(lows) and lows == list(self.values)

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """What the options count as: the middle of a bin, rising numbers as they are; None for the others."""
        if self.spans:
            return tuple((low + high) / 2 for low, high in self.spans)
        values = self.values
        if all(isinstance(value, int) for value in values) and list(values) == sorted(values):
            return tuple(map(float, values))
        return None

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest number that the answer to an item with spans can be."""
        return self.spans[0][0], self.spans[-1][1]

    def bin_of(self, number: float) -> Value | None:
        """The option of an item with spans that a number falls into; None outside."""
        low, high = self.ends
        if not low <= number <= high:
            return None
        return self.values[sum(start <= number for start, _ in self.spans) - 1]

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """The options' values, in order."""
        return tuple(option.value for option in self.options)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The options' labels, in order."""
        return tuple(option.label for option in self.options)

    def within(self, treatment: Mapping[str, Value]) -> Item:
        """This item with the options that a treatment group (factor name to value) is offered."""
        offered = tuple(option for option in self.options if option.offered(treatment))
        if len(offered) == len(self.options):
            return self
        spans = [span for option, span in zip(self.options, self.spans, strict=False) if option in offered]
        return Item(self.name, self.role, self.text, offered, self.ordered, spans=spans, digits=self.digits)

    def code(self, value: Any) -> int:
        """Position of a value among the options; -1 for a missing or unknown one."""
        try:
            return self.values.index(value)
        except ValueError:
            return -1

    def codes(self, answers: pd.Series) -> NDArray[np.int64]:
        """Positions (n,) of answers (n,) among the options; -1 where missing."""
        found = answers.map({value: code for code, value in enumerate(self.values)})
        return found.fillna(-1).to_numpy().astype(np.int64)


@dataclass(frozen=True)
class Factor:
    """One experimental factor. ``levels`` maps values in the data to words, or lists the values."""

    name: str
    levels: Mapping[Value, str] | Sequence[Value]

    @property
    def words(self) -> dict[Value, str]:
        """``{value: word}`` for every level, in order."""
        if isinstance(self.levels, Mapping):
            return dict(self.levels)
        return {level: str(level) for level in self.levels}


@dataclass(frozen=True)
class Profile:
    """One profile variable of a participant.

    ``label`` is how the persona names it. ``levels`` lists or words the values it can take; ``bins`` are
    the lower edges of bands for a number (``(18, 30, 45)``: 18-29, 30-44, 45+), used for subgroups while
    the persona keeps the number. ``subgroup=False`` keeps it out of the subgroup comparisons. A ``derived``
    variable was worked out by simbench for a comparison and is no part of who these people are.
    """

    name: str
    label: str = ""
    levels: Mapping[Value, str] | Sequence[Value] | None = None
    bins: Sequence[float] = ()
    subgroup: bool = True
    in_persona: bool = True
    derived: bool = False

    def __post_init__(self) -> None:
        if any(low >= high for low, high in zip(self.bins, self.bins[1:], strict=False)):
            raise ConfigError(f"profile variable {self.name!r}: bins must rise; found {list(self.bins)}")

    @property
    def title(self) -> str:
        """What the persona calls this variable."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def words(self) -> dict[Value, str] | None:
        """``{value: word}``, or None where any value goes."""
        if self.levels is None:
            return None
        if isinstance(self.levels, Mapping):
            return dict(self.levels)
        return {level: str(level) for level in self.levels}

    def say(self, value: Any) -> str:
        """The value in words, as the persona says it."""
        words = self.words
        if words is not None:
            return words[value]
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value)

    def bands(self) -> tuple[str, ...]:
        """Names of the bands that ``bins`` cut, lowest first; the last is open."""
        edges = list(self.bins)
        closed = [_band(low, high) for low, high in zip(edges, edges[1:], strict=False)]
        return (f"under {_edge(edges[0])}", *closed, f"{_edge(edges[-1])}+")

    def level(self, values: pd.Series) -> pd.Series:
        """Subgroup level (n,) of each value (n,), in words; missing stays missing."""
        if self.bins:
            import pandas as pd

            edges = [-np.inf, *self.bins, np.inf]
            numbers = pd.to_numeric(values, errors="coerce")
            bands = pd.cut(numbers, edges, right=False, labels=list(self.bands()))
            return bands.astype(object).where(numbers.notna(), None)
        said = {value: self.say(value) for value in values.dropna().unique()}
        return values.map(said).astype(object).where(values.notna(), None)

    def order(self) -> tuple[str, ...] | None:
        """All level names in their natural order, or None where they are whatever the data hold."""
        if self.bins:
            return self.bands()
        words = self.words
        return None if words is None else tuple(words.values())


def _band(low: float, high: float) -> str:
    """Name of the numbers from ``low`` to below ``high``: ``18-29`` between whole edges."""
    if not (float(low).is_integer() and float(high).is_integer()):
        return f"{_edge(low)} to under {_edge(high)}"
    return _edge(low) if high == low + 1 else f"{_edge(low)}-{_edge(high - 1)}"


def _edge(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


@dataclass(frozen=True)
class Regression:
    """A regression fitted, unchanged, on humans and on simulated participants.

    ``formula`` speaks of the columns of the experiment's frame, as statsmodels formulas do; ``family`` is
    ``ols``, ``logit``, ``ordered_logit``, ``multinomial`` (for options without order; the first is the reference),
    ``interval`` (for a number of which only the bin is known) or ``poisson``. Standard errors are clustered by the
    design's clusters, or by person where one answers several conditions.
    """

    formula: str
    family: str = "ols"
    name: str = ""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(
                f"regression {self.formula!r}: family is one of {', '.join(FAMILIES)}; found {self.family!r}"
            )

    @property
    def outcome(self) -> str:
        """The left-hand side of the formula."""
        return self.formula.split("~", 1)[0].strip()

    @property
    def title(self) -> str:
        """How reports name it."""
        return self.name or f"{self.family}: {self.outcome}"
