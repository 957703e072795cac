"""How interviews ended, group by group, and which settings were asked for and never sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simbench.harness.responses import AGAIN

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "faults",
    "headline_counts",
    "left_out",
    "outcomes",
    "pilot_size",
    "reasons",
    "troubled",
    "unsent",
    "useless",
]

ALWAYS = ("ok", "invalid", "refused", "failed")
LONGEST_REASON = 300


def outcomes(manifest: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Counts of how interviews ended: the statuses that occur, and one row per group."""
    counts = manifest["outcomes"]
    groups = [("everybody", counts["all"])]
    groups += [(f"treatment {name}", each) for name, each in counts["condition"].items()]
    groups += [(f"{var}: {lev}", each) for var, levels in counts["subgroup"].items() for lev, each in levels.items()]
    statuses = list(dict.fromkeys(["ok", *(status for _, each in groups for status in each)]))
    return statuses, [[name, *(str(each.get(status, 0)) for status in statuses)] for name, each in groups]


def headline_counts(manifest: Mapping[str, Any]) -> str:
    """Everybody's outcomes in a line: the four headline ones always, others where they occur."""
    counts = {**dict.fromkeys(ALWAYS, 0), **manifest["outcomes"]["all"]}
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def troubled(manifest: Mapping[str, Any]) -> bool:
    """Whether any interview ended otherwise than ok."""
    return set(manifest["outcomes"]["all"]) != {"ok"}


def reasons(responses: pd.DataFrame) -> list[str]:
    """Why interviews ended otherwise than ok: the commonest reason of every status, in a line each."""
    found = []
    for status, rows in responses[responses["status"] != "ok"].groupby("status", sort=True):
        counted = rows["error"].dropna().value_counts()
        if len(counted):
            words = " ".join(str(counted.index[0]).split())
            shown = words if len(words) <= LONGEST_REASON else f"{words[:LONGEST_REASON]} ..."
            found.append(f"{status}, most often ({counted.iloc[0]} of {len(rows)}): {shown}")
    return found


def useless(manifest: Mapping[str, Any]) -> str | None:
    """That nobody's answers can be used, in words; None where somebody's can."""
    counts = manifest["outcomes"]["all"]
    if counts.get("ok"):
        return None
    again = ", or retry_failed=true asks the failed ones again" if any(counts.get(each) for each in AGAIN) else ""
    return f"no answer can be used ({headline_counts(manifest)}): nothing is measured; mend the cause{again}"


def pilot_size(humans: Mapping[str, Any]) -> str:
    """The pilot's size, and how many of it could be learned from where that is not everybody."""
    drawn, used = humans["n_pilot"], humans.get("n_transcripts", humans["n_pilot"])
    return str(drawn) if used == drawn else f"{drawn} ({used} learned from; {drawn - used} left questions unanswered)"


def left_out(manifest: Mapping[str, Any]) -> list[str]:
    """Whether people were drawn, and how many answered what not all did: simulated answers are of the same ones."""
    humans = manifest["humans"]
    drawn = [words] if (words := humans.get("sample")) else []
    n = humans["n_evaluated"]
    counts = [f"{name} {n - gone}" for name, gone in humans.get("unanswered", {}).items()]
    if not counts:
        return drawn
    return [
        *drawn,
        f"of {n} people those compared, with simulated ones of the same: who answered {', '.join(counts)}",
    ]


def faults(manifest: Mapping[str, Any]) -> list[str]:
    """Metrics that went wrong: one line for each fault. Their figures are missing, with the same reason."""
    return [str(each) for each in manifest.get("metric_faults") or ()]


def unsent(manifest: Mapping[str, Any]) -> list[str]:
    """Settings that were asked for and not sent, since the model does not take them: ``temperature=0.7``."""
    dropped = (manifest.get("backend") or {}).get("dropped") or {}
    return [f"{name}={value}" for name, value in dropped.items()]
