"""Distributional alignment: how far simulated answers are from human ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from simbench.design import Design, Item
from simbench.errors import ConfigError
from simbench.metrics.base import SQUARED, Comparison, Floats, Metric, Scale, Score
from simbench.metrics.comparison import positions
from simbench.settings import NoConfig, setting

__all__ = ["JSDistance", "KLConfig", "KLDivergence", "TotalVariation", "Wasserstein"]

C = TypeVar("C")
POSITIVE = Scale(lambda values: values, lambda values: np.maximum(values, 0.0))
ALL_ITEMS = "mean of all items"
ONE_OPTION = "the item has only one option"
OVER_ALL = "over all items, since the experiment has no belief items"


class Distance(Metric[C]):
    """A distance between option frequencies, per item, for everybody and for every subgroup level.

    A subclass says how to compute it from counts, and on which scale sampling noise adds to it.
    """

    scale: ClassVar[Scale] = SQUARED
    joint: ClassVar[bool] = False
    expected: ClassVar[bool] = False

    @abstractmethod
    def distance(self, human: Floats, simulated: Floats, item: Item | None) -> Floats:
        """Distance (...) between two tables of counts (..., K); ``item`` is None for belief structures."""

    def refuses(self, item: Item) -> str | None:
        """Why an item cannot be compared this way, if so."""
        return None if len(item.options) > 1 else ONE_OPTION

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Every item and their mean, for everybody and per subgroup level; then over belief structures."""
        yield from self.tables(comparison, self.name, expected=False)
        if self.joint:
            yield self._joint(comparison)
        if self.expected and comparison.simulated.probabilities:
            yield from self.tables(comparison, f"{self.name}_expected", expected=True)

    def tables(self, comparison: Comparison, name: str, expected: bool) -> Iterator[Score]:
        """Items and mean for everybody, then for the levels of every subgroup variable."""
        items = [
            item
            for item in comparison.design.items
            if not expected or item.name in comparison.simulated.probabilities
        ]
        yield from self._group(
            comparison, name, {item.name: self._whole(comparison, item, expected) for item in items}
        )
        for variable, levels in comparison.levels.items():
            values = {item.name: self.by_level(comparison, item, variable, expected) for item in items}
            for position, level in enumerate(levels):
                column = {item: None if each is None else each[:, position] for item, each in values.items()}
                yield from self._group(comparison, name, column, variable, level)

    def _whole(self, comparison: Comparison, item: Item, expected: bool) -> Floats | None:
        if self.refuses(item):
            return None
        human, simulated = comparison.human.counts(item.name), comparison.simulated.counts(item.name, None, expected)
        return self.distance(human, simulated, item)

    def by_level(self, comparison: Comparison, item: Item, variable: str, expected: bool = False) -> Floats | None:
        """Distances (R, G) in all levels at once; NaN where a level is empty."""
        if self.refuses(item):
            return None

        def make() -> Floats:
            levels = comparison.levels[variable]
            human = comparison.human.by_level(item.name, variable, levels)
            return self.distance(human, comparison.simulated.by_level(item.name, variable, levels, expected), item)

        return comparison.once((self.name, item.name, variable, expected), make)

    def _group(
        self,
        comparison: Comparison,
        name: str,
        values: Mapping[str, Floats | None],
        variable: str | None = None,
        level: str | None = None,
    ) -> Iterator[Score]:
        """Scores of the items and of their mean, from the distances (R,) among everybody or in one level."""
        among = [side.members(variable, level) if variable and level else None for side in comparison.sides]
        parts = {}
        for item, value in values.items():
            n_human, n_simulated = (
                side.answered(item, each) for side, each in zip(comparison.sides, among, strict=True)
            )
            where: dict[str, Any] = {"item": item, "subgroup": variable, "level": level}
            where |= {"n_human": n_human, "n_simulated": n_simulated}
            reason = self.refuses(comparison.design.item(item)) or too_few(n_human, n_simulated)
            if reason or value is None:
                parts[item] = Score.missing(name, str(reason), comparison.resamples, **where)
            else:
                parts[item] = Score(name, value, bias="population", scale=self.scale, **where)
            yield parts[item]
        for title, which in _means_of(comparison.design, variable is None):
            kept = [parts[item.name] for item in which if item.name in parts]
            yield self._mean(name, kept, comparison, item=title, subgroup=variable, level=level)

    def _mean(self, name: str, parts: list[Score], comparison: Comparison, **where: Any) -> Score:
        """Unweighted mean over some items; those that this distance is not for are left out, and named."""
        left = [part for part in parts if self.refuses(comparison.design.item(str(part.item)))]
        kept = [part for part in parts if part not in left]
        reasons = sorted({part.reason for part in kept if part.reason})
        if reasons or not kept:
            why = [*reasons, *sorted({part.reason for part in left if part.reason})] or ["there are no such items"]
            return Score.missing(name, "; ".join(why), comparison.resamples, **where)
        said = [OVER_ALL] if where["item"] == "mean" and not comparison.design.beliefs else []
        said += [f"without {', '.join(str(part.item) for part in left)}: {left[0].reason}"] if left else []
        remark = "; ".join(said) or None
        fewest = {n: min(getattr(part, n) for part in kept) for n in ("n_human", "n_simulated")}
        mean = np.mean([part.value for part in kept], axis=0)
        return Score(name, mean, bias="population", scale=self.scale, reason=remark, **fewest, **where)

    def _joint(self, comparison: Comparison) -> Score:
        name = f"{self.name}_joint"
        n_human, n_simulated = (int((codes >= 0).sum()) for codes in comparison.structures)
        counts: dict[str, Any] = {"n_human": n_human, "n_simulated": n_simulated}
        if reason := too_few(n_human, n_simulated):
            return Score.missing(name, reason, comparison.resamples, **counts)
        value = self.distance(*comparison.structure_counts, None)
        remark = None if comparison.design.beliefs else OVER_ALL
        return Score(name, value, bias="sample", scale=self.scale, reason=remark, **counts)


