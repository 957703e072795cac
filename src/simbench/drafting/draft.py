"""A draft of a study from a table: read, guessed, written, and tried before it is handed out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.drafting.columns import look, names_for
from simbench.drafting.guess import guessed
from simbench.drafting.raw import Raw, read_raw
from simbench.drafting.roles import ITEMS, Guess
from simbench.drafting.write import yaml_of
from simbench.errors import ConfigError, SimbenchError, StorageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Draft", "guess_study", "write_study"]


@dataclass(frozen=True, eq=False)
class Draft:
    """What is guessed of a table, before anything is written.

    ``frame`` is the table; ``changed`` says that it is not what stands in the file at ``path``.
    """

    path: Path
    frame: pd.DataFrame
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...]
    changed: bool


def guess_study(path: Path, told: Mapping[str, str] | None = None, raw: Raw | None = None) -> Draft:
    """Look at a table and guess. ``told``: roles (one of ``ROLES``) of columns that the user knows.

    Raises ConfigError or DataError for a table that cannot be read, or of which nothing can be asked.
    """
    raw = raw or read_raw(path)
    sources = [str(name) for name in raw.frame.columns]
    frame = raw.frame.set_axis(sources, axis=1)
    names = names_for(sources)
    columns = [
        look(each, names[each], frame[each], raw.labels.get(each, ""), raw.words.get(each)) for each in sources
    ]
    guesses = guessed(frame, columns, raw.meta, told or {})
    if not any(each.role in ITEMS for each in guesses):
        raise ConfigError(
            f"{path}: no column looks like something people were asked; name some with --attitudes or --decisions"
        )
    frame, notes = _without_unassigned(frame, guesses)
    changed = (
        raw.changed
        or len(notes) > 0
        or "participant_id" in [each.column.source for each in guesses if each.role == "person"]
    )
    return Draft(path, frame, tuple(guesses), (*raw.notes, *notes), changed)


def _without_unassigned(frame: pd.DataFrame, guesses: list[Guess]) -> tuple[pd.DataFrame, list[str]]:
    """The rows of people whose treatment is known."""
    keep = frame.iloc[:, 0].map(lambda _: True).astype(bool)
    for each in (each for each in guesses if each.role == "arm"):
        known = frame[each.column.source].map(lambda cell: cell == cell and cell is not None and cell != "")
        lost = frame[each.column.source].astype(str).isin(each.column.missing)
        keep &= known.astype(bool) & ~lost
    if keep.all():
        return frame, []
    return frame[keep].reset_index(drop=True), [f"{int((~keep).sum())} rows without a treatment are left out"]


def write_study(draft: Draft, file: Path, name: str = "") -> list[Path]:
    """Write the YAML file, and a table beside it where the raw one cannot be read as it is; returns what was written.

    The draft is read back and tried on its people: what cannot be run is not written. Raises StorageError where a
    file cannot be written.
    """
    name = name or re.sub(r"\W+", "_", draft.path.stem).strip("_") or "study"
    written = []
    data = draft.path
    if draft.changed:
        data = file.with_name(f"{file.stem}_people.csv")
        _written(
            data, draft.frame.rename(columns={"participant_id": "person"}).to_csv(index=False, lineterminator="\n")
        )
        written.append(data)
    relative = os.path.relpath(data.absolute(), file.parent.absolute())
    _written(file, yaml_of(name, relative, str(file), _renamed(draft)))
    try:
        _tried(file)
    except SimbenchError:
        for each in (file, *written):
            each.unlink(missing_ok=True)
        raise
    return [file, *written]


def _renamed(draft: Draft) -> list[Guess]:
    """The guesses, with a column of people that is called like our ids under another name."""
    from dataclasses import replace

    if not draft.changed:
        return list(draft.guesses)
    return [
        replace(each, column=replace(each.column, source="person", name="person"))
        if each.column.source == "participant_id" and each.role == "person" else each
        for each in draft.guesses
    ]  # fmt: skip


def _written(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error


def _tried(file: Path) -> None:
    """Load the people of a draft, and try its regressions."""
    from simbench.experiments.declared import DeclaredConfig, DeclaredExperiment
    from simbench.metrics.trial import refuse_unfit

    refuse_unfit(DeclaredExperiment(DeclaredConfig(file=str(file))).people())
