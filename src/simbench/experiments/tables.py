"""Reading a table that a user names: whatever is wrong with the file becomes one clear error."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import ConfigError, DataError, Problem
from simbench.experiments.files import regular_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Layout", "read_table"]

LARGEST_FILE = 2**30
R = (".rda", ".rdata", ".rds")
SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".xlsx", ".sav", ".dta", *R)


@dataclass(frozen=True)
class Layout:
    """How a table is written down, where its file does not say so itself.

    ``separator`` and ``encoding`` are of text files (empty: found out), ``sheet`` is one of an Excel workbook
    (empty: the first).
    """

    separator: str = ""
    encoding: str = ""
    sheet: str = ""


def read_table(path: Path, setting: str, text: Collection[str] = (), layout: Layout | None = None) -> pd.DataFrame:
    """The table in a CSV, TSV, Parquet, Excel, SPSS, Stata or R file.

    ``setting`` is what the user set to name the file, for the message. Columns named in ``text`` are kept as
    written in text files (ids with leading zeros). Only empty cells, ``NA`` and ``NaN`` count as missing: a
    level may well be called ``None``. Raises ConfigError for a file that cannot be opened or read, or that
    unpacks to more than 50 million cells or 1 GB; DataError for an empty one, for rows that do not fit the
    header, and for column names that occur twice. No library's warning reaches the screen.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{setting}: expected a file that ends in {', '.join(SUFFIXES)}; found {str(path)!r}")
    try:
        if not regular_file(path, setting, LARGEST_FILE).stat().st_size:
            raise DataError(str(path), [Problem("(all)", "a table", "an empty file")])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame: pd.DataFrame = _read(path, suffix, setting, text, layout or Layout())
    except OSError as error:
        raise ConfigError(
            f"{setting}: cannot read {str(path)!r}: {error.strerror or _first_line(error)}. Expected an existing "
            f"{suffix} file."
        ) from error
    except (ValueError, LookupError, ArithmeticError, TypeError, NotImplementedError) as error:
        what = _first_line(error)  # the parsers' own errors, undecodable text and broken Parquet among them
        raise ConfigError(f"{setting}: {str(path)!r} is not a readable {suffix} file: {what}") from error
    twice = [str(name) for name, times in Counter(frame.columns).items() if times > 1]
    if twice:
        raise DataError(str(path), [Problem(name, "this column once", "it twice") for name in twice])
    return frame


def _read(path: Path, suffix: str, setting: str, text: Collection[str], layout: Layout) -> Any:
    if suffix in (".csv", ".tsv"):
        from simbench.experiments.delimited import read_delimited

        return read_delimited(path, layout.separator, layout.encoding, text)
    from simbench.experiments import binaries

    if suffix in (".parquet", ".pq"):
        return binaries.read_parquet(path)
    if suffix == ".xlsx":
        return binaries.read_workbook(path, setting, layout.sheet)
    return binaries.read_r(path, setting) if suffix in R else binaries.read_statistical(path, setting)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
