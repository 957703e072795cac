"""Belief-action coherence: do people, and simulated people, act on their own beliefs?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simbench.design import Item
from simbench.metrics.alignment import too_few
from simbench.metrics.base import Comparison, Floats, Ints, Metric, Score, Side
from simbench.metrics.fitting import Fitted, fit_designs
from simbench.settings import NoConfig

__all__ = ["BeliefDecision", "ValueActionGap"]


class ValueActionGap(Metric[NoConfig]):
    """Share of rows whose decision contradicts their own beliefs, simulated minus human.

    Definition by simbench: the experiment's coherence rule says for each row whether its decision agrees
    with its beliefs. Rows for which the rule is undefined (a tie, a missing answer) are left out; their
    share is ``value_action_undefined``. ``value_action_gap``: ``value`` = simulated minus human share, in
    [-1, 1]; 0 means as (in)coherent as people are, above 0 less coherent, below 0 more coherent than people.

    Where the decision has two options, the rule also says what the beliefs speak for ("inclined": for the last
    option). After Shen, Clark and Mitra (2025), EMNLP, arXiv 2501.15463:

    - ``value_action_f1`` = 2TP / (2TP + FP + FN), the decision as a classification by the belief, on either side,
      in [0, 1]; ``value`` = simulated minus human;
    - ``value_action_distance`` = mean over treatment groups of |share inclined - share acting|, on either side, in
      [0, 1]: the gap that remains when contradictions of either kind cancel within a group; ``value`` =
      simulated minus human.

    Failure modes: a simulation that always acts on its beliefs is *more* coherent than people, which shows as
    a value below 0; a gap of the human size can come from quite different contradictions; F1 rises with the
    share that is inclined. The rule is the experiment's, and with it every figure.
    """

    name = "value_action_gap"
    headline = (("value_action_gap", None),)
    words = {"value_action_gap": "value-action gap"}
    better = {
        "value_action_gap": "zero",
        "value_action_undefined": "zero",
        "value_action_f1": "zero",
        "value_action_distance": "zero",
    }

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """The gap of both sides and its difference; the share left out; F1 and distance."""
        from simbench.stats.coherence import flag_share

        rules = [_rule(comparison, side) for side in comparison.sides]
        n_human, n_simulated = (int((rule >= 0).sum()) for rule in rules)
        counts: dict[str, Any] = {"n_human": n_human, "n_simulated": n_simulated}
        reason = None
        if not n_human:
            reason = "the coherence rule is undefined for every human row (or the experiment has none)"
        elif not n_simulated:
            reason = "the coherence rule is undefined for every ok simulated row"
        if reason:
            for name in self.better:
                yield Score.missing(name, reason, comparison.resamples, **counts)
            return
        # A flag here is "contradicts the own beliefs".
        counted = [side.cells(rule) for side, rule in zip(comparison.sides, rules, strict=True)]
        gaps = [flag_share(np.where(rule < 0, -1, 1 - rule), counts) for (rule,), counts in counted]
        cases = {
            name: min(int(side.effective(rule >= 0)), side.units)
            for name, side, rule in zip(("human", "simulated"), comparison.sides, rules, strict=True)
        }
        yield _difference("value_action_gap", gaps, trials=cases, **counts)
        left = [flag_share((rule < 0).astype(np.int64), counts) for (rule,), counts in counted]
        sizes: dict[str, Any] = {"n_human": len(rules[0]), "n_simulated": len(rules[1])}
        yield _difference("value_action_undefined", left, **sizes)
        yield from _inclinations(comparison, rules, counts)


class BeliefDecision(Metric[NoConfig]):
    """How closely decisions go with beliefs, on people and in the simulation.

    - ``belief_decision_information``, per belief and decision item: mutual information in bits, sum over answers
      of p(b, d) log2(p(b, d) / (p(b) p(d))), less its bias in small samples (Miller 1955); 0 = the belief tells
      nothing of the decision. ``value`` = simulated minus human: below 0 = the simulation decides without regard
      to what it believes, above 0 = it follows its beliefs more closely than people.
    - ``belief_coefficient``, per ordered belief: its coefficient in a logit (decision of two options; otherwise
      least squares on the decision in human standard deviations) on all ordered beliefs, each divided by its
      human standard deviation, and treatment groups. ``value`` = simulated minus human.

    Failure modes: information knows no direction (a reversed belief tells as much), the coefficient knows it
    but only what is linear; both mix what beliefs do with what treatments do to both, the coefficient less.
    Where a logit separates, Firth's is used on both sides and says so; where beliefs or the decision do not
    vary there is none. Source: Shannon (1948); Miller (1955); the comparison is a definition by simbench.
    """

    name = "belief_decision"
    better = {"belief_decision_information": "zero", "belief_coefficient": "zero"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """Information of every belief on every decision, then the coefficients."""
        beliefs, decisions = comparison.design.beliefs, comparison.design.roles("decision")
        if not beliefs or not decisions:
            reason = "the experiment has no belief items" if not beliefs else "the experiment has no decision item"
            for name in self.better:
                yield Score.missing(name, reason, comparison.resamples)
            return
        for decision in decisions:
            for belief in beliefs:
                yield _information(comparison, belief, decision)
            yield from _belief_coefficients(comparison, decision)


def _rule(comparison: Comparison, side: Side) -> Ints:
    """The rule (n,) as 1 coherent, 0 not, -1 undefined."""
    verdict = comparison.coherent(side.people.frame).astype("Int64")
    return np.asarray(verdict.fillna(-1), dtype=np.int64)


def _difference(name: str, sides: list[Floats], **where: Any) -> Score:
    human, simulated = sides
    return Score(name, simulated - human, human, simulated, **where)


def _inclinations(comparison: Comparison, rules: list[Ints], counts: dict[str, Any]) -> Iterator[Score]:
    """F1 and distance, which need to know what the beliefs speak for."""
    from simbench.stats.coherence import action_f1

    decisions = comparison.design.roles("decision")
    if len(decisions) != 1 or len(decisions[0].options) != 2:
        reason = "needs one decision item with two options, to know what the beliefs speak for"
        for name in ("value_action_f1", "value_action_distance"):
            yield Score.missing(name, reason, comparison.resamples, **counts)
        return
    f1, distance = [], []
    for side, rule in zip(comparison.sides, rules, strict=True):
        acted = np.where(rule < 0, -1, side.codes(decisions[0].name))
        inclined = np.where(acted < 0, -1, np.where(rule == 1, acted, 1 - acted))
        conditions = comparison.conditions
        (groups, for_it, did), rows = side.cells(side.groups("condition", conditions), inclined, acted)
        f1.append(action_f1(for_it, did, rows))
        distance.append(_group_distance(len(conditions), groups, for_it, did, rows))
    name = "value_action_f1"
    if all(np.isfinite(each[0]) for each in f1):
        yield _difference(name, f1, **counts)
    else:
        who = "humans" if not np.isfinite(f1[0][0]) else "simulated participants"
        reason = f"no {who} are inclined to act, and none do"
        yield Score.missing(name, reason, comparison.resamples, **counts)
    name = "value_action_distance"
    if all(np.isfinite(each[0]) for each in distance):
        yield _difference(name, distance, bias="sample", **counts)
    else:
        reason = "nobody with defined coherence in the treatment groups of the humans"
        yield Score.missing(name, reason, comparison.resamples, **counts)


def _group_distance(conditions: int, groups: Ints, inclined: Ints, acted: Ints, counts: Floats) -> Floats:
    """Mean (R,) over the treatment groups with defined rows of |share inclined - share acting|."""
    from simbench.stats import ratio

    member = ((groups[:, None] == np.arange(conditions)) & (inclined >= 0)[:, None]).astype(float)
    n = counts @ member
    gap = ratio(np.abs(counts @ (member * (inclined - acted)[:, None])), n)
    held = np.isfinite(gap)
    return ratio(np.where(held, gap, 0.0).sum(axis=1), held.sum(axis=1))


def _information(comparison: Comparison, belief: Item, decision: Item) -> Score:
    from simbench.stats.coherence import mutual_information

    answered = [(side.codes(belief.name) >= 0) & (side.codes(decision.name) >= 0) for side in comparison.sides]
    n_human, n_simulated = (int(each.sum()) for each in answered)
    title = f"{belief.name} & {decision.name}"
    where: dict[str, Any] = {"item": title, "n_human": n_human, "n_simulated": n_simulated}
    name = "belief_decision_information"
    if reason := too_few(n_human, n_simulated):
        return Score.missing(name, reason, comparison.resamples, **where)
    cells = (side.cells(side.codes(belief.name), side.codes(decision.name)) for side in comparison.sides)
    both = [
        mutual_information(first, len(belief.options), second, len(decision.options), counts).corrected
        for (first, second), counts in cells
    ]
    return Score(name, both[1] - both[0], both[0], both[1], bias="sample", **where)


def _belief_coefficients(comparison: Comparison, decision: Item) -> Iterator[Score]:
    """One coefficient per ordered belief in the decision model."""
    beliefs = [item for item in comparison.design.beliefs if item.ordered and len(item.options) > 1]
    fitted = _decision_model(comparison, decision, beliefs)
    where: dict[str, Any] = {"n_human": fitted.n_human, "n_simulated": fitted.n_simulated}
    name = "belief_coefficient"
    if fitted.human is None or fitted.simulated is None:
        reason = fitted.reason or "not fitted"
        yield Score.missing(name, reason, comparison.resamples, item=fitted.title, **where)
        return
    for column, belief in enumerate(beliefs):
        human, simulated = fitted.human.estimates[:, column], fitted.simulated.estimates[:, column]
        title = f"{fitted.title}: {belief.name}"
        yield Score(name, simulated - human, human, simulated, title, reason=fitted.words, **where)


def _decision_model(comparison: Comparison, decision: Item, beliefs: list[Item]) -> Fitted:
    """Decision on beliefs and treatment groups, both sides in units of the human standard deviation."""
    from simbench.stats.regression import Design

    binary = len(decision.options) == 2
    title = f"{'logit' if binary else 'ols'}: {decision.name}"
    sizes = [len(side) for side in comparison.sides]
    nothing = Fitted(title, (), None, None, sizes[0], sizes[1])
    if not beliefs:
        return _because(nothing, "the experiment has no ordered belief items")
    if not binary and not decision.ordered:
        return _because(nothing, "the decision has more than two options without order")
    if not sizes[1]:
        return _because(nothing, "no ok simulated answers")
    human = [comparison.human.numbers(item) for item in (*beliefs, decision)]
    scales = [comparison.human.deviation(each) for each in human]
    if flat := [item.name for item, scale in zip((*beliefs, decision), scales, strict=True) if not scale > 0]:
        return _because(nothing, f"all humans gave the same answer to {', '.join(flat)}")
    groups = comparison.conditions[1:]
    names = ("Intercept", *(item.name for item in beliefs), *groups)
    designs = []
    for side in comparison.sides:
        columns = [side.numbers(item) / scale for item, scale in zip(beliefs, scales[:-1], strict=True)]
        columns += [(side.groups("condition", groups) == code).astype(float) for code in range(len(groups))]
        matrix = np.column_stack([np.ones(len(side)), *columns])
        codes = side.codes(decision.name)
        outcome = codes.astype(float) if binary else side.numbers(decision) / scales[-1]
        rows = np.flatnonzero((codes >= 0) & np.isfinite(matrix).all(axis=1))
        terms = tuple(range(len(names)))
        designs.append(Design(decision.name, outcome[rows], (), matrix[rows], names, rows, terms))
    return fit_designs(comparison, title, "logit" if binary else "ols", (designs[0], designs[1]))


def _because(nothing: Fitted, reason: str) -> Fitted:
    from dataclasses import replace

    return replace(nothing, reason=reason)
