"""A pool of what the pilot's table says by itself and of what a model says of the same people.

The base is the pilot's frequencies; what departs from them is believed as far as it foretold the pilot's own
people, out of fold. That is what the table says of somebody with these answers and this profile (``resample``, the
people of the pilot who answered alike, and ``tabular``), and every *voice* of a model (its calibrated option
probabilities, a head on its hidden states). The pool of each item is log-linear, see :mod:`simbench.stats.pooling`;
its weights say how much the language model adds to what the pilot's table already says. What is here is for any
backend that knows option probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.backends.base import Model, Workspace
from simbench.backends.logits import all_options, folds_of, offered
from simbench.backends.resample import Copies
from simbench.backends.tabular import Tabular, TabularConfig, chances_of
from simbench.design import Item, Value
from simbench.errors import ConfigError
from simbench.interview import Interview, Transcript
from simbench.stats.pooling import Stack, Weights, fit_weights, pooled
from simbench.stats.rng import generator

__all__ = ["TOO_SMALL", "Blend", "Voices", "answers_of", "check_offered", "pilot_folds", "table_out_of_fold"]

Voices = Mapping[str, Sequence[Floats]]
"""By name: per item the probabilities (n, K) of all its options, 0 for those that a person is not offered."""

TABLE = ("resample", "tabular")
FOLDS = 5
COMMON, OWN = 20.0, 100.0
SEEN = 0.5  # made-up people per option
LEAST = 1e-6  # chance of an option that a member never heard of
TOO_SMALL = f"cross-validation takes {2 * FOLDS} transcripts of {FOLDS} people or more"


def pilot_folds(pilot: Sequence[Transcript], seed: int) -> NDArray[np.int64]:
    """Which fold (n,) each transcript of a pilot is in, humans whole; all 0 where it is :data:`TOO_SMALL`."""
    humans = len({each.interview.human for each in pilot})
    if humans < FOLDS or len(pilot) < 2 * FOLDS:
        return np.zeros(len(pilot), dtype=np.int64)
    return folds_of(pilot, FOLDS, generator(seed, "blend", "folds"))


def answers_of(pilot: Sequence[Transcript]) -> tuple[list[Item], list[NDArray[np.int64]]]:
    """The items with all their options, and what the pilot answered (n,) by position among these."""
    items = all_options([each.interview.items for each in pilot])
    return items, [np.array([item.code(each.answers[item.name]) for each in pilot]) for item in items]


def check_offered(pilot: Sequence[Transcript], interviews: Sequence[Interview], setting: str, others: str) -> None:
    """ConfigError where people are to be asked what nobody in the pilot was; ``others`` of ``setting`` could be."""
    known = {item.name: set(item.values) for item in answers_of(pilot)[0]}
    for interview in interviews:
        for item in interview.items:
            labelled = zip(item.values, item.labels, strict=True)
            if new := [label for value, label in labelled if value not in known.get(item.name, ())]:
                raise ConfigError(
                    f"{setting} learns every item's options from the pilot, and nobody in it was offered "
                    f"{', '.join(map(repr, new[:3]))} of item {item.name!r}, as participant "
                    f"{interview.participant_id!r} is; draw the pilot from all treatment groups, or use "
                    f"backend.adapt={others}"
                )


@dataclass(frozen=True, eq=False)
class Blend:
    """A fitted pool. ``known`` is plain data, for a model's handle:

    ``items`` (per item ``values``, ``counts`` of the pilot, and by member ``weights`` and ``deviations``),
    ``members``, ``tabular`` (a handle), ``rows`` (the pilot's answers), ``pilot`` and ``folds`` (how many people and
    folds), ``gain``: bits per answer by which the pool beats the pool of the table alone on the pilot's own people,
    out of fold, with a 95 % interval. ``copies`` is worked out on the way.
    """

    known: Mapping[str, Any]
    copies: dict[tuple[Item, ...], Copies] = field(default_factory=dict)

    @classmethod
    def fit(cls, pilot: Sequence[Transcript], voices: Voices, workspace: Workspace) -> Blend:
        """Learn the weights. ``voices`` must be out of fold, by :func:`pilot_folds` with the workspace's seed."""
        items, codes = answers_of(pilot)
        folds, names = pilot_folds(pilot, workspace.seed), [*TABLE, *voices]
        table = Tabular(TabularConfig())
        whole = table.adapt(pilot, workspace)
        known: dict[str, Any] = {"members": names, "pilot": len(pilot), "folds": int(folds.max()) + 1}
        known |= {"tabular": whole.to_json(), "rows": [dict(each.answers) for each in pilot], "gain": None}
        counts = [np.bincount(own, minlength=len(item.values)) for item, own in zip(items, codes, strict=True)]
        weights = Weights(*np.zeros((2, len(items), len(names))))
        if folds.any():
            members = [*table_out_of_fold(pilot, folds, workspace), *voices.values()]
            stacks = _stacks(pilot, items, codes, folds, members)
            weights = fit_weights(stacks, COMMON, OWN)
            known["gain"] = _gain(stacks, folds, [each.interview.human for each in pilot])
        known["items"] = {
            item.name: {
                "values": list(item.values),
                "counts": counts[at].tolist(),
                "weights": dict(zip(names, weights.value[at].tolist(), strict=True)),
                "deviations": dict(zip(names, weights.deviation[at].tolist(), strict=True)),
            }
            for at, item in enumerate(items)
        }
        return cls(known)

    def chances(
        self,
        position: int,
        interviews: Sequence[Interview],
        answers: Mapping[str, Sequence[Value]],
        voices: Mapping[str, Floats],
    ) -> Floats:
        """Probabilities (n, K) of all options of an item, 0 where not offered.

        ``answers`` are those to the items before, ``voices`` the forecasts (n, K) of this item.
        """
        name = interviews[0].items[position].name
        known = self.known["items"][name]
        offers = np.array([[float(v in each.items[position].values) for v in known["values"]] for each in interviews])
        base = _base(np.array(known["counts"]), offers)
        table = Model.from_json(self.known["tabular"])
        given = {"tabular": chances_of(table, name, interviews, answers), **voices}
        for each in interviews:
            if each.items not in self.copies:
                self.copies[each.items] = Copies.of(self.known["rows"], each.items)
        given["resample"] = _alike(self.copies, position, interviews, answers, known["values"])
        others = np.stack([_forecast(given[member], offers) for member in self.known["members"]])
        return pooled(base, others, np.array([known["weights"][member] for member in self.known["members"]]))

    def in_words(self) -> str:
        """How much the model adds to what the pilot's table already says."""
        gain = self.known["gain"]
        if gain is None:
            return (
                f"a pilot of {self.known['pilot']} is too small to tell what the model adds to its frequencies: "
                f"these alone are used ({TOO_SMALL})"
            )
        adds = "adds" if gain["low"] > 0 else "is not shown to add anything" if gain["high"] > 0 else "does not add"
        return (
            f"to what the pilot's table says the model {adds}: {gain['bits']:+.3f} bits per answer in the pilot, out "
            f"of fold (95 % {gain['low']:+.3f} to {gain['high']:+.3f}); mean weights "
            + ", ".join(f"{member} {self._mean(member):.2f}" for member in self.known["members"])
        )

    def _mean(self, member: str) -> float:
        return float(np.mean([each["weights"][member] for each in self.known["items"].values()]))


