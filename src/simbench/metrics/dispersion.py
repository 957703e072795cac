"""Heterogeneity beyond single items: how answers go together, and how alike the members of a group are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from simbench.design import Item
from simbench.metrics.alignment import ONE_OPTION, too_few
from simbench.metrics.base import SQUARED, Comparison, Floats, Metric, Score, Side
from simbench.metrics.comparison import positions
from simbench.settings import NoConfig

__all__ = ["IdentityFlattening", "JointStructure"]


class JointStructure(Metric[NoConfig]):
    """Do simulated answers go together as human ones do? Correlations between items, and Cronbach's alpha.

    ``correlation_distance`` = root mean square over pairs of ordered items of the difference between the
    simulated and the human Pearson correlation, in [0, 2], 0 = the same association; lower is closer.
    ``cronbach_alpha`` = p / (p - 1) (1 - sum of item variances / variance of the sum) over the ordered belief items,
    each divided by its human standard deviation (items have different scales), at most 1; ``value`` =
    simulated minus human. Rows with every such item answered only.

    Failure modes: the distance is positive by chance alone (read it beside its ceiling; its interval is for
    the populations); it pools treatment groups, so effects of treatment are part of the association; alpha
    means something only where items point in one direction, here it is a summary to compare, not a
    reliability. An item that nobody varies in leaves no correlation: not computable. Source: Cronbach (1951),
    Psychometrika 16; the distance is a definition by simbench.
    """

    name = "joint_structure"
    better = {"correlation_distance": "lower", "cronbach_alpha": "zero"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """The distance over all ordered items, then alpha over the ordered beliefs."""
        from simbench.stats.dispersion import correlation_distance, correlation_matrices, cronbach_alpha

        ordered = [item for item in comparison.design.items if item.ordered and len(item.options) > 1]
        name, counts, reason = self._usable(comparison, "correlation_distance", ordered)
        if reason:
            yield Score.missing(name, reason, comparison.resamples, **counts)
        else:
            both = [correlation_matrices(*_counted(side, ordered)) for side in comparison.sides]
            distance = correlation_distance(*both)
            yield Score(name, distance, bias="population", scale=SQUARED, **counts)
        beliefs = [item for item in ordered if item.role == "belief"]
        name, counts, reason = self._usable(comparison, "cronbach_alpha", beliefs)
        if reason:
            yield Score.missing(name, reason, comparison.resamples, **counts)
            return
        scale = _deviations(comparison.human, beliefs)
        counted = (_counted(side, beliefs) for side in comparison.sides)
        human, simulated = (cronbach_alpha(numbers / scale, weights) for numbers, weights in counted)
        yield Score(name, simulated - human, human, simulated, **counts)

    def _usable(
        self, comparison: Comparison, name: str, items: Sequence[Item]
    ) -> tuple[str, dict[str, Any], str | None]:
        """The name, the complete rows of both sides, and why there is no figure, if so."""
        which = "belief items" if name == "cronbach_alpha" else "items"
        if len(items) < 2:
            return name, {}, f"fewer than two ordered {which} with more than one option"
        tables = [_complete(_numbers(side, items)) for side in comparison.sides]
        counts = dict(zip(("n_human", "n_simulated"), map(len, tables), strict=True))
        for who, table in zip(("human", "ok simulated"), tables, strict=True):
            if len(table) < 3:
                return name, counts, f"fewer than three {who} rows answer all of these items"
            for item, spread in zip(items, np.ptp(table, axis=0), strict=True):
                if spread == 0 and (name == "correlation_distance" or who == "human"):
                    return name, counts, f"all {who} answers to {item.name!r} are the same"
            if name == "cronbach_alpha" and np.ptp(table, axis=0).max() == 0:
                return name, counts, f"all {who} rows are the same"
        return name, counts, None


class IdentityFlattening(Metric[NoConfig]):
    """Are simulated members of a demographic group more alike than real ones, and groups caricatured?

    The variance of the answers to every item is split by the levels of every subgroup variable (ordered
    items: analysis of variance; others: Gini-Simpson variation). ``subgroup`` names the variable.

    - ``within_ratio`` = variance within groups, simulated / human; 0 and up; below 1 = members more alike than
      real ones (flattening); 1 = as people.
    - ``between_share`` = share of the variance that lies between groups (eta squared), on either side, in
      [0, 1]; ``value`` = simulated minus human; above 0 = the group foretells the answer better than among people
      (caricature), below 0 = the group makes less difference than among people.

    ``item="mean"``: geometric mean of the ratios, mean of the shares over items. The test is the bootstrap
    p-value (``p``) that the ratio is 1, or the difference 0, with Holm's and Benjamini and Hochberg's
    corrections over variables and items.

    Failure modes: uniform answers have large variance within and none between groups, so neither figure alone
    shows likeness; both shares are positive by chance alone, which cancels only in samples of equal size;
    groups also differ by chance in their shares of treatments. Source: Wang, Morgenstern and Dickerson
    (2025), Nature Machine Intelligence 7, for the notion; the figures are definitions by simbench.
    """

    name = "identity_flattening"
    better = {"within_ratio": "one", "between_share": "zero"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Every item and the mean over items, for every subgroup variable."""
        for variable, levels in comparison.levels.items():
            parts: dict[str, list[Score]] = {name: [] for name in self.better}
            for item in comparison.design.items:
                for each in self._item(comparison, item, variable, levels):
                    parts[each.metric].append(each)
                    yield each
            for name, each_item in parts.items():
                yield _mean(name, each_item, variable, comparison.resamples)

    def _item(self, comparison: Comparison, item: Item, variable: str, levels: tuple[str, ...]) -> Iterator[Score]:
        known = [side.groups(variable, levels) >= 0 for side in comparison.sides]
        n_human, n_simulated = (
            side.answered(item.name, among) for side, among in zip(comparison.sides, known, strict=True)
        )
        where: dict[str, Any] = {"item": item.name, "subgroup": variable}
        where |= {"n_human": n_human, "n_simulated": n_simulated}
        reason = too_few(n_human, n_simulated)
        if reason is None and len(item.options) < 2:
            reason = ONE_OPTION
        if reason is None and len(levels) < 2:
            reason = f"all humans are of one level of {variable!r}"
        if reason:
            for name in self.better:
                yield Score.missing(name, reason, comparison.resamples, **where)
            return
        from simbench.stats.dispersion import identity_flattening

        human, simulated = (_parts(side, item, variable, levels) for side in comparison.sides)
        found = identity_flattening(human, simulated)
        still = "within every group, all humans give the same answer"
        few = "too few answers per group"
        ratio = found.within_ratio
        why = None if np.isfinite(ratio[0]) else still if human.within[0] == 0 else few
        yield Score("within_ratio", ratio, human.within, simulated.within, reason=why, **where)
        share = found.share_difference
        why = None
        if not np.isfinite(share[0]):
            who = "humans" if not np.isfinite(human.share[0]) else "simulated participants"
            why = f"all {who} gave the same answer"
        yield Score("between_share", share, human.share, simulated.share, bias="population", reason=why, **where)


