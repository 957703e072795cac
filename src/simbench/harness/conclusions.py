"""Sentences that follow from scores, for the table, the report and the manifest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["against_the_pilot", "verdicts"]


def against_the_pilot(scores: pd.DataFrame, headline: Sequence[tuple[str, str | None]]) -> list[str]:
    """Say which headline figures are closer to people than copies of the pilot's people are, and which are not.

    Args:
        scores: with the columns of ``scores.parquet``.
        headline: figures (metric, item) to speak of.

    Returns:
        At most three sentences; none where there is no pilot to resample.
    """
    found: dict[str, list[str]] = {"closer": [], "same": [], "further": []}
    whole = scores[scores["subgroup"].isna()] if "resample_margin" in scores else scores.iloc[:0]
    for metric, item in headline:
        same = (whole["metric"] == metric) & (whole["item"].isna() if item is None else whole["item"] == item)
        for row in whole[same].to_dict("records"):
            if math.isfinite(row["resample_margin_low"]):
                found[_side(row)].append(_said({str(key): value for key, value in row.items()}))
    sentences = {
        "closer": "closer to people than resampling the pilot: {}.",
        "same": "NOT shown to be closer to people than resampling the pilot: {}.",
        "further": "LESS close to people than resampling the pilot: {}.",
    }
    return [sentences[key].format("; ".join(parts)) for key, parts in found.items() if parts]


def _side(row: dict[Any, Any]) -> str:
    if row["resample_margin_low"] > 0:
        return "closer"
    return "further" if row["resample_margin_high"] < 0 else "same"


def _said(row: dict[str, Any]) -> str:
    name = row["metric"] + (f" ({row['item']})" if isinstance(row["item"], str) else "")
    ends = f"[{row['resample_margin_low']:.3g}, {row['resample_margin_high']:.3g}]"
    return f"{name} {row['value']:.3g} against {row['resample']:.3g}, margin {row['resample_margin']:.3g} {ends}"


def verdicts(scores: pd.DataFrame) -> dict[str, str]:
    """The verdict by purpose in words: what it is, then the numbers and thresholds behind it."""
    rows = scores[scores["metric"] == "verdict"]
    return dict(zip(rows["item"].astype(str), rows["reason"].astype(str), strict=True))
