"""Tables in text files: comma, semicolon or tab between the cells.

Every row must have as many cells as the header. A column is one of numbers where every cell that is not missing
spells one; anything else is text and stays as written, dates and ``TRUE`` included.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.design.numbers import as_number
from simbench.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "read_delimited"]

MISSING = ("", "NA", "NaN")
DEFAULT = {".csv": ",", ".tsv": "\t"}
SEPARATORS = (";", "\t", ",", "|")
MARK = "\ufeff"
MOST_SHOWN = 10


def read_delimited(path: Path, separator: str, encoding: str, text: Collection[str]) -> pd.DataFrame:
    """The table. Raises DataError for rows that do not fit the header, ValueError for all else that is wrong.

    With no ``separator`` it is the comma, or in a ``.tsv`` file the tab; if the header then is a single cell,
    whichever of ``; tab , |`` splits it. With semicolons, a decimal comma is read as a point. With no ``encoding`` it
    is UTF-8, or UTF-16 where the file begins so; byte-order marks are dropped.
    """
    import pandas as pd

    content = _decoded(path.read_bytes(), encoding)
    separator = separator or _separator(content, DEFAULT[path.suffix.lower()])
    rows = _rows(content, separator)
    header = next(rows, None)
    if header is None:
        raise DataError(str(path), [Problem("(all)", "a table", "an empty file")])
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise DataError(str(path), [Problem(name, "this column once", "it twice") for name in twice])
    cells = list(rows)
    _check_widths(str(path), header, cells)
    columns = zip(*cells) if cells else ((),) * len(header)
    comma = separator == ";"
    return pd.DataFrame(
        {name: _column(column, name in text, comma) for name, column in zip(header, columns, strict=True)}
    )


def _decoded(raw: bytes, encoding: str) -> str:
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        content = raw.decode(encoding or ("utf-16" if wide else "utf-8")).lstrip(MARK)
    except LookupError:
        raise ValueError(f"there is no encoding {encoding!r}; try utf-8, windows-1252 or latin-1") from None
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        hint = "save it as UTF-8, or name its encoding, such as 'encoding: windows-1252' in the YAML file"
        raise ValueError(f"line {line} is not {error.encoding}; {hint}") from None
    if "\0" in content:
        raise ValueError(f"line {content[: content.index(chr(0))].count(chr(10)) + 1} holds a zero byte")
    return content


def _separator(content: str, default: str) -> str:
    first = next((line for line in content.splitlines() if line.strip()), "")
    if len(next(_rows(first, default), [])) > 1:
        return default
    counts = {each: len(next(_rows(first, each), [])) for each in SEPARATORS}
    best = max(counts, key=lambda each: counts[each])
    return best if counts[best] > 1 else default


def _rows(content: str, separator: str) -> Any:
    """The rows as lists of cells; blank lines are none."""
    reader = csv.reader(StringIO(content, newline=""), delimiter=separator, strict=True)
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


def _check_widths(source: str, header: list[str], rows: list[list[str]]) -> None:
    """Refuse rows with more or fewer cells than the header: cells would be lost, or stand in another's column."""
    wide = len(header)
    if rows and all(len(row) == wide + 1 for row in rows):
        expected = f"{wide} cells, as in the header; write the table without row names (row.names = FALSE)"
        raise DataError(source, [Problem("(all)", expected, f"{wide + 1} in every row")])
    wrong = [(number, len(row)) for number, row in enumerate(rows, start=1) if len(row) != wide]
    problems = [
        Problem("(all)", f"{wide} cells, as in the header", str(found), str(number))
        for number, found in wrong[:MOST_SHOWN]
    ]
    if len(wrong) > MOST_SHOWN:
        problems.append(Problem("(all)", f"{wide} cells", f"{len(wrong) - MOST_SHOWN} more such rows"))
    if problems:
        raise DataError(source, problems)


def _column(cells: tuple[str, ...], text: bool, comma: bool) -> pd.Series:
    import pandas as pd

    missing = dict.fromkeys(MISSING)
    if not text:
        spelled = {cell: as_number(cell.replace(",", ".") if comma else cell) for cell in set(cells) - {*MISSING}}
        if all(number == number for number in spelled.values()):  # NaN is unlike itself
            numbers = pd.Series([spelled.get(cell, float("nan")) for cell in cells], dtype=float)
            whole = spelled and numbers.notna().all() and all(cell.strip().lstrip("+-").isdigit() for cell in spelled)
            return numbers.astype("int64") if whole else numbers
    return pd.Series([missing.get(cell, cell) for cell in cells], dtype="str" if cells else object)