def _means_of(design: Design, whole: bool) -> Iterator[tuple[str, tuple[Item, ...]]]:
    """Titles and items of the means: the main one; of everybody also attitudes, decisions and all items."""
    yield "mean", design.main_items
    apart = {f"mean of {role}s": design.roles(role) for role in ("attitude", "decision")} if whole else {}
    for title, items in ({**apart, ALL_ITEMS: design.items} if whole else {}).items():
        if items and items != design.main_items:
            yield title, items


class JSDistance(Distance[NoConfig]):
    """Jensen-Shannon distance between human and simulated answers, per item, subgroup and jointly.

    Definition by simbench: the square root of the Jensen-Shannon divergence with base-2 logarithm between
    option frequencies,

        d = sqrt((KL(h || m) + KL(s || m)) / 2),  m = (h + s) / 2,

    in [0, 1]; 0 means equal frequencies, 1 no answer in common; lower is closer. ``item="mean"`` is the
    unweighted mean over belief items; ``mean of attitudes``, ``mean of decisions`` and ``mean of all items`` stand
    beside it. ``js_distance_joint`` is taken over belief structures (tuples of all beliefs). Without belief items
    ``mean`` and structures are over all items. ``js_distance_expected`` uses the simulation's option probabilities
    instead of draws from them, where the backend gives these.

    Failure modes: two samples of the same people are not at 0, and small groups have larger distances by
    chance alone: read a value beside its ceiling. The interval is for the distance between the populations
    (draws shifted by twice their bias, on the squared scale), so the value lies in its upper part and may
    touch its end; that of ``js_distance_joint`` is for samples of this size, since with nearly as many
    structures as people the populations' distance cannot be known. Source: Lin (1991), IEEE Trans. Inf. Theory
    37(1); Endres and Schindelin (2003), IEEE Trans. Inf. Theory 49(7).
    """

    name = "js_distance"
    headline = (("js_distance", "mean"), ("js_distance", ALL_ITEMS), ("js_distance_joint", None))
    better = {"js_distance": "lower", "js_distance_joint": "lower", "js_distance_expected": "lower"}
    words = {
        "js_distance": "Jensen-Shannon distance",
        "js_distance_joint": "Jensen-Shannon distance, jointly",
        "js_distance_expected": "Jensen-Shannon distance, expected",
    }
    joint = True
    expected = True

    def distance(self, human: Floats, simulated: Floats, item: Item | None) -> Floats:
        """Jensen-Shannon distance."""
        from simbench.stats.divergences import js_distance

        return js_distance(human, simulated)


