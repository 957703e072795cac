"""What all samplers share: how many people, from which treatment groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.design import People
from simbench.errors import ConfigError, PilotError, closest
from simbench.settings import setting

__all__ = ["Pool", "SizeConfig", "largest_remainder", "pool"]


@dataclass(frozen=True)
class SizeConfig:
    """Size of the pilot: ``n`` people or a ``fraction`` of those in the groups drawn from."""

    n: int | None = setting(None, "people in the pilot; give this or fraction")
    fraction: float | None = setting(None, "share of the people of the groups drawn from, in (0, 1]")
    groups: Any = setting(
        None, "treatment groups to draw from: how many, a list of names or of levels, or {factor: level}; empty: all"
    )

    def __post_init__(self) -> None:
        if self.n is not None and self.fraction is not None:
            raise ConfigError(f"sampler: give n or fraction, not both (n={self.n}, fraction={self.fraction})")
        if self.n is not None and self.n < 1:
            raise ConfigError(f"sampler.n: expected at least 1; found {self.n}")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ConfigError(f"sampler.fraction: expected a number in (0, 1]; found {self.fraction}")


@dataclass(frozen=True)
class Pool:
    """Row positions that may be drawn, how many to draw, and what to tell of it."""

    positions: np.ndarray[Any, np.dtype[np.int64]]
    n: int
    notes: tuple[str, ...] = ()


def pool(config: SizeConfig, people: People, rng: np.random.Generator, default_fraction: float) -> Pool:
    """Choose the treatment groups and the size. PilotError where more are wanted than there are."""
    groups = _groups(config.groups, people, rng)
    chosen = np.flatnonzero(people.condition.isin(groups).to_numpy())
    if config.n is not None:
        n = config.n
    else:
        fraction = default_fraction if config.fraction is None else config.fraction
        n = max(1, round(fraction * len(chosen)))
    if n > len(chosen):
        raise PilotError(
            f"sampler.n={n} is more than the {len(chosen)} people of the {len(groups)} treatment group(s) drawn from"
        )
    whole = len(groups) == len(people.levels("condition"))
    return Pool(chosen, n, () if whole else (f"drawn from treatment groups: {', '.join(groups)}",))


def _groups(wanted: Any, people: People, rng: np.random.Generator) -> list[str]:
    known = people.levels("condition")
    if wanted is None or wanted == "":
        return known
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        if not 1 <= wanted <= len(known):
            raise PilotError(f"sampler.groups: expected 1 to {len(known)} groups; found {wanted}")
        return sorted(rng.choice(known, size=wanted, replace=False).tolist(), key=known.index)
    if isinstance(wanted, Mapping):
        return _with_levels(wanted, people)
    names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, Sequence) else None
    if not names:
        raise ConfigError(
            f"sampler.groups: expected a number, a list of names, or {{factor: level}}; found {wanted!r}"
        )
    chosen: set[str] = set()
    for name in names:
        having = [
            each.name for each in people.design.factors if str(name) in {*map(str, each.words), *each.words.values()}
        ]
        if name in known:
            chosen.add(name)
        elif len(having) == 1:
            chosen.update(_with_levels({having[0]: name}, people))
        else:
            words = [str(word) for each in people.design.factors for pair in each.words.items() for word in pair]
            raise PilotError(
                f"sampler.groups: there is no treatment group {name!r}{closest(str(name), [*known, *words])}"
            )
    return sorted(chosen, key=known.index)


def _with_levels(wanted: Mapping[Any, Any], people: People) -> list[str]:
    """The treatment groups with these levels, ``{factor: level or levels}``, by value or in words."""
    fits = np.ones(len(people), dtype=bool)
    factors = {factor.name: factor for factor in people.design.factors}
    for name, levels in wanted.items():
        if name not in factors:
            raise PilotError(f"sampler.groups: there is no factor {name!r}{closest(str(name), factors)}")
        words = factors[name].words
        meant = {str(value): value for value in words} | {word: value for value, word in words.items()}
        values = []
        for level in [levels] if isinstance(levels, str | int) else levels:
            if str(level) not in meant:
                raise PilotError(f"sampler.groups: {name!r} has no level {level!r}{closest(str(level), meant)}")
            values.append(meant[str(level)])
        fits &= people.frame[name].isin(values).to_numpy(dtype=bool)
    found = set(people.condition[fits])
    if not found:
        raise PilotError(f"sampler.groups: nobody is in a treatment group with {dict(wanted)}")
    return [name for name in people.levels("condition") if name in found]


def largest_remainder(shares: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Apportion ``n`` seats (K,) in proportion to ``shares`` (K,) by Hamilton's method.

    Ties go to the earlier one.
    """
    quota = shares / shares.sum() * n
    seats = np.floor(quota + 1e-9).astype(np.int64)
    order = np.argsort(-(quota - seats), kind="stable")
    seats[order[: n - seats.sum()]] += 1
    apportioned: np.ndarray[Any, np.dtype[np.int64]] = seats
    return apportioned
