"""What a batch of regression fits hands back: estimates where there are any, words where there are none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from simbench.stats._arrays import Bools, Floats

__all__ = ["Fit", "Status"]


class Status(IntEnum):
    """Why a fit has no estimates. Only ``OK`` has."""

    OK = 0
    TOO_FEW = 1
    CONSTANT_OUTCOME = 2
    RANK_DEFICIENT = 3
    SEPARATION = 4
    PERFECT_FIT = 5
    NOT_CONVERGED = 6

    @property
    def words(self) -> str:
        """The reason as a reader of a report should see it."""
        return _WORDS[self]


_WORDS = {
    Status.OK: "fitted",
    Status.TOO_FEW: "too few respondents for the number of coefficients",
    Status.CONSTANT_OUTCOME: "everyone gave the same answer to the outcome",
    Status.RANK_DEFICIENT: "predictors are constant or collinear",
    Status.SEPARATION: "the predictors foretell the outcome perfectly (separation), with infinite estimates",
    Status.PERFECT_FIT: "the predictors explain the outcome without error, so there are no standard errors",
    Status.NOT_CONVERGED: "the fit did not converge",
}


@dataclass(frozen=True)
class Fit:
    """R fits of one model, one per row of weights.

    Where ``status`` is not ``OK`` the row's estimates and covariance are NaN.

    Attributes:
        names: the p coefficients. For ordered logit the predictors come first, then the thresholds.
        estimates: (R, p).
        covariance: (R, p, p) of the estimates.
        df: (R,) residual degrees of freedom of the t distribution; inf = normal.
        status: (R,) :class:`Status` values.
        n: (R,) sum of the weights of the rows used.
        culprits: the coefficients behind the failure of row 0 (collinear, or infinite by separation), if
            known.
        tests: (R, p) p-values by a better test than Wald's, if the fit made one.
    """

    names: tuple[str, ...]
    estimates: Floats
    covariance: Floats
    df: Floats
    status: NDArray[np.int8]
    n: Floats
    culprits: tuple[str, ...] = ()
    tests: Floats | None = None

    @property
    def ok(self) -> Bools:
        """(R,) where there are estimates."""
        return np.asarray(self.status == Status.OK)

    @property
    def standard_errors(self) -> Floats:
        """(R, p)."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    @property
    def p_values(self) -> Floats:
        """(R, p) two-sided, of the hypothesis that the coefficient is 0: Wald's, unless the fit came with
        others."""
        if self.tests is not None:
            return self.tests
        distance = -np.abs(self.estimates / self.standard_errors)
        df = self.df[:, None]
        return np.asarray(2 * np.where(np.isinf(df), ndtr(distance), stdtr(np.where(np.isinf(df), 1, df), distance)))

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Wald interval of every coefficient: low and high, (R, p) each."""
        tail = (1 + level) / 2
        finite = np.isfinite(self.df)
        reach = np.where(finite, stdtrit(np.where(finite, self.df, 1), tail), ndtri(tail))[:, None]
        half = reach * self.standard_errors
        return self.estimates - half, self.estimates + half

    def reason(self, row: int = 0) -> str:
        """Say why this row has no estimates; the empty string where it has."""
        status = Status(int(self.status[row]))
        if status is Status.OK:
            return ""
        named = f": {', '.join(self.culprits)}" if row == 0 and self.culprits else ""
        return status.words + named

    def failures(self) -> dict[Status, int]:
        """How many of the resamples (rows 1 ..) failed, by reason."""
        found = Counter(int(value) for value in self.status[1:] if value != Status.OK)
        return {Status(value): count for value, count in sorted(found.items())}

    def select(self, names: tuple[str, ...]) -> Fit:
        """Keep these coefficients only, in this order."""
        at = np.array([self.names.index(name) for name in names], dtype=np.int64)
        covariance = self.covariance[:, at[:, None], at[None, :]]
        tests = None if self.tests is None else self.tests[:, at]
        return replace(self, names=names, estimates=self.estimates[:, at], covariance=covariance, tests=tests)


def nan_fit(names: tuple[str, ...], rows: int) -> Fit:
    """Return a fit with every row still to be filled in."""
    p = len(names)
    return Fit(
        names,
        np.full((rows, p), np.nan),
        np.full((rows, p, p), np.nan),
        np.full(rows, np.inf),
        np.zeros(rows, dtype=np.int8),
        np.zeros(rows),
    )
