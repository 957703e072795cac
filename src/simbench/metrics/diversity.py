"""Heterogeneity: how different from each other people, and simulated people, are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simbench.design import Item
from simbench.metrics.alignment import ONE_OPTION, OVER_ALL, too_few
from simbench.metrics.base import Comparison, Floats, Metric, Score
from simbench.metrics.comparison import UNWEIGHTED, positions
from simbench.settings import NoConfig

__all__ = ["Diversity", "UniqueStructures"]

UNVARIED = "all humans gave the same answer"


class UniqueStructures(Metric[NoConfig]):
    """Number of distinct belief structures, raw and rarefied to equal sample size.

    Definition by simbench: a belief structure is the tuple of a row's answers to all belief items (to all items
    where the experiment has no beliefs), complete rows only. ``unique_structures`` counts distinct ones; because the
    count grows with the number of rows, ``unique_structures_rarefied`` is the expected count in
    m = min(n_human, n_simulated) rows drawn without replacement, the sum over structures of
    1 - C(n - n_i, m) / C(n, m). From 1 to the number of rows; ``value`` is simulated minus human: 0 means as diverse
    as people, below 0 flatter.

    Failure modes: uniform-random answers are *more* diverse than people, so high is not good in itself; says
    nothing of which structures these are. Resampling rows loses rare structures, so intervals come from a
    bootstrap of the estimated assemblage, unseen structures included, and are for samples of this size. Human
    and simulated draws are independent there, so intervals of the difference are wide where the two go
    together. Source: Hurlbert (1971), Ecology 52; Chao et al. (2014), Ecol. Monogr. 84.
    """

    name = "unique_structures"
    headline = (("unique_structures", None), ("unique_structures_rarefied", None))
    better = {"unique_structures": "zero", "unique_structures_rarefied": "zero"}
    words = {
        "unique_structures": "belief structures",
        "unique_structures_rarefied": "belief structures, rarefied",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Raw and rarefied counts of both sides and their differences."""
        from simbench.stats.diversity import rarefied_count, unique_count

        names = (self.name, f"{self.name}_rarefied")
        counts, reason = structure_rows(comparison)
        if reason:
            for name in names:
                yield Score.missing(name, reason, comparison.resamples, **counts)
            return
        human, simulated = assemblages(comparison)
        raw = [unique_count(table) for table in (human, simulated)]
        counts["reason"] = _said(comparison, None if comparison.design.beliefs else OVER_ALL)
        yield Score(names[0], raw[1] - raw[0], raw[0], raw[1], bias="sample", **counts)
        totals = [table.sum(axis=1) for table in (human, simulated)]
        even = raw
        if (totals[0] != totals[1]).any():
            even = [rarefied_count(table, np.minimum(*totals)) for table in (human, simulated)]
        yield Score(names[1], even[1] - even[0], even[0], even[1], bias="sample", **counts)


