"""Which columns are the treatment: by name, by who meets what how often, and by what makes up the cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

from simbench.drafting.columns import Column
from simbench.drafting.names import ARM, ARM_LEVEL, BELIEF, DECISION, OTHERS, PERIOD, PROFILE
from simbench.drafting.roles import Guess, answered, follows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["arms_of"]

MOST_LEVELS = 8
MOST_CONDITIONS = 24
ONE_LETTER_ARM = ("w", "z", "t", "d")


def arms_of(
    frame: pd.DataFrame, columns: Sequence[Column], within: pd.Series | None, known: Iterable[Guess]
) -> list[Guess]:
    """The treatment: by name or by levels, by what everybody sees equally often, and split into its factors."""
    told = [each.column for each in known if each.role == "arm"]
    if told:
        return []
    able = [
        each for each in columns
        if each.kind == "choice" and 2 <= len(each.values) <= MOST_LEVELS and frame[each.source].notna().mean() > 0.5
    ]  # fmt: skip
    named: dict[str, str] = {}
    for each in able:
        spoken = [word for word in each.words.values() if ARM_LEVEL.fullmatch(str(word))]
        if PERIOD.fullmatch(each.name) or OTHERS.search(each.name):
            continue
        if ARM.search(each.name) and not PROFILE.search(each.name):
            named[each.name] = "named like a treatment"
        elif len(spoken) > 0:
            named[each.name] = f"one of its values is {spoken[0]!r}"
        elif each.name in ONE_LETTER_ARM and len(each.values) == 2:
            named[each.name] = "named like a treatment, with two values"
        elif within is not None and not answered(each.name) and _everybody_alike(frame[each.source], within):
            named[each.name] = "everybody meets each of its values equally often"
    found = {each.name: each for each in able if each.name in named}
    split = _split(frame, found, able)
    for each in split:
        named.setdefault(each.name, "with the others it makes up the treatment groups")
    arms = [Guess(each, "arm", named[each.name]) for each in split]
    spare = [each for name, each in found.items() if each not in split]
    if not arms and within is not None:
        return _attributes(frame, able, within)
    if not arms:
        return [
            Guess(each, "arm", "not named so, but balanced as if drawn by lot") for each in _balanced(frame, able)
        ]
    return arms + [Guess(each, "out", "said by the other treatment columns") for each in spare]


def _attributes(frame: pd.DataFrame, able: Sequence[Column], within: pd.Series) -> list[Guess]:
    """What varies within people and is balanced, as the attributes of a conjoint: as many as make few conditions."""
    found: list[Guess] = []
    cells = 1
    for each in able:
        counts = frame[each.source].value_counts()
        varies = (frame[each.source].astype(str).groupby(within).nunique() > 1).mean() > 0.9
        speaks = answered(each.name) or any(rule.search(each.name) for rule in (PROFILE, PERIOD, OTHERS))
        if not varies or speaks or counts.min() < 0.5 * counts.max():
            continue
        if cells * len(each.values) <= MOST_CONDITIONS:
            cells *= len(each.values)
            found.append(Guess(each, "arm", "it varies within people, and is balanced"))
        else:
            found.append(
                Guess(each, "out", f"an arm as it seems, and with it there were over {MOST_CONDITIONS} conditions")
            )
    return found


def _everybody_alike(column: pd.Series, person: pd.Series) -> bool:
    """Whether every person has every value equally often: what an experimenter sets, and no answer."""
    import pandas as pd

    table = pd.crosstab(person, column)
    return bool(len(table.columns) > 1 and (table.nunique() == 1).all() and (table.iloc[0] > 0).all())


def _split(frame: pd.DataFrame, found: Mapping[str, Column], able: Sequence[Column]) -> list[Column]:
    """Few factors that say everything that the columns found say: crossed factors rather than one list of cells.

    A column with all cells is split into others of the table that follow from it and are fully crossed.
    """
    if not found:
        return []
    finest = max(found.values(), key=lambda each: len(each.values))
    parts = [
        each for each in able
        if each is not finest and len(each.values) < len(finest.values) and follows(frame, finest, each)
    ]  # fmt: skip
    for size in (2, 3):
        for several in combinations(parts, size):
            cells = frame[[each.source for each in several]].dropna().drop_duplicates()
            crossed = prod(len(each.values) for each in several)
            if len(cells) == crossed == len(finest.values):
                return list(several)
    kept: list[Column] = []
    for each in sorted(found.values(), key=lambda each: -len(each.values)):
        together = prod(len(other.values) for other in [*kept, each])
        if not any(follows(frame, other, each) for other in kept) and together <= MOST_CONDITIONS:
            kept.append(each)
    order = [*found]
    return sorted(kept, key=lambda each: order.index(each.name))


def _balanced(frame: pd.DataFrame, able: Sequence[Column]) -> list[Column]:
    """Up to two columns of two or three values that nothing names, and that are as balanced as chance allows.

    Balanced: the rarest value at least 0.7 times as frequent as the commonest; and independent of everything that is
    named like a trait (chi-squared test, no p below 0.05).
    """
    import pandas as pd
    from scipy.stats import chi2_contingency

    traits = [each for each in able if PROFILE.search(each.name)]
    found = []
    for each in able:
        speaks = any(rule.search(each.name) for rule in (PROFILE, DECISION, BELIEF, PERIOD, OTHERS))
        counts = frame[each.source].value_counts()
        if speaks or len(counts) > 3 or frame[each.source].isna().any() or counts.min() < 0.7 * counts.max():
            continue
        tables = (pd.crosstab(frame[each.source], frame[trait.source]) for trait in traits)
        if all(chi2_contingency(table)[1] > 0.05 for table in tables if table.size):
            found.append(each)
    return found[:2]
