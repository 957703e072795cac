"""The likelihood of real people: how probable does the model find what people outside the pilot answered?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simbench.metrics.base import Comparison, Floats, Metric, Score
from simbench.metrics.foretold import NOT_ASKED, Tables
from simbench.settings import NoConfig

__all__ = ["LogLikelihood"]

RIVALS = {"shares": "the pilot's shares", "tabular": "the tabular model"}


class LogLikelihood(Metric[NoConfig]):
    """Bits: the log-probability that the model gives to what real people outside the pilot answered.

    ``log_likelihood`` = mean over people of log2 P(own answer | profile, treatment, the person's own real answers
    before); per item, and ``item="mean"`` over all items, per answer. At most 0, higher is better: -1 is a fair coin,
    -log2(K) says nothing about an item with K options. Times the number of items it is the log-probability of a
    person's answers *together*, so it is a proper score of the joint distribution (Good 1952; Gneiting and Raftery
    2007, JASA 102): no other forecast does better on average than people's own distribution. It sees margins,
    association, subgroups and treatments at once.

    ``log_likelihood_over_shares`` and ``log_likelihood_over_tabular``: the difference to two forecasts that anybody
    has, paired person by person, bits per answer: the pilot's shares, the same for everybody, with half a person
    added to every option; and ``backend=tabular``, which learned from the same pilot. Above 0: the model knows more.

    Failure modes: there is no ceiling, since what people's own distribution would reach is not known, so read the
    differences; one answer to which the model gives next to no chance costs much, and one with probability 0 makes
    the figure minus infinity (it is then missing and says how many); it is of people who answered every item, and of
    those the backend could say it of; a model may find real answers likely and still draw too uniform or too wild a
    crowd where its answers feed on its own earlier ones: distances see that, this does not. API models know it only
    item by item, where there are log-probabilities. Definition by simbench.
    """

    name = "log_likelihood"
    needs_likelihood = True
    headline = (("log_likelihood", "mean"),)
    better = {
        "log_likelihood": "higher",
        "log_likelihood_over_shares": "higher",
        "log_likelihood_over_tabular": "higher",
    }
    words = {
        "log_likelihood": "log-likelihood of real answers, bits",
        "log_likelihood_over_shares": "log-likelihood over the pilot's shares",
        "log_likelihood_over_tabular": "log-likelihood over the tabular model",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Every item and the mean, for the model alone and against either rival."""
        told = comparison.foretold
        if told is None or told.tables is None:
            why = NOT_ASKED if told is None else told.reason
            for name in self.better:
                yield Score.missing(name, why, comparison.resamples, item="mean")
            return
        own = self._bits(comparison, told.tables)
        yield from _figures(comparison, "log_likelihood", own)
        for name, words in RIVALS.items():
            figure = f"log_likelihood_over_{name}"
            if name not in told.rivals:
                reason = f"there is nothing to hold against: {words} of this experiment"
                yield Score.missing(figure, reason, comparison.resamples, item="mean")
                continue
            other = self._bits(comparison, told.rivals[name])
            yield from _figures(comparison, figure, {item: own[item] - other[item] for item in own})

    def _bits(self, comparison: Comparison, tables: Tables) -> dict[str, Floats]:
        """log2 of the probability of everybody's own answer (n,) per item; NaN where there is none."""
        found = {}
        for item in comparison.design.items:
            codes, table = comparison.human.codes(item.name), tables[item.name]
            chance = np.where(codes >= 0, table[np.arange(len(codes)), codes], np.nan)
            with np.errstate(divide="ignore"):
                found[item.name] = np.log2(chance)
        return found


def _figures(comparison: Comparison, name: str, bits: dict[str, Floats]) -> Iterator[Score]:
    from simbench.stats import ratio

    known = ~np.isnan(np.stack(list(bits.values()))).any(axis=0)
    for item, each in (*bits.items(), ("mean", np.mean(list(bits.values()), axis=0))):
        n = int(known.sum())
        where: dict[str, Any] = {"item": item, "n_human": n, "n_simulated": n}
        impossible = int(np.isinf(each[known]).sum())
        if not n or impossible:
            why = f"{impossible} real answers have probability 0" if n else "of nobody who answered every item"
            yield Score.missing(name, why, comparison.resamples, **where)
            continue
        weights, first = comparison.human.weights, each[known][0]
        # From the first person's: where all are alike, rounding must not vary from resample to resample.
        apart = np.where(known, each - first, 0.0)
        yield Score(name, first + ratio(weights @ apart, weights @ known.astype(float)), **where)
