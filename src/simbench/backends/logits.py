"""Ridge-penalised multinomial logits of one item, and items whose options differ between treatment groups.

What :mod:`simbench.backends.tabular` does with numbers, and others may do with whatever stands in a design matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.design import Item, Value
from simbench.interview import Interview, Transcript

__all__ = ["PENALTIES", "all_options", "fit_logit", "folds_of", "logits", "offered", "predict_logit"]

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths of the penalty (scikit-learn's C) that cross-validation chooses from."""


def all_options(asked: Sequence[tuple[Item, ...]]) -> list[Item]:
    """The items in order, each with every option that any treatment group is offered."""
    first = asked[0]
    found = []
    for position, item in enumerate(first):
        options = {option.value: option for items in asked for option in items[position].options}
        full = max((items[position] for items in asked), key=lambda each: len(each.options))
        order = [option for option in full.options if option.value in options]
        order += [option for value, option in options.items() if value not in full.values]
        found.append(Item(item.name, item.role, item.text, order, item.ordered))
    return found


def offered(item: Item, position: int, interviews: Sequence[Interview]) -> Floats:
    """Which options (n, K) each interview offers."""
    masks: dict[tuple[Value, ...], Floats] = {}
    rows = []
    for interview in interviews:
        values = interview.items[position].values
        if values not in masks:
            masks[values] = np.array([float(value in values) for value in item.values])
        rows.append(masks[values])
    return np.stack(rows)


def folds_of(pilot: Sequence[Transcript], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which of the folds (n,) each transcript is in; those of one human are in the same."""
    humans: dict[str, int] = {}
    row_of = [humans.setdefault(each.interview.human, len(humans)) for each in pilot]
    return np.asarray((rng.permutation(len(humans)) % folds)[row_of])


def fit_logit(design: Floats, codes: NDArray[np.int64], options: int, folds: NDArray[np.int64]) -> dict[str, Any]:
    """Choose the penalty by cross-validation, then fit everybody."""
    numbers = np.unique(folds)
    chosen = PENALTIES[0]
    if len(codes) >= 2 * len(numbers) and len(np.unique(codes)) > 1 and design.shape[1]:
        losses = np.zeros(len(PENALTIES))
        for number in numbers:
            train, test = folds != number, folds == number
            for at, known in enumerate(logits(design[train], codes[train], options, PENALTIES)):
                table = predict_logit(known, design[test], int(train.sum()))
                losses[at] -= np.log(table[np.arange(len(table)), codes[test]]).sum()
        chosen = PENALTIES[int(losses.argmin())]
    return next(logits(design, codes, options, (chosen,)))


def logits(
    design: Floats, codes: NDArray[np.int64], options: int, penalties: Sequence[float], exact: bool = False
) -> Iterator[dict[str, Any]]:
    """Coefficients (K, columns) and intercepts (K,) per penalty; None stands for options that nobody gave.

    ``exact``: to the last digits, where the usual four do not suffice.
    """
    from sklearn.linear_model import LogisticRegression

    seen = np.unique(codes)
    model = LogisticRegression(max_iter=20_000 if exact else 2000, tol=1e-9 if exact else 1e-5, warm_start=True)
    for penalty in penalties:
        weights = np.zeros((options, design.shape[1]))
        shares = np.bincount(codes, minlength=options) / len(codes)
        constants = np.log(shares[seen])
        if len(seen) > 1 and design.shape[1]:
            fitted = model.set_params(C=penalty).fit(design, codes)
            # With two options scikit-learn keeps one row: the second against the first.
            pair = len(seen) == 2
            weights[seen] = np.vstack([0 * fitted.coef_, fitted.coef_]) if pair else fitted.coef_
            constants = np.array([0.0, fitted.intercept_[0]]) if pair else fitted.intercept_
        intercepts: list[float | None] = [None] * options
        for at, constant in zip(seen, constants, strict=True):
            intercepts[at] = float(constant)
        yield {"penalty": penalty, "weights": weights.tolist(), "intercepts": intercepts}


def predict_logit(known: Mapping[str, Any], design: Floats, people: int) -> Floats:
    """Option probabilities (n, K), with one made-up person who answers uniformly among the people."""
    from scipy.special import softmax

    weights = np.array(known["weights"], dtype=np.float64).reshape(len(known["intercepts"]), design.shape[1])
    constants = np.array([-np.inf if each is None else each for each in known["intercepts"]])
    table: Floats = softmax(design @ weights.T + constants, axis=1)
    blended: Floats = (people * table + 1 / table.shape[1]) / (people + 1)
    return blended
