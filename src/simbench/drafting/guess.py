"""What each column may be, and why: the person, an arm, something about people, or what they were asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from simbench.drafting.arms import arms_of
from simbench.drafting.columns import FEW, Column
from simbench.drafting.names import (
    BEFORE,
    BELIEF,
    CLUSTER,
    DECISION,
    DERIVED,
    FIXED,
    OTHERS,
    PERIOD,
    PERSON,
    PROFILE,
    WEIGHT,
)
from simbench.drafting.roles import ITEMS, Guess, follows
from simbench.errors import ConfigError, closest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["guessed"]

MOST_ITEMS = 12
UNEVEN = 100
"""No scale has more different values than this, and than half as many as there are rows."""
UNSAID = "nothing says what it is: taken for something people were asked"
TOGETHER = 0.2
"""Share of the rows that must hold an answer to every item of a draft."""


def guessed(
    frame: pd.DataFrame, columns: Sequence[Column], meta: Mapping[str, str], told: Mapping[str, str]
) -> list[Guess]:
    """A guess for every column. ``told``: the role of columns, by either name, that the user knows better."""
    roles = _told(columns, told)
    known = {each.name: Guess(each, roles[each.name], "you said so") for each in columns if each.name in roles}
    rest = [each for each in columns if each.name not in known]
    for each in rest:
        if each.source in meta:
            known[each.name] = Guess(each, "out", meta[each.source])
        elif (why := _useless(each)) and not (each.kind in ("text", "unique") and _names_units(each)):
            known[each.name] = Guess(each, "out", why)
    people = _people(frame, [each for each in rest if each.name not in known], known)
    known |= {each.column.name: each for each in people}
    person = next((each.column for each in known.values() if each.role == "person"), None)
    within = frame[person.source].astype(str) if person else None
    open_ones = [each for each in columns if each.name not in known]
    known |= {each.column.name: each for each in arms_of(frame, open_ones, within, known.values())}
    open_ones = [each for each in columns if each.name not in known]
    known |= {each.column.name: each for each in (_by_name(frame, each, within) for each in open_ones)}
    found = _fewer(frame, [known[each.name] for each in columns])
    return found


def _told(columns: Sequence[Column], told: Mapping[str, str]) -> dict[str, str]:
    by_name = {each.source: each.name for each in columns} | {each.name: each.name for each in columns}
    for name in told:
        if name not in by_name:
            raise ConfigError(f"the table has no column {name!r}{closest(name, by_name)}")
    roles = {by_name[name]: role for name, role in told.items()}
    for each in columns:
        if each.name in roles and roles[each.name] in ("arm", *ITEMS) and each.kind not in ("choice", "number"):
            raise ConfigError(
                f"column {each.source!r} cannot be an {roles[each.name]}: {_useless(each) or each.kind}"
            )
        if roles.get(each.name) == "arm" and len(each.values) > FEW:
            raise ConfigError(f"column {each.source!r} has {len(each.values)} values; an arm has at most {FEW}")
        if roles.get(each.name) == "arm" and each.kind == "number":
            raise ConfigError(f"column {each.source!r} is a number of many values; an arm has at most {FEW}")
    return roles


def _useless(column: Column) -> str:
    """Why nothing can be made of a column, if so."""
    return {
        "empty": "no cell holds an answer",
        "constant": "every cell holds the same",
        "rows": "it numbers the rows",
        "text": "free text, or more words than a closed list has",
    }.get(column.kind, "" if not DERIVED.fullmatch(column.name) else "by its name computed, or about the interview")


def _names_units(column: Column) -> bool:
    """Whether a column is named like what tells people or clusters apart."""
    return bool(PERSON.fullmatch(column.name) or CLUSTER.fullmatch(column.name))


def _people(frame: pd.DataFrame, columns: Sequence[Column], known: Mapping[str, Guess]) -> list[Guess]:
    """Who a row is of: an id that occurs once, or a person with several rows; clusters and weights beside."""
    found: list[Guess] = []
    has = {each.role for each in known.values()}
    for each in columns:
        column, n = frame[each.source], len(frame)
        named, different = bool(PERSON.fullmatch(each.name)), int(column.nunique())
        whole = bool(column.notna().all())
        if each.kind == "unique":
            mine = named and whole and not {"id", "person"} & has
            found.append(
                Guess(
                    each, "id" if mine else "out", "another value in every row" + (", and named so" if mine else "")
                )
            )
            has |= {"id"} if mine else set()
        elif WEIGHT.fullmatch(each.name) and each.kind == "number" and each.low > 0 and whole and "weight" not in has:
            found.append(Guess(each, "weight", "named like survey weights, and above 0 everywhere"))
            has.add("weight")
        elif named and whole and not OTHERS.search(each.name) and 10 <= different <= n / 2 and "id" not in has:
            found.append(Guess(each, "person", f"{different} of them in {n} rows: {n / different:.3g} rows each"))
    found = _one_person(frame, found, has, columns)
    return found + _clusters(frame, columns, found, known)


def _one_person(frame: pd.DataFrame, found: list[Guess], has: set[str], columns: Sequence[Column]) -> list[Guess]:
    """Of several columns that may be the person, the one that tells most people apart; none who changes sex."""
    several = [each for each in found if each.role == "person"]
    taken = "person" in has or "id" in {each.role for each in found}
    fixed = [each for each in columns if FIXED.search(each.name) and each.kind == "choice"]
    why: dict[str, str] = {}
    for each in several:
        person = frame[each.column.source].astype(str)
        several_values = {trait.source: (frame[trait.source].groupby(person).nunique() > 1).mean() for trait in fixed}
        if changing := [name for name, share in several_values.items() if share > 0.05]:
            why[each.column.name] = f"rows of one id differ in {changing[0]}: it is not one person"
    able = [each for each in several if each.column.name not in why]
    best = None if taken else max(able, key=lambda each: frame[each.column.source].nunique(), default=None)
    spare = "an id, and another column tells people apart better"
    return [
        Guess(each.column, "out", why.get(each.column.name, spare)) if each in several and each is not best else each
        for each in found
    ]


def _clusters(
    frame: pd.DataFrame, columns: Sequence[Column], found: Sequence[Guess], known: Mapping[str, Guess]
) -> list[Guess]:
    """What people were sampled or treated in together; the first that is named so, the others are left out."""
    names = {each.column.name for each in found}
    person = [each.column.source for each in (*known.values(), *found) if each.role == "person"]
    taken = any(each.role == "cluster" for each in known.values())
    clusters = []
    for each in columns:
        column = frame[each.source]
        if (
            each.name in names
            or not CLUSTER.fullmatch(each.name)
            or each.kind == "constant"
            or not column.notna().all()
        ):
            continue
        one = not person or (column.astype(str).groupby(frame[person[0]].astype(str)).nunique() == 1).all()
        if one and column.nunique() >= 6 and not taken:
            clusters.append(Guess(each, "cluster", f"named so, {column.nunique()} of them"))
            taken = True
        else:
            clusters.append(Guess(each, "out", "a session or place, and not what people are resampled by here"))
    return clusters


def _by_name(frame: pd.DataFrame, column: Column, within: pd.Series | None) -> Guess:
    """What is left: a trait, or something people were asked."""
    name, unfit = column.name, _no_item(column)
    if OTHERS.search(name):
        return Guess(column, "out", "by its name of somebody else")
    if PERIOD.fullmatch(name):
        return Guess(column, "out", "by its name when, and not what")
    if why := _trait(column):
        return Guess(column, "profile", why)
    named = "belief" if BELIEF.search(name) else "decision" if DECISION.search(name) else ""
    if named and not unfit:
        return Guess(column, named, f"named like a {named}")
    if within is not None and (frame[column.source].astype(str).groupby(within).nunique() <= 1).all():
        return Guess(column, "profile", "the same in all rows of a person")
    bounded = column.low >= 0 and (column.high <= 10 or 50 < column.high <= 100)  # a scale, or percent
    uneven = frame[column.source].nunique() > max(UNEVEN, len(frame) / 2)
    if column.kind == "number" and not column.whole and (uneven or not bounded):
        unfit = "a measured number, which nobody is asked for"
    return Guess(column, "out" if unfit else "attitude", unfit or UNSAID)


def _trait(column: Column) -> str:
    """Why a column is something that people are, if so."""
    if PROFILE.search(column.name):
        return "named like a trait"
    return "by its name measured before" if BEFORE.fullmatch(column.name) and not _no_item(column) else ""


def _no_item(column: Column) -> str:
    """Why a column cannot be asked from a closed list, if so."""
    if column.kind == "choice" and len(column.values) > FEW:
        return "too many words for a closed list"
    if column.kind not in ("choice", "number"):
        return f"it holds {column.kind}"
    return "" if column.high - column.low <= 1_000_000 else "a number without bounds"


def _fewer(frame: pd.DataFrame, guesses: Sequence[Guess]) -> list[Guess]:
    """No item that another says already, not too many of them, and at least one."""
    items = [each for each in guesses if each.role in ITEMS]
    told = {each.column.name for each in guesses if each.why == "you said so"}
    out: dict[str, str] = {}
    for each, other in combinations(items, 2):
        for cause, effect in ((each, other), (other, each)):
            if effect.column.name in told or {cause.column.name, effect.column.name} & set(out):
                continue
            if len(cause.column.values) >= 2 and follows(frame, cause.column, effect.column):
                out[effect.column.name] = f"it follows from {cause.column.name}"
    left = [each for each in items if each.column.name not in out and each.column.name not in told]
    order = {"decision": 0, "belief": 1, "attitude": 2}
    room = max(MOST_ITEMS - len(told & {each.column.name for each in items}), 0)
    for each in sorted(left, key=lambda each: order[each.role])[room:]:
        out[each.column.name] = f"a draft has {MOST_ITEMS} items; put it in where it belongs to the study"
    out |= _alone(frame, [each for each in items if each.column.name not in out], told)
    return [Guess(each.column, "out", out[each.column.name]) if each.column.name in out else each for each in guesses]


def _alone(frame: pd.DataFrame, items: Sequence[Guess], told: Collection[str]) -> dict[str, str]:
    """Items that too few people answered together with the others; who answered everything is who is learned from."""
    order = {"decision": 0, "belief": 1, "attitude": 2}
    together = frame.iloc[:, 0].map(lambda _: True).astype(bool)
    out: dict[str, str] = {}
    for each in sorted(
        items, key=lambda each: (each.column.name not in told, order[each.role], -each.column.answered)
    ):
        cells = frame[each.column.source]
        both = together & cells.notna() & ~cells.astype(str).isin(each.column.missing)
        if both.sum() >= TOGETHER * len(frame) or each.column.name in told or not together.any():
            together = both
        else:
            out[each.column.name] = f"{int(both.sum())} answered it and the others; its people are hardly theirs"
    return out
