"""Reading a table for a draft: what its file says beside the cells, and exports of Qualtrics and oTree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.design.numbers import as_number
from simbench.errors import ConfigError
from simbench.experiments.delimited import MISSING
from simbench.experiments.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Raw", "read_raw"]

SETTING = "the table"
IMPORT_ID = re.compile(r'\{\s*"ImportId"')
QUALTRICS_META = re.compile(
    r"StartDate|EndDate|Status|IPAddress|Progress|Duration.*|Finished|RecordedDate|ResponseId|Recipient\w*|ExternalReference"
    r"|Location\w*|DistributionChannel|UserLanguage|Q_\w+|.*_(First|Last) Click|.*_Page Submit|.*_Click Count"
)
OTREE_META = re.compile(
    r"participant\.(_\w+|id_in_session|label|visited|mturk_\w+|time_started\w*|payoff|max_page_index|is_bot)"
    r"|session\.(?!code$).*|(.*\.)?subsession\.(?!round_number$).*|(.*\.)?group\.id_in_subsession"
    r"|(.*\.)?player\.(id_in_group|role|payoff|_\w+)"
)


@dataclass(frozen=True)
class Raw:
    """A table and what is known of it.

    ``labels``: texts of questions; ``words``: what the file calls values; ``meta``: columns that are about the
    interview and not of it, with the reason; ``changed``: the cells are not those of the file, so a draft needs a
    table of its own; ``notes``: what was recognised.
    """

    frame: pd.DataFrame
    labels: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False
    notes: tuple[str, ...] = ()


def read_raw(path: Path) -> Raw:
    """The table. Raises ConfigError or DataError for one that cannot be read, as a run would."""
    if path.suffix.lower() in (".sav", ".dta", ".zsav", ".por"):
        return _labelled(path)
    frame = read_table(path, SETTING)
    if _is_qualtrics(frame):
        return _qualtrics(frame)
    if any(str(name).startswith(("participant.code", "session.code")) for name in frame.columns):
        meta = {name: "oTree's own" for name in map(str, frame.columns) if OTREE_META.fullmatch(name)}
        return Raw(frame, meta=meta, notes=("an export of oTree: a row is a participant, or one in one round",))
    return Raw(frame)


def _labelled(path: Path) -> Raw:
    """SPSS and Stata files: the labels of columns are questions, those of values are words."""
    frame = read_table(path, SETTING)
    try:
        import pyreadstat
    except ImportError:
        raise ConfigError("SPSS and Stata files need pyreadstat: pip install 'simbench-eval[files]'") from None
    read = pyreadstat.read_dta if path.suffix.lower() == ".dta" else pyreadstat.read_sav
    about = read(str(path), metadataonly=True)[1]
    labels = {name: text for name, text in about.column_names_to_labels.items() if text}
    words = {str(name): dict(found) for name, found in about.variable_value_labels.items()}
    return Raw(
        frame, labels, words, notes=(f"labels of {len(labels)} columns and words of {len(words)} are the file's",)
    )


def _is_qualtrics(frame: pd.DataFrame) -> bool:
    """Whether the first rows are the texts of the questions and Qualtrics' own names of them."""
    if len(frame) < 2:
        return False
    return any(IMPORT_ID.match(str(cell)) for cell in [*frame.iloc[1], *frame.iloc[0]])


def _qualtrics(frame: pd.DataFrame) -> Raw:
    """Three header rows; the cells below them are read anew, since a column of numbers began with words."""
    import pandas as pd

    at = 1 if any(IMPORT_ID.match(str(cell)) for cell in frame.iloc[1]) else 0
    labels = {str(name): " ".join(str(text).split()) for name, text in frame.iloc[0].items() if at and text == text}
    body = frame.iloc[at + 1 :].reset_index(drop=True)
    columns = {name: _anew(body[name]) for name in map(str, body.columns)}
    meta = {name: "Qualtrics' own" for name in columns if QUALTRICS_META.fullmatch(name)}
    meta.pop("ResponseId", None)
    table = pd.DataFrame(columns)
    notes = [f"an export of Qualtrics: {at + 1} of its header rows are no participants"]
    for name, wrong in (("Status", ("Survey Preview", "1")), ("Finished", ("False", "FALSE", "0"))):
        if name in table:
            out = table[name].map(lambda cell: str(cell).removesuffix(".0")).isin(wrong)
            if out.any() and not out.all():
                notes.append(f"{int(out.sum())} rows with {name} {wrong[0]!r} are left out")
                table = table[~out].reset_index(drop=True)
    return Raw(table, labels, {}, meta, True, tuple(notes))


def _anew(cells: pd.Series) -> pd.Series:
    """Cells (n,) that stood below words as a column of numbers, where all of them are."""
    import pandas as pd

    texts = [None if cell != cell or cell is None or cell in MISSING else str(cell) for cell in cells]
    numbers = {text: as_number(text) for text in texts if text is not None}
    if all(number == number for number in numbers.values()):
        found = [float("nan") if text is None else numbers[text] for text in texts]
        return pd.Series(found, dtype=float)
    return pd.Series(texts, dtype=object)
