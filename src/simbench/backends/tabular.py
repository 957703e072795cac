"""The baseline to beat: a regression on profile, treatment and the answers before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simbench.arrays import Floats
from simbench.backends.base import Answer, Backend, Model, Workspace
from simbench.backends.logits import all_options, fit_logit, folds_of, offered, predict_logit
from simbench.design import Item, Value
from simbench.errors import ConfigError
from simbench.interview import Interview, Transcript
from simbench.settings import setting
from simbench.stats.rng import generator

__all__ = ["Tabular", "TabularConfig", "chances_of"]


@dataclass(frozen=True)
class TabularConfig:
    """Settings of ``tabular``."""

    folds: int = setting(5, "folds of the cross-validation that chooses the penalty, per item")

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"backend.folds: expected at least 2; found {self.folds}")


@dataclass(frozen=True)
class _Column:
    """One column of the design: a standardised number, or a level of something without order.

    ``source`` is ``profile``, ``treatment`` or ``answer``. A number that is missing counts as average.
    """

    source: str
    name: str
    level: Value | None = None
    mean: float = 0.0
    spread: float = 1.0


class Tabular(Backend[TabularConfig]):
    """Penalised multinomial logit, item after item, on profile, treatment and the answers before.

    What a statistician would do with the same pilot, and what a language model should beat: it knows no words,
    only numbers. Numeric profile values and answers to ordered items are standardised numbers, everything
    else is one column per level; the ridge penalty of each item is chosen by cross-validation (log loss). A
    pilot of fewer than two people per fold gets the strongest one, so that little more than the pilot's
    frequencies is left. One made-up person who answers uniformly is added to every prediction, so that no
    option is impossible. Gives option probabilities. Needs scikit-learn.
    """

    name = "tabular"
    Config = TabularConfig
    needs_pilot = True

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Fit one logit per item; the handle holds all coefficients."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # the matrices are too small for threads to do anything but wait
            return self._fitted(pilot, workspace)

    def _fitted(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        columns = _profile_columns([each.interview for each in pilot])
        folds = folds_of(pilot, self.config.folds, generator(workspace.seed, "tabular", "folds"))
        fitted = {}
        interviews = [each.interview for each in pilot]
        answers = {item.name: [each.answers[item.name] for each in pilot] for item in interviews[0].items}
        items = all_options([each.items for each in interviews])
        for item in items:
            design = _design(columns, interviews, answers)
            codes = np.array([item.code(value) for value in answers[item.name]])
            fitted[item.name] = fit_logit(design, codes, len(item.values), folds) | {
                "columns": [asdict(column) for column in columns],
                "values": list(item.values),
            }
            columns = [*columns, *_answer_columns(item, answers[item.name])]
        return Model("simbench", "tabular", parameters={"items": fitted, "pilot": len(pilot)})

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Draw every item from its probabilities, given the answers drawn before."""
        if not interviews:
            return
        draws = np.stack([_uniform_draws(workspace, each) for each in interviews])
        answers: dict[str, list[Value]] = {}
        chances: dict[str, Floats] = {}
        for position, item in enumerate(all_options([each.items for each in interviews])):
            table = _chances(model, item, position, interviews, answers)
            reached = table.cumsum(axis=1) > draws[:, position : position + 1]
            codes = np.where(reached.any(axis=1), reached.argmax(axis=1), (table > 0).cumsum(axis=1).argmax(axis=1))
            answers[item.name] = [item.values[code] for code in codes]
            chances[item.name] = table
        for row, (interview, asked) in enumerate(zip(interviews, _as_asked(chances, interviews), strict=True)):
            given = {item.name: answers[item.name][row] for item in interview.items}
            yield Answer(*interview.key, "ok", given, asked)

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """The same probabilities, given the answers that the person really gave before."""
        if not transcripts:
            return
        interviews = [each.interview for each in transcripts]
        items = all_options([each.items for each in interviews])
        answers = {item.name: [each.answers[item.name] for each in transcripts] for item in items}
        chances = {item.name: _chances(model, item, at, interviews, answers) for at, item in enumerate(items)}
        for each, asked in zip(transcripts, _as_asked(chances, interviews), strict=True):
            yield Answer(*each.interview.key, "ok", each.answers, asked)