class TotalVariation(Distance[NoConfig]):
    """Total variation distance, and the 0-100 score of the SimBench benchmark made from it.

    ``total_variation`` = sum over options of |h - s| / 2, in [0, 1]: the share of answers that would have to
    change; lower is closer. Per item, subgroup level, mean over beliefs, jointly over belief structures
    (``total_variation_joint``) and from option probabilities (``total_variation_expected``).

    ``simbench_score`` = 100 (1 - TV(human, simulated) / mean TV(human, uniform)), the mean of the denominator
    over all items with more than one option; higher is closer; 100 = the human distribution, 0 = on average no
    better than uniform answers, below 0 = worse. ``item="mean"`` is over those same items.

    Failure modes: as for every distance, positive by chance alone (read it beside its ceiling; 100 is out of
    reach for finite samples); blind to the order of options; the score explodes where people answer almost
    uniformly. Source: Hu et al. (2025), SimBench, arXiv 2510.17516.
    """

    name = "total_variation"
    better = {
        "total_variation": "lower",
        "total_variation_joint": "lower",
        "total_variation_expected": "lower",
        "simbench_score": "higher",
    }
    joint = True
    expected = True

    def distance(self, human: Floats, simulated: Floats, item: Item | None) -> Floats:
        """Total variation."""
        from simbench.stats.divergences import total_variation

        return total_variation(human, simulated)

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Distances, then the 0-100 scores."""
        found = list(super().score(comparison))
        yield from found
        groups: dict[tuple[str | None, str | None], list[Score]] = {}
        items = {item.name for item in comparison.design.items}
        for each in found:
            if each.metric == self.name and each.item in items:
                groups.setdefault((each.subgroup, each.level), []).append(each)
        for parts in groups.values():
            yield from self._scores(comparison, parts)

    def _scores(self, comparison: Comparison, parts: list[Score]) -> Iterator[Score]:
        from simbench.stats.divergences import simbench_score, total_variation

        usable = [part for part in parts if part.reason is None]
        name = "simbench_score"
        where: dict[str, Any] = {"subgroup": parts[0].subgroup, "level": parts[0].level}
        for part in parts:
            if part not in usable:
                yield replace(part, metric=name)
        if not usable:
            reason = "; ".join(sorted({str(part.reason) for part in parts}))
            yield Score.missing(name, reason, comparison.resamples, item="mean", **where)
            return
        uniform = []
        for part in usable:
            human = _human_counts(comparison, part)
            uniform.append(total_variation(human, np.ones(human.shape[-1])))
        distances = np.stack([part.value for part in usable], axis=-1)
        scores = simbench_score(distances, np.stack(uniform, axis=-1))
        scale = _shortfall(np.mean(uniform, axis=0))
        for column, part in enumerate(usable):
            yield replace(part, metric=name, value=scores[:, column], scale=scale)
        fewest = {n: min(getattr(part, n) for part in usable) for n in ("n_human", "n_simulated")}
        mean = scores.mean(axis=-1)
        yield Score(name, mean, item="mean", bias="population", scale=scale, **fewest, **where)


def _shortfall(base: Floats) -> Scale:
    """Scale of scores 100 (1 - distance / base), ``base`` (R,): noise adds to both distances' squares."""

    def there(scores: Floats) -> Floats:
        return ((1.0 - scores / 100.0) * base[: len(scores)]) ** 2

    def back(squares: Floats) -> Floats:
        from simbench.stats import ratio, recentred

        return 100.0 * (1.0 - ratio(SQUARED.back(squares), SQUARED.back(recentred(base[: len(squares)] ** 2, 2))))

    return Scale(there, back)