def _base(counts: NDArray[Any], offers: Floats) -> Floats:
    """The pilot's shares with half a person added to every option, of those that are offered (n, K)."""
    return _shared((counts + SEEN) * offers)


def _forecast(table: Floats, offers: Floats) -> Floats:
    """A member's probabilities (n, K) of the options that are offered, none of them impossible."""
    return _shared(np.maximum(table, LEAST) * offers)


def _shared(table: Floats) -> Floats:
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _alike(
    copies: dict[tuple[Item, ...], Copies],
    position: int,
    interviews: Sequence[Interview],
    answers: Mapping[str, Sequence[Value]],
    values: Sequence[Value],
) -> Floats:
    """What the pilot's people who answered alike so far say of an item: (n, K) of all its options."""
    table = np.zeros((len(interviews), len(values)))
    for at, interview in enumerate(interviews):
        before = tuple(answers[item.name][at] for item in interview.items[:position])
        columns = [values.index(value) for value in interview.items[position].values]
        table[at, columns] = copies[interview.items].after(before)
    return table


def table_out_of_fold(
    pilot: Sequence[Transcript], folds: NDArray[np.int64], workspace: Workspace
) -> tuple[list[Floats], list[Floats]]:
    """For ``resample`` and for ``tabular``: per item probabilities (n, K), learned from the other folds."""
    items, _ = answers_of(pilot)
    table = Tabular(TabularConfig())
    alike, found = ([np.zeros((len(pilot), len(item.values))) for item in items] for _ in TABLE)
    for number in np.unique(folds):
        out = [int(row) for row in np.flatnonzero(folds == number)]
        learned = [each for each, fold in zip(pilot, folds, strict=True) if fold != number]
        model = table.adapt(learned, workspace)
        asked = [pilot[row].interview for row in out]
        copies = {each.items: Copies.of([one.answers for one in learned], each.items) for each in asked}
        answers = {item.name: [pilot[row].answers[item.name] for row in out] for item in items}
        for at, item in enumerate(items):
            known = model.parameters["items"][item.name]["values"]
            columns = [item.values.index(value) for value in known]
            found[at][np.array(out)[:, None], columns] = chances_of(model, item.name, asked, answers)
            alike[at][out] = _alike(copies, at, asked, answers, item.values)
    return alike, found


