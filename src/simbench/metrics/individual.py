"""Individual level: does the simulation of a person foretell that person's own answer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from simbench.design import Item
from simbench.errors import ConfigError
from simbench.metrics.alignment import ONE_OPTION, POSITIVE
from simbench.metrics.base import Comparison, Floats, Ints, Metric, Score
from simbench.settings import setting

__all__ = ["Individual", "IndividualConfig"]

FROM_DRAWS = ("accuracy", "accuracy_lift")
FROM_CHANCES = ("log_score", "brier_score", "calibration_error")


@dataclass(frozen=True)
class IndividualConfig:
    """Settings of ``individual``."""

    floor: float = setting(0.001, "smallest probability that the log score counts")
    paths: int = setting(5, "least number of replicates over which the probabilities of later items are averaged")
    bins: int = setting(10, "bins of the calibration error")

    def __post_init__(self) -> None:
        if not 0 < self.floor < 1:
            raise ConfigError(f"metric.individual.floor: expected a number in (0, 1); found {self.floor}")
        if self.paths < 2:
            raise ConfigError(f"metric.individual.paths: expected at least 2; found {self.paths}")
        if self.bins < 1:
            raise ConfigError(f"metric.individual.bins: expected at least 1; found {self.bins}")


class Individual(Metric[IndividualConfig]):
    """Person by person: accuracy, log score, Brier score and calibration against the person's own answers.

    Per item and their mean; each simulated row is held against the human with its profile and condition.

    - ``accuracy`` = share of simulated answers that are the person's own, in [0, 1], higher is better;
      ``accuracy_lift`` = accuracy less what the same answers would reach if dealt out at random within treatment
      groups: 0 = the profile tells nothing beyond the group, higher is better.
    - from the options' probabilities given profile and treatment alone, where the backend gives them: ``log_score`` =
      mean log2 of the probability of the own answer, probabilities below ``floor`` counted as that, at most 0, higher
      is better; ``brier_score`` = mean of the sum over options of (p - 1[own answer])^2, in [0, 2], lower is better;
      ``calibration_error`` = mean over ``bins`` bins of confidence of |share right - confidence| for the likeliest
      option, in [0, 1], lower is better. What a backend stores of an item is given the answers it *drew* before, so
      for every item but the first it is averaged over the model's own paths: the replicates of a person, at least
      ``paths`` of them (``replicates=5``); the noise of so few paths is taken off Brier score (exactly) and log score
      (to second order). With fewer the figures are missing. ``log_likelihood`` needs no replicates: it gives the
      person's own real answers before.

    Read them beside ``tabular``: a language model that does not beat a regression on the same profiles knows no
    more of the person than the profile says. Failure modes: people are not perfectly predictable, so 1 is no
    realistic ceiling, and no ceiling is given (it would take asking the same people twice); a simulation that is
    right about everybody's mode is accurate without any diversity; the calibration error is above 0 by chance alone,
    and with few paths a little more so. Source: Brier (1950), Mon. Weather Rev. 78; Good (1952), J. R. Stat. Soc. B
    14; Guo et al. (2017), ICML; the lift is a definition by simbench.
    """

    name = "individual"
    Config = IndividualConfig
    better = {
        "accuracy": "higher",
        "accuracy_lift": "higher",
        "log_score": "higher",
        "brier_score": "lower",
        "calibration_error": "lower",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Every item, then the mean over items."""
        if comparison.matched is None:
            reason = "the two sides are not matched person by person"
            for name in self.better:
                yield Score.missing(name, reason, comparison.resamples, item="mean")
            return
        parts: dict[str, list[Score]] = {name: [] for name in self.better}
        for item in comparison.design.items:
            for each in self._item(comparison, comparison.matched, item):
                parts[each.metric].append(each)
                yield each
        for name, found in parts.items():
            yield _mean(name, found, comparison.resamples)

    def _item(self, comparison: Comparison, matched: Ints, item: Item) -> Iterator[Score]:
        from simbench.stats.individual import accuracy, brier_score, calibration_error, log_score

        own = comparison.human.codes(item.name)[matched]
        drawn = comparison.simulated.codes(item.name)
        n = int(((own >= 0) & (drawn >= 0)).sum())
        where: dict[str, Any] = {"item": item.name, "n_human": n, "n_simulated": n}
        reason = None if n else "nobody has both an own and a simulated answer"
        if len(item.options) < 2:
            reason = ONE_OPTION
        found = _predictive(comparison, item, self.config.paths)
        unknown = found if isinstance(found, str) else None
        for name in (*FROM_DRAWS, *FROM_CHANCES):
            why = reason or (unknown if name in FROM_CHANCES else None)
            if why:
                yield Score.missing(name, why, comparison.resamples, **where)
        if reason:
            return
        weights = comparison.simulated.weights
        (answers, predicted), counts = comparison.simulated.cells(own, drawn)
        hit = accuracy(answers, predicted, len(item.options), counts)
        yield Score("accuracy", hit, trials={"value": n}, **where)
        lift = hit - _by_chance(comparison, item, own, drawn)
        lost = None if np.isfinite(lift[0]) else "nobody simulated is in a treatment group of the humans"
        yield Score("accuracy_lift", lift, reason=lost, **where)
        if isinstance(found, str):
            return
        chances, noise, first = found
        own = own[first]
        if len(first) < weights.shape[1]:  # where everybody is there once, no copy
            weights = weights[:, first]
        where |= {"n_human": int((own >= 0).sum())}
        yield Score("log_score", log_score(own, chances, weights, self.config.floor, noise), **where)
        yield Score("brier_score", brier_score(own, chances, weights, noise), **where)
        error = calibration_error(own, chances, weights, self.config.bins)
        yield Score("calibration_error", error, bias="population", scale=POSITIVE, **where)