class Diversity(Metric[NoConfig]):
    """Spread of answers: entropy, standard deviation, most frequent answer, and human answers never given.

    Per item; with ``item`` null over belief structures (tuples of all beliefs).

    - ``entropy_ratio`` = H(simulated) / H(human), Shannon entropies in bits with Miller and Madow's correction;
      0 and up, 1 = as diverse as people, below 1 = flatter.
    - ``sd_ratio`` = SD(simulated) / SD(human) for ordered items; ``sd_ratio_within`` takes the SD around the mean
      of each treatment group (pooled, n - groups degrees of freedom), so that a simulation which spreads only
      because treatments push it apart is seen. 1 = as spread as people, below 1 = too uniform.
    - ``mode_share``: share of the most frequent answer on either side, in (0, 1]; ``value`` = simulated minus
      human, above 0 = too crowded.
    - ``unseen_share``: share of the human answers whose option is never given by any simulated participant, in
      [0, 1], lower is better.

    Failure modes: uniform answers have an entropy ratio above 1 and nothing unseen: diversity is not likeness.
    Over structures, entropies are far too low in both samples and the shares depend on n: their intervals are
    for samples of this size, and only the comparison with the ceiling tells. Source: Miller (1955);
    Bisbee et al. (2024), Political Analysis 32, for the SD ratio; mode share and unseen share by simbench.
    """

    name = "diversity"
    better = {
        "entropy_ratio": "one",
        "sd_ratio": "one",
        "sd_ratio_within": "one",
        "mode_share": "zero",
        "unseen_share": "lower",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Every item, then belief structures."""
        for item in comparison.design.items:
            yield from self._item(comparison, item)
        counts, reason = structure_rows(comparison)
        if reason:
            for name in ("entropy_ratio", "mode_share", "unseen_share"):
                yield Score.missing(name, reason, comparison.resamples, **counts)
        else:
            said = _said(comparison, None)
            given = comparison.structure_counts
            yield from _shape(*assemblages(comparison), *given, bias="sample", reason=said, **counts)

    def _item(self, comparison: Comparison, item: Item) -> Iterator[Score]:
        n_human, n_simulated = (side.answered(item.name) for side in comparison.sides)
        where: dict[str, Any] = {"item": item.name, "n_human": n_human, "n_simulated": n_simulated}
        reason = too_few(n_human, n_simulated) or (None if len(item.options) > 1 else ONE_OPTION)
        if reason:
            for name in self.better:
                yield Score.missing(name, reason, comparison.resamples, **where)
            return
        human, simulated = (side.counts(item.name) for side in comparison.sides)
        yield from _shape(human, simulated, human, simulated, bias="none", **where)
        if not item.ordered:
            for name in ("sd_ratio", "sd_ratio_within"):
                yield Score.missing(name, "the options have no order", comparison.resamples, **where)
            return
        yield _spread(comparison, item, "sd_ratio", ("all",), **where)
        yield _spread(comparison, item, "sd_ratio_within", comparison.conditions, **where)


def _said(comparison: Comparison, words: str | None) -> str | None:
    """Some words, and that structures are counted without survey weights, where there are any."""
    return "; ".join(filter(None, (words, UNWEIGHTED if comparison.weighted else None))) or None


def _shape(
    human: Floats, simulated: Floats, given: Floats, other: Floats, bias: str, reason: str | None = None, **where: Any
) -> Iterator[Score]:
    """Entropy and mode from two tables of counts, unseen share from two that share their columns.

    ``reason`` is a remark on the first two.
    """
    from simbench.stats.dispersion import unseen_share
    from simbench.stats.diversity import entropy, entropy_ratio, mode_share

    one, two = (entropy(table, miller_madow=True) for table in (human, simulated))
    ratio = entropy_ratio(simulated, human, miller_madow=True)
    flat = reason if np.isfinite(ratio[0]) else UNVARIED
    yield Score("entropy_ratio", ratio, one, two, bias="sample", reason=flat, **where)
    one, two = mode_share(human), mode_share(simulated)
    yield Score("mode_share", two - one, one, two, bias=bias, reason=reason, **where)
    unseen, cases = unseen_share(given, other), {"value": where["n_human"]}
    yield Score("unseen_share", unseen, bias="sample", trials=cases, **where)


def _spread(comparison: Comparison, item: Item, name: str, groups: tuple[str, ...], /, **where: Any) -> Score:
    from simbench.stats.dispersion import standard_deviation

    numbers = np.tile(positions(item), len(groups))
    codes = np.repeat(np.arange(len(groups)), len(item.options))
    sides = []
    for side in comparison.sides:
        whole = groups == ("all",)
        counts = side.counts(item.name) if whole else side.by_level(item.name, "condition", groups)
        sides.append(standard_deviation(numbers, counts.reshape(len(counts), -1), codes, len(groups)))
    human, simulated = sides
    ratio = np.divide(simulated, human, out=np.full(human.shape, np.nan), where=human > 0)
    reason = None
    if not np.isfinite(ratio[0]):
        reason = UNVARIED if human[0] == 0 else "too few answers for a standard deviation"
    return Score(name, ratio, human, simulated, reason=reason, **where)


def structure_rows(comparison: Comparison) -> tuple[dict[str, Any], str | None]:
    """Rows with a complete belief structure on both sides, and why none can be compared, if so."""
    n_human, n_simulated = (int((codes >= 0).sum()) for codes in comparison.structures)
    reason = None
    if not n_human or not n_simulated:
        what = "belief" if comparison.design.beliefs else "item"
        reason = f"no {'ok simulated' if n_human else 'human'} row answers every {what}"
    return {"n_human": n_human, "n_simulated": n_simulated}, reason


def assemblages(comparison: Comparison) -> tuple[Floats, Floats]:
    """Counts (R, .) of structures of either side: as observed in row 0, then drawn from the estimated assemblage.

    Which structure a count is of is not said. In comparisons without a generator (ceiling and floor) the rows
    are samples already.
    """

    def drawn(table: Floats, side: str) -> Floats:
        from simbench.stats.diversity import assemblage_counts

        resamples = len(table) - 1
        if comparison.generator is None or not resamples:
            return table
        return assemblage_counts(table[0], resamples, comparison.generator("assemblage", side))

    def both() -> tuple[Floats, Floats]:
        human, simulated = comparison.structure_rows
        return drawn(human, "human"), drawn(simulated, "simulated")

    return comparison.once("assemblages", both)