def _stacks(
    pilot: Sequence[Transcript],
    items: Sequence[Item],
    codes: Sequence[NDArray[np.int64]],
    folds: NDArray[np.int64],
    members: Sequence[Sequence[Floats]],
) -> list[Stack]:
    """What is stacked: per item the frequencies of the other folds, and every member out of fold."""
    interviews = [each.interview for each in pilot]
    made = []
    for at, (item, own) in enumerate(zip(items, codes, strict=True)):
        offers = offered(item, at, interviews)
        counts = np.stack([np.bincount(own[folds != fold], minlength=len(item.values)) for fold in folds])
        made.append(Stack(_base(counts, offers), np.stack([_forecast(each[at], offers) for each in members]), own))
    return made


def _gain(stacks: Sequence[Stack], folds: NDArray[np.int64], humans: Sequence[str]) -> dict[str, float]:
    """Bits per answer by which the pool beats the pool of the table alone; weights are out of fold, too.

    The interval is Student's, over people; that another pilot would have taught other weights is not in it.
    """
    from scipy.special import stdtrit

    bits = [np.zeros(len(folds)), np.zeros(len(folds))]
    for number in np.unique(folds):
        out = folds == number
        for told, kept in zip(bits, (slice(len(TABLE)), slice(None)), strict=True):
            some = [Stack(each.base, each.others[kept], each.chosen) for each in stacks]
            weights = fit_weights([each.rows(~out) for each in some], COMMON, OWN)
            for each, weight in zip(some, weights.value, strict=True):
                one = each.rows(out)
                table = pooled(one.base, one.others, weight)
                told[out] += np.log2(table[np.arange(len(table)), one.chosen]) / len(stacks)
    gains = bits[1] - bits[0]
    of_human = [gains[np.array(humans) == human].mean() for human in dict.fromkeys(humans)]
    mean, people = float(np.mean(of_human)), len(of_human)
    half = float(stdtrit(people - 1, 0.975) * np.std(of_human, ddof=1) / np.sqrt(people))
    return {"bits": mean, "low": mean - half, "high": mean + half}