def _mean(name: str, parts: list[Score], variable: str, resamples: int) -> Score:
    """Over the items that have a figure; the others are named."""
    kept = [part for part in parts if part.reason is None]
    left = [part for part in parts if part.reason]
    remark = "; ".join(f"without {part.item}: {part.reason}" for part in left) or None
    if not kept:
        return Score.missing(name, remark or "no items", resamples, item="mean", subgroup=variable)
    fewest = {n: min(getattr(part, n) for part in kept) for n in ("n_human", "n_simulated")}
    where: dict[str, Any] = {"item": "mean", "subgroup": variable, "reason": remark, **fewest}
    if name == "within_ratio":
        with np.errstate(divide="ignore"):  # a ratio of 0 (everybody alike) makes the mean 0
            logs = np.log(np.stack([part.value for part in kept]))
        return Score(name, np.exp(logs.mean(axis=0)), **where)
    mean = {each: np.mean([getattr(part, each) for part in kept], axis=0) for each in ("human", "simulated")}
    return Score(name, mean["simulated"] - mean["human"], **mean, bias="population", **where)


def _parts(side: Side, item: Item, variable: str, levels: tuple[str, ...]) -> Any:
    from simbench.stats.dispersion import gini_parts, variance_parts

    options = len(item.options)
    counts = side.by_level(item.name, variable, levels).reshape(len(side.weights), -1)
    groups, codes = np.divmod(np.arange(len(levels) * options), options)
    if item.ordered:
        return variance_parts(positions(item)[codes], groups, len(levels), counts)
    return gini_parts(codes, options, groups, len(levels), counts)


def _numbers(side: Side, items: Sequence[Item]) -> Floats:
    """Answers (n, items) as numbers, NaN where missing."""
    return np.stack([side.numbers(item) for item in items], axis=1)


def _counted(side: Side, items: Sequence[Item]) -> tuple[Floats, Floats]:
    """Different rows of answers (u, items) as numbers, complete ones only, and weighted counts (R, u)."""
    from simbench.stats import distinct_rows

    table = _numbers(side, items)
    known = np.flatnonzero(~np.isnan(table).any(axis=1))
    found = distinct_rows(list(table[known].T), len(known))
    if found is None:
        return table, side.weights
    codes = np.full(len(side), -1, dtype=np.int64)
    codes[known] = found[1]
    return table[known[found[0]]], side.code_counts(codes, len(found[0]))


def _deviations(side: Side, items: Sequence[Item]) -> Floats:
    """Standard deviations (items,) over the rows with every one of these answers."""
    table = _numbers(side, items)
    if side.survey is None:
        return np.asarray(np.nanstd(_complete(table), axis=0))
    whole = ~np.isnan(table).any(axis=1)
    return np.array([side.deviation(np.where(whole, column, np.nan)) for column in table.T])


def _complete(table: Floats) -> Floats:
    kept: Floats = table[~np.isnan(table).any(axis=1)]
    return kept