class Wasserstein(Distance[NoConfig]):
    """Wasserstein-1 distance between answers to ordered items, as a share of the scale's length.

    ``wasserstein`` = sum over k of |H(k) - S(k)| (x_{k+1} - x_k) / (x_K - x_1) with cumulative shares H and S and
    options x (middles of bins, values where these are rising numbers, else 1, 2, 3 ...), in [0, 1]: how far the
    average answer has to be moved; lower is closer; with equally spaced options 1 minus it is OpinionQA's
    representativeness. Per item, subgroup level, mean over ordered beliefs, and from option probabilities
    (``wasserstein_expected``). ``mean_difference`` of items that are numbers: simulated minus human mean, in their
    own units; 0 = the same mean. Where both sides gave numbers these count, else a bin counts as its middle; the same
    for distances per item, whose scale is then from the lowest to the highest number that can be.

    Failure modes: not defined for items without order (they say so); positive by chance alone, so read it
    beside its ceiling; takes the spacing of options at face value; small where both sides crowd in the middle.
    Source: Santurkar et al. (2023), Whose opinions do language models reflect?, ICML.
    """

    name = "wasserstein"
    better = {"wasserstein": "lower", "wasserstein_expected": "lower", "mean_difference": "zero"}
    expected = True

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Distances, then the means of the items that are numbers."""
        yield from super().score(comparison)
        for item in comparison.design.items:
            if item.ordered and item.numbers is not None:
                yield self._means(comparison, item)

    def _means(self, comparison: Comparison, item: Item) -> Score:
        from simbench.stats import ratio

        counts = [side.answered(item.name) for side in comparison.sides]
        where: dict[str, Any] = dict(zip(("item", "n_human", "n_simulated"), (item.name, *counts), strict=True))
        reason = self.refuses(item) or too_few(*counts)
        if reason:
            return Score.missing("mean_difference", reason, comparison.resamples, **where)
        given = _given(comparison, item)
        human, simulated = (
            ratio(counted @ positions(item), counted.sum(axis=1))
            for counted in (side.counts(item.name) for side in comparison.sides)
        )
        if given is not None:
            human, simulated = (
                ratio(side.weights @ np.nan_to_num(each), side.weights @ ~np.isnan(each))
                for side, each in zip(comparison.sides, given, strict=True)
            )
        return Score("mean_difference", simulated - human, human, simulated, **where)

    def refuses(self, item: Item) -> str | None:
        """Only ordered items have a distance along their scale."""
        return super().refuses(item) or (None if item.ordered else "the options have no order")

    def _whole(self, comparison: Comparison, item: Item, expected: bool) -> Floats | None:
        numbers = None if expected or self.refuses(item) else _given(comparison, item)
        if numbers is None:
            return super()._whole(comparison, item, expected)
        values = np.unique(np.concatenate([each[~np.isnan(each)] for each in numbers]))
        if len(values) < 2:
            return np.zeros(comparison.resamples)
        from simbench.stats.divergences import wasserstein_ordered

        human, simulated = (
            side.code_counts(np.where(np.isnan(each), -1, np.searchsorted(values, each)), len(values))
            for side, each in zip(comparison.sides, numbers, strict=True)
        )
        return wasserstein_ordered(human, simulated, values) * float(np.ptp(values) / np.ptp(item.ends))

    def distance(self, human: Floats, simulated: Floats, item: Item | None) -> Floats:
        """Normalised Wasserstein-1 distance."""
        from simbench.stats.divergences import wasserstein_ordered

        return wasserstein_ordered(human, simulated, positions(item) if item else None)


@dataclass(frozen=True)
class KLConfig:
    """Settings of ``kl_divergence``."""

    smoothing: float = setting(0.5, "added to the count of every option on both sides")

    def __post_init__(self) -> None:
        if self.smoothing <= 0:
            raise ConfigError(f"metric.kl_divergence.smoothing: expected more than 0; found {self.smoothing}")


class KLDivergence(Distance[KLConfig]):
    """Kullback-Leibler divergence of simulated from human answers in bits, smoothed.

    ``kl_divergence`` = sum over options of h log2(h / s), with h = (count + a) / (n + a K) and s likewise, a =
    ``smoothing`` (0.5: Krichevsky-Trofimov); from 0, without upper bound; lower is closer. How surprised
    someone is who expects the simulation's answers and meets people. Per item, subgroup level, mean, and from
    option probabilities (``kl_divergence_expected``; s then counts probabilities).

    Failure modes: depends on the smoothing wherever people give answers that are never simulated, the more
    the smaller the samples, so there is none over belief structures, where it would be smoothing for the most
    part; positive by chance alone; not symmetric. Source: Kullback and Leibler (1951),
    Ann. Math. Stat. 22; Krichevsky and Trofimov (1981), IEEE Trans. Inf. Theory 27.
    """

    name = "kl_divergence"
    Config = KLConfig
    better = {"kl_divergence": "lower", "kl_divergence_expected": "lower"}
    expected = True
    scale = POSITIVE

    def distance(self, human: Floats, simulated: Floats, item: Item | None) -> Floats:
        """Smoothed divergence in bits."""
        from simbench.stats.divergences import kl_divergence

        return kl_divergence(human, simulated, self.config.smoothing)


def _given(comparison: Comparison, item: Item) -> list[Floats] | None:
    """The numbers (n,) of both sides, where the people's are known as such; None elsewhere."""
    if not item.spans or np.isnan(comparison.human.people.numbers(item.name)).all():
        return None
    return [side.numbers(item) for side in comparison.sides]


def _human_counts(comparison: Comparison, part: Score) -> Floats:
    """Human counts (R, K) behind a score."""
    item, side = str(part.item), comparison.human
    if part.subgroup is None or part.level is None:
        return side.counts(item)
    levels = comparison.levels[part.subgroup]
    return side.by_level(item, part.subgroup, levels)[:, levels.index(part.level)]


def too_few(n_human: int, n_simulated: int) -> str | None:
    """Why nothing can be compared here, if so."""
    if not n_human:
        return "no human answers here"
    return None if n_simulated else "no ok simulated answers here"
