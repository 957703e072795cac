"""From resampled figures to estimates: intervals, p-values, corrections for many tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.metrics.base import LINEAR, Floats, Score

if TYPE_CHECKING:
    import pandas as pd

    from simbench.stats.resampling import Scheme

__all__ = ["EQUIVALENCE", "corrected", "estimates", "with_corrections"]

SHIFTS = {"none": 0, "sample": 1, "population": 2}
NULLS = {"zero": 0.0, "lower": 0.0, "one": 1.0}
EQUIVALENCE = {"within_low": "low", "within_high": "high", "chance": "chance", "chance_df": "freedom"}
COLUMNS = ("value", "human", "simulated")


def corrected(score: Score, column: str = "value", resamples: int | None = None) -> Floats:
    """A figure's resamples (R,) as draws whose percentiles are its interval; row 0 stays the estimate.

    ``resamples``: use the first so many rows only (and row 0).
    """
    from simbench.stats.recentring import recentred

    values: Floats = getattr(score, column)
    values = values if resamples is None else values[: resamples + 1]
    times = SHIFTS[score.bias]
    if not times or len(values) < 2:
        return values
    scale = score.scale if column == "value" else LINEAR
    draws = scale.back(recentred(scale.there(values), times))
    return np.concatenate([values[:1], draws[1:]])


def estimates(
    scores: Sequence[Score],
    better: Mapping[str, str],
    confidence: float,
    resamples: int,
    scheme: Scheme | None = None,
    bca: bool = False,
) -> pd.DataFrame:
    """One row per score: estimates, intervals, p-values, and why something is not there.

    The first ``resamples`` + 1 rows of every figure are the estimate and its bootstrap. ``scheme`` says what was
    resampled, so that intervals and p-values are those of so many units. With ``bca`` the other rows are
    leave-one-out values, one per unit, and figures without bias get BCa intervals.
    """
    import pandas as pd

    table: dict[str, Any] = {
        name: [getattr(each, name) for each in scores]
        for name in ("metric", "item", "subgroup", "level", "n_human", "n_simulated")
    }
    reasons = [each.reason for each in scores]
    table |= {name: [getattr(each.equivalence, of, np.nan) for each in scores] for name, of in EQUIVALENCE.items()}
    for column in COLUMNS:
        prefix = "" if column == "value" else f"{column}_"
        drawn = np.full((resamples + 1, len(scores)), np.nan)
        for position, each in enumerate(scores):
            if getattr(each, column) is not None:
                drawn[:, position] = corrected(each, column, resamples)
        table[column] = drawn[0]
        nulls = _nulls(scores, better) if column == "value" else np.full(len(scores), np.nan)
        low, high, defined = _intervals(scores, column, drawn, confidence, scheme, bca)
        still = _still(scores, column, drawn[0], low, high, nulls, confidence)
        table[f"{prefix}ci_low"], table[f"{prefix}ci_high"] = low, high
        if column == "value":
            reasons = [_explained(*each) for each in zip(reasons, drawn[0], low, defined, still, scores, strict=True)]
            table["p"] = np.where(still, np.nan, _p_values(scores, better, drawn, nulls, scheme))
    frame = pd.DataFrame({**table, "reason": reasons})
    return with_corrections(frame)


def _intervals(
    scores: Sequence[Score], column: str, drawn: Floats, confidence: float, scheme: Scheme | None, bca: bool
) -> tuple[Floats, Floats, Floats]:
    """Interval ends (S,), and the share of resamples that could be computed."""
    from simbench.stats.intervals import acceleration, bca_interval, expanded_level, reported_interval

    resamples = len(drawn) - 1
    if not resamples or not scores:
        empty = np.full(len(scores), np.nan)
        return empty, empty.copy(), np.ones(len(scores))
    level = confidence if scheme is None else expanded_level(confidence, scheme.size, len(scheme.pools))
    ends = reported_interval(drawn, level)
    low, high = ends.low.copy(), ends.high.copy()
    plain = [i for i, each in enumerate(scores) if each.bias == "none" and getattr(each, column) is not None]
    if bca and plain:
        left_out = np.stack([getattr(scores[i], column)[resamples + 1 :] for i in plain], axis=1)
        accelerations = acceleration(left_out, None if scheme is None else scheme.pool_of)
        found = reported_interval(drawn[:, plain], level, ends=bca_interval(drawn[:, plain], accelerations, level))
        low[plain], high[plain] = found.low, found.high
    for position, each in enumerate(scores):
        if each.interval is not None:
            low[position], high[position] = each.interval if column == "value" else (np.nan, np.nan)
    return low, high, ends.defined


def _still(
    scores: Sequence[Score],
    column: str,
    estimate: Floats,
    low: Floats,
    high: Floats,
    nulls: Floats,
    confidence: float,
) -> Any:
    """Make intervals without width right, in place; says where (S,) there is none.

    No resample differs there. A share of 0 or 1 of so many cases gets the interval of Clopper and Pearson (1934); a
    figure that is as for people in every resample is an exact tie; nothing says how sure the others are.
    """
    still = (low == high) & np.array([each.interval is None for each in scores], dtype=bool)
    for position in map(int, np.flatnonzero(still)):
        cases = scores[position].trials.get(column, 0)
        if cases and estimate[position] in (0.0, 1.0):
            reach = 1 - ((1 - confidence) / 2) ** (1 / cases)
            low[position] = 0.0 if estimate[position] == 0 else 1 - reach
            high[position] = reach if estimate[position] == 0 else 1.0
            still[position] = False
        elif estimate[position] == nulls[position]:
            still[position] = False
        else:
            low[position] = high[position] = np.nan
    return still


def _explained(reason: str | None, value: float, low: float, defined: float, still: bool, score: Score) -> str | None:
    """No NaN without words."""
    if reason is None and not np.isfinite(value):
        return "not computable on these answers"
    if not np.isfinite(value) or np.isfinite(low) or score.interval is not None or len(score.value) < 2:
        return reason
    words = "no interval: the estimate lies outside its resamples, or there are too few units to resample"
    if still:
        words = "no interval: no resample differs"
    elif defined < 1:
        words = f"no interval: computable in only {defined:.0%} of the resamples"
    return "; ".join(filter(None, (reason, words)))


def _nulls(scores: Sequence[Score], better: Mapping[str, str]) -> Floats:
    """What every figure (S,) is for people; NaN where that is no number."""
    return np.array([NULLS.get(better.get(each.metric, ""), np.nan) for each in scores], dtype=float)


def _p_values(
    scores: Sequence[Score], better: Mapping[str, str], drawn: Floats, nulls: Floats, scheme: Scheme | None
) -> Floats:
    """Bootstrap p-values (S,) that a figure is what it is for people; NaN where that is no number.

    Where chance alone keeps a figure of samples above 0 (distances over sparse structures), 0 is no hypothesis.
    """
    from simbench.stats.intervals import bootstrap_p

    chance = [better.get(each.metric) == "lower" and each.bias == "sample" for each in scores]
    tested = np.isfinite(nulls) & ~np.array(chance, dtype=bool)
    tested &= np.array([each.interval is None for each in scores], dtype=bool)
    result = np.full(len(scores), np.nan)
    if len(drawn) > 1 and tested.any():
        units, pools = (0, 1) if scheme is None else (scheme.size, len(scheme.pools))
        result[tested] = bootstrap_p(drawn[:, tested] - nulls[tested], units=units, pools=pools)
    return result


def with_corrections(frame: pd.DataFrame) -> pd.DataFrame:
    """Holm's and Benjamini and Hochberg's p-values over all subgroup rows of one figure."""
    from simbench.stats.intervals import benjamini_hochberg, holm

    frame["p_holm"], frame["p_bh"] = np.nan, np.nan
    inside = frame[frame["subgroup"].notna()]
    for _, rows in inside.groupby(["metric", "item"], dropna=False):
        p = rows["p"].to_numpy(dtype=float)
        frame.loc[rows.index, "p_holm"] = holm(p)
        frame.loc[rows.index, "p_bh"] = benjamini_hochberg(p)
    return frame