def chances_of(
    model: Model, name: str, interviews: Sequence[Interview], answers: Mapping[str, Sequence[Value]]
) -> Floats:
    """Probabilities (n, K) of all options that the pilot was offered, given the answers to the items before."""
    known = model.parameters["items"][name]
    columns = [_Column(**column) for column in known["columns"]]
    return predict_logit(known, _design(columns, interviews, answers), model.parameters["pilot"])


def _chances(
    model: Model, item: Item, position: int, interviews: Sequence[Interview], answers: Mapping[str, Sequence[Value]]
) -> Floats:
    """The same (n, K) of the options asked; 0 where not offered."""
    at = {value: code for code, value in enumerate(model.parameters["items"][item.name]["values"])}
    table = chances_of(model, item.name, interviews, answers)
    table = table[:, [at[value] for value in item.values]] * offered(item, position, interviews)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _as_asked(chances: Mapping[str, Floats], interviews: Sequence[Interview]) -> Iterator[dict[str, list[float]]]:
    """Everybody's probabilities, of the options that the person is offered."""
    tables: dict[tuple[Item, ...], dict[str, NDArray[np.int64]]] = {}
    items = all_options([each.items for each in interviews])
    for row, interview in enumerate(interviews):
        if interview.items not in tables:
            tables[interview.items] = {
                item.name: np.array([item.code(value) for value in asked.values])
                for item, asked in zip(items, interview.items, strict=True)
            }
        yield {name: chances[name][row, places].tolist() for name, places in tables[interview.items].items()}


def _uniform_draws(workspace: Workspace, interview: Interview) -> Floats:
    return generator(workspace.seed, "tabular", *interview.key).random(len(interview.items))


def _profile_columns(interviews: Sequence[Interview]) -> list[_Column]:
    """Columns for profile and treatment, as they occur in the pilot."""
    columns: list[_Column] = []
    for source in ("profile", "treatment"):
        names = dict.fromkeys(name for each in interviews for name in getattr(each, source))
        for name in names:
            values = [getattr(each, source)[name] for each in interviews if name in getattr(each, source)]
            numeric = source == "profile" and all(isinstance(value, (int, float, np.number)) for value in values)
            columns += _number(source, name, values) if numeric else _levels(source, name, values)
    conditions = [each.condition for each in interviews]
    return [*columns, *_levels("condition", "condition", conditions)]


def _answer_columns(item: Item, values: Sequence[Value]) -> list[_Column]:
    """Columns by which later items see this one."""
    if item.ordered and all(isinstance(value, int) for value in item.values):
        return _number("answer", item.name, values)
    return _levels("answer", item.name, values)


def _number(source: str, name: str, values: Sequence[Any]) -> list[_Column]:
    numbers = np.array(values, dtype=np.float64)
    spread = float(numbers.std())
    return [_Column(source, name, None, float(numbers.mean()), spread)] if spread > 0 else []


def _levels(source: str, name: str, values: Sequence[Value]) -> list[_Column]:
    levels = sorted(set(values), key=lambda value: (str(type(value)), value))
    return [_Column(source, name, level) for level in levels] if len(levels) > 1 else []


def _design(
    columns: Sequence[_Column], interviews: Sequence[Interview], answers: Mapping[str, Sequence[Value]]
) -> Floats:
    """The design matrix (n, columns)."""
    table = np.zeros((len(interviews), len(columns)))
    for at, column in enumerate(columns):
        values = _values(column, interviews, answers)
        if column.level is not None:
            table[:, at] = [float(value == column.level) for value in values]
        else:
            numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
            table[:, at] = np.nan_to_num((numbers - column.mean) / column.spread)
    return table


def _values(
    column: _Column, interviews: Sequence[Interview], answers: Mapping[str, Sequence[Value]]
) -> Sequence[Any]:
    if column.source == "answer":
        return answers[column.name]
    if column.source == "condition":
        return [each.condition for each in interviews]
    return [getattr(each, column.source).get(column.name) for each in interviews]
