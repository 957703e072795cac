"""What a column of a table holds: few values or many, numbers or text, and codes that stand for no answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from simbench.design import Value
from simbench.design.numbers import as_number, spelled

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEW", "Column", "look", "names_for"]

FEW = 12  # different values of a closed list of options
MANY = 20  # of a variable in words
LONG_TEXT = 60

LOST = re.compile(
    r"\.[a-z]?|n/?a|nan|null|\#null!|\#n/a|missing|no answer|not asked|refused|not applicable|inapplicable|skipped"
    r"|-9+",
    re.IGNORECASE,
)
LOST_LABEL = re.compile(
    r"\b(refus|no answer|missing|not applicable|inapplicable|skipped|not asked|don.?t know|iap)\b", re.I
)
BELOW = (-1, -2, -7, -8, -9, -77, -88, -97, -98, -99, -777, -888, -999, -9999)
ABOVE = (77, 88, 97, 98, 99, 777, 888, 997, 998, 999, 9997, 9998, 9999)


@dataclass(frozen=True)
class Column:
    """One column. ``kind`` is what it holds:

    ``empty``, ``constant``, ``rows`` (the numbers of the rows), ``choice`` (few values), ``number``, ``unique`` (text
    or whole numbers, another one in every row), ``text`` (anything else). ``values``: the different ones, numbers
    rising, words by scale or alphabet; ``missing``: values, as they are spelled, that seem to stand for no answer.
    """

    source: str
    name: str
    kind: str
    values: tuple[Value, ...] = ()
    counts: Mapping[Value, int] = field(default_factory=dict)
    words: Mapping[Value, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    answered: int = 0
    ordered: bool = True
    low: float = 0.0
    high: float = 0.0
    whole: bool = True
    label: str = ""
    cuts: tuple[float, ...] = ()

    @property
    def holds(self) -> str:
        """What it holds, in a few words."""
        if self.kind == "number":
            return f"{self.low:.6g} to {self.high:.6g}"
        if self.kind == "choice":
            return " | ".join(map(str, self.values))
        return self.kind


def look(source: str, name: str, cells: pd.Series, label: str = "", words: Mapping[Any, str] | None = None) -> Column:
    """Look at one column (n,). ``words``: what the file calls its values."""
    given: Counter[str] = Counter()
    for value, times in cells.value_counts().items():
        given[value if isinstance(value, str) else spelled(value)] += int(times)
    called = {spelled(value): str(word) for value, word in (words or {}).items()}
    lost = _lost(given, called) | {each for each in given if each and not each.strip()}
    counted = Counter({each: times for each, times in given.items() if each not in lost and each})
    answered = counted.total()
    about: dict[str, Any] = {"missing": tuple(sorted(lost)), "answered": answered, "label": label}
    if not counted:
        return Column(source, name, "empty", **about)
    numbers = {each: as_number(each) for each in counted}
    if all(number == number for number in numbers.values()):
        return _of_numbers(
            Column(source, name, "number", **about),
            cells,
            Counter({numbers[each]: n for each, n in counted.items()}),
            called,
        )
    kind = "constant" if len(counted) == 1 else "choice" if len(counted) <= MANY else "text"
    if len(counted) == answered > FEW:
        kind = "unique"
    if kind == "choice" and max(map(len, counted)) > LONG_TEXT:
        kind = "text"
    counts: dict[Value, int] = dict(counted.items())
    if kind != "choice":
        return Column(source, name, kind, tuple(list(counts)[:3]), counts, **about)
    order, ordered = _scale([*counted])
    said = {each: str(each).strip() for each in order}
    return Column(source, name, kind, order, counts, said, ordered=ordered, **about)


def _of_numbers(column: Column, cells: pd.Series, counted: Counter[float], called: Mapping[str, str]) -> Column:
    import numpy as np

    rising = sorted(counted)
    whole = all(number.is_integer() for number in rising)
    column = replace(column, low=rising[0], high=rising[-1], whole=whole)
    if whole and len(rising) == column.answered > FEW:
        steps = np.diff([as_number(each) for each in cells])
        return replace(column, kind="rows" if (steps == 1).all() else "unique")
    if len(rising) == 1:
        return replace(column, kind="constant", values=(_plain(rising[0]),))
    counts = {_plain(each): times for each, times in counted.items()}
    if len(rising) <= FEW and 3 * len(rising) <= max(column.answered, 6):
        values: tuple[Value, ...] = tuple(_plain(each) for each in rising)
        if not whole:  # numbers with a fraction are names
            values, counts = tuple(map(str, values)), {str(each): times for each, times in counts.items()}
        words = {value: called.get(str(value), str(value)) for value in values}
        if len({word.casefold() for word in words.values()}) < len(words):
            words = {value: str(value) for value in values}
        return replace(column, kind="choice", values=values, counts=counts, words=words)
    given = np.repeat(rising, [counted[each] for each in rising])
    return replace(column, counts=counts, cuts=tuple(float(each) for each in np.quantile(given, (0.25, 0.5, 0.75))))


def _plain(number: float) -> Value:
    return int(number) if float(number).is_integer() else spelled(number)


def _lost(counted: Mapping[str, int], called: Mapping[str, str]) -> set[str]:
    """The values that seem to stand for no answer."""
    lost = {each for each in counted if LOST.fullmatch(each.strip()) or LOST_LABEL.search(called.get(each, ""))}
    rest = [each for each in counted if each not in lost and each.strip()]
    numbers = {each: as_number(each) for each in rest}
    words = [each for each, number in numbers.items() if number != number]
    if words and len(words) <= 2 and len(words) < len(rest) / 2 and all(LOST_WORD.fullmatch(each) for each in words):
        lost |= set(words)
    numbers = {each: number for each, number in numbers.items() if number == number}
    if len(numbers) < len(rest) - len(words) or len(numbers) < 2:
        return lost
    below = {each for each, number in numbers.items() if number in BELOW}
    others = [number for each, number in numbers.items() if each not in below]
    if below and others and min(others) >= 0:
        lost |= below
    above = {each for each, number in numbers.items() if number in ABOVE}
    others = [number for each, number in numbers.items() if each not in above | lost]
    lost |= {each for each in above if others and max(others) * 2 < numbers[each] and max(others) > 0}
    return lost


LOST_WORD = re.compile(r"dk|d\.k\.|don'?t know|unknown|none given", re.I)

SCALES = (
    "never rarely seldom sometimes often frequently usually always",
    "no perhaps maybe yes",
    "none low lower medium middle mid high higher",
    "very_poor poor fair good very_good excellent",
    "strongly_disagree disagree somewhat_disagree neither neutral somewhat_agree agree strongly_agree",
    "strongly_oppose oppose neither favor favour strongly_favor strongly_favour",
    "not_at_all slightly a_little somewhat moderately rather quite very extremely fully",
    "less_than_high_school lt-hs no_high_school less_than_hs high_school highsc hs some_college somcol college bach "
    "bachelor bachelors_degree bachelors_degree_or_higher gradwk graduate graduate_degree",
    "nothing little half most all",
)


def _scale(words: list[str]) -> tuple[tuple[Value, ...], bool]:
    """Words in the order of a scale that they are all on; else by alphabet, and without order."""
    parts = {word: re.findall(r"[\w-]+", word.casefold().replace("'", "")) for word in words}
    shared = set.intersection(*map(set, parts.values()))  # "very anxious", "not anxious at all"
    plain = {word: "_".join(part for part in found if part not in shared) for word, found in parts.items()}
    for scale in SCALES:
        places = {step: place for place, step in enumerate(scale.split())}
        if all(each in places for each in plain.values()):
            return tuple(sorted(words, key=lambda word: places[plain[word]])), True
    numbers = {word: [float(each) for each in re.findall(r"\d+(?:\.\d+)?", word)] for word in words}
    if all(numbers.values()):  # "18-29", "<10k: 5%": by the number that tells them apart
        at = max((0, -1), key=lambda place: len({found[place] for found in numbers.values()}))
        side = {word: word.strip().startswith((">", "over", "more")) - word.strip().startswith("<") for word in words}
        return tuple(sorted(words, key=lambda word: (numbers[word][at], side[word]))), True
    return tuple(sorted(words)), len(words) == 2


FUNCTIONS = frozenset(
    [
        "C",
        "I",
        "Q",
        "Treatment",
        "Sum",
        "Poly",
        "Diff",
        "bs",
        "cr",
        "center",
        "standardize",
        "scale",
        "abs",
        "exp",
        "log",
        "log1p",
        "log2",
        "log10",
        "sqrt",
        "where",
        "np",
    ]
)
"""What formulas call; a column of such a name would hide it."""


def names_for(sources: Sequence[str]) -> dict[str, str]:
    """For every column a name that formulas and YAML can hold: its own where that will do."""
    taken = {"participant_id", "status", "replicate", "condition"}
    names: dict[str, str] = {}
    for source in sources:
        short = re.sub(r"^(participant|player|subsession|group|session)\.", "", source)
        plain = re.sub(r"\W+", "_", short, flags=re.ASCII).strip("_") or "column"
        plain = f"q{plain}" if plain[0].isdigit() else plain
        if plain in FUNCTIONS and plain != plain.lower():
            plain = plain.lower()
        if plain in FUNCTIONS or iskeyword(plain):
            plain = f"{plain}_"
        number, name = 1, plain
        while name.casefold() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.casefold())
        names[source] = name
    return names
