"""Some of the people compared, drawn at random: a model need not simulate all of many thousands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Ints
from simbench.design import People
from simbench.errors import ConfigError
from simbench.stats.rng import generator

__all__ = ["sample_words", "sampled"]


def sampled(people: People, n: int | None, everybody: People) -> People:
    """A random sample of ``n`` of ``people``, all rows of each human, in their order; all where ``n`` is None.

    Stratified by treatment group: each gets its share of ``n``, rounded by largest remainders. A human with rows in
    several groups is in the stratum of the humans with rows in the same ones. ``everybody`` of the study stands in
    one random order, whatever the run's seed, and the first of ``people`` are taken: runs with different pilots meet
    the same humans but for those in a pilot.

    Raises:
        ConfigError: ``n`` is larger than the number of humans there are.
    """
    if n is None:
        return people
    person = people.person.to_numpy(str)
    humans, place = np.unique(person, return_inverse=True)
    if n > len(humans):
        raise ConfigError(f"evaluate_n: expected at most {len(humans)}, the people to be compared; found {n}")
    groups = _strata(people.condition.to_numpy(str), place.reshape(-1), len(humans))
    drawn = generator(0, "evaluate_n", everybody.digest).permutation(everybody.person.unique())
    turn = {str(human): at for at, human in enumerate(drawn)}
    chosen: set[str] = set()
    for group, size in zip(*_shares(groups, n), strict=True):
        chosen |= set(sorted(map(str, humans[groups == group]), key=turn.__getitem__)[:size])
    return people.where(np.isin(person, sorted(chosen)))


def sample_words(people: People, chosen: People, n: int | None) -> str:
    """What was drawn of whom, for the manifest; empty where nothing was."""
    if n is None:
        return ""
    return (
        f"a random sample of {n:,} of {people.person.nunique():,} people is simulated and compared "
        f"({len(chosen):,} rows; evaluate_n={n}, by treatment group)"
    )


def _strata(condition: NDArray[np.str_], place: Ints, humans: int) -> Ints:
    """Stratum (G,) of every human, whose rows (n,) say which it is: the treatment groups that it has rows in."""
    names, codes = np.unique(condition, return_inverse=True)
    held = np.zeros((humans, len(names)), dtype=bool)
    held[place, codes.reshape(-1)] = True
    return np.unique(held, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _shares(groups: Ints, n: int) -> tuple[Ints, Ints]:
    """The strata, and how many of ``n`` each gets."""
    names, counts = np.unique(groups, return_counts=True)
    exact = n * counts / counts.sum()
    sizes = np.floor(exact).astype(np.int64)
    most = np.argsort(sizes - exact, kind="stable")[: n - sizes.sum()]
    sizes[most] += 1
    return names, sizes