def _predictive(comparison: Comparison, item: Item, paths: int) -> tuple[Floats, Floats | None, Ints] | str:
    """Probabilities (m, K) of an item per simulated person, given profile and treatment alone; or why there are none.

    With the variance of each as a mean over the person's replicates (None: exact), and the person's first row (m,).
    """
    table = comparison.simulated.probabilities.get(item.name)
    if table is None:
        return "the backend gives no option probabilities"
    first, person, count = comparison.once("simulated persons", lambda: _simulated_persons(comparison))
    if item == comparison.design.items[0] or not np.ptp(table, axis=0).any():
        return table[first], None, first
    if count.min() < paths:
        return (
            f"its probabilities are given the answers drawn before: it takes at least {paths} replicates "
            f"(replicates={paths}) to average over; found {count.min()}. log_likelihood takes none"
        )
    sums, squares = (np.zeros((len(first), table.shape[1])) for _ in range(2))
    np.add.at(sums, person, table)
    mean = sums / count[:, None]
    np.add.at(squares, person, (table - mean[person]) ** 2)
    return mean, squares / (count * (count - 1))[:, None], first


def _simulated_persons(comparison: Comparison) -> tuple[Ints, Ints, Ints]:
    """First row (m,) of every simulated person, in the order of these rows; whose (n_s,) each row is; rows (m,)."""
    ids = comparison.simulated.people.ids.to_numpy(str)
    _, first, person = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)[person.reshape(-1)]
    return first[order], place, np.bincount(place)


def _by_chance(comparison: Comparison, item: Item, own: Ints, drawn: Ints) -> Floats:
    """Accuracy (R,) if the simulated answers were dealt out at random within treatment groups."""
    from simbench.stats import ratio

    side, groups = comparison.simulated, comparison.conditions
    codes, options = side.groups("condition", groups), len(item.options)
    known = (own >= 0) & (drawn >= 0) & (codes >= 0)
    tables = []
    for answers in (own, drawn):
        cells = np.where(known, codes * options + answers, -1)
        tables.append(side.code_counts(cells, len(groups) * options).reshape(-1, len(groups), options))
    n = tables[0].sum(axis=2)
    hits = ratio((tables[0] * tables[1]).sum(axis=2), np.where(n > 0, n, 1.0))
    return ratio(hits.sum(axis=1), n.sum(axis=1))


def _mean(name: str, parts: list[Score], resamples: int) -> Score:
    """Over the items with more than one option; missing if one of these is."""
    kept = [part for part in parts if part.reason != ONE_OPTION]
    missing = sorted({part.reason for part in kept if part.reason})
    if missing or not kept:
        return Score.missing(name, "; ".join(missing) or ONE_OPTION, resamples, item="mean")
    n = min(part.n_human for part in kept)
    first = kept[0]
    mean = np.mean([part.value for part in kept], axis=0)
    return Score(name, mean, item="mean", n_human=n, n_simulated=n, bias=first.bias, scale=first.scale)
