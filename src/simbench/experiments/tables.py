"""Reading a table that a user names: whatever is wrong with the file becomes one clear error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from simbench.errors import ConfigError, DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

MISSING = ("", "NA", "NaN")
PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_table(path: Path, setting: str, text: Collection[str] = ()) -> pd.DataFrame:
    """The table in a CSV, TSV or Parquet file.

    ``setting`` is what the user set to name the file, for the message. Columns named in ``text`` are kept as
    written in CSV files (ids with leading zeros). Only empty cells, ``NA`` and ``NaN`` count as missing: a
    level may well be called ``None``. Raises ConfigError for a file that cannot be opened or read, DataError
    for an empty one and for column names that occur twice.
    """
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix not in (*PARQUET, *DELIMITERS):
        known = ", ".join((*DELIMITERS, *PARQUET))
        raise ConfigError(f"{setting}: expected a file that ends in {known}; found {str(path)!r}")
    empty = DataError(str(path), [Problem("(all)", "a table", "an empty file")])
    try:
        if not path.stat().st_size:
            raise empty
        if suffix in PARQUET:
            return pd.read_parquet(path)
        return _read_text(path, DELIMITERS[suffix], text)
    except OSError as error:
        raise ConfigError(
            f"{setting}: cannot read {str(path)!r}: {error.strerror or error}. Expected an existing CSV or "
            "Parquet file."
        ) from error
    except pd.errors.EmptyDataError:
        raise empty from None
    except ValueError as error:  # the parsers' own errors, undecodable text and broken Parquet among them
        what = str(error).splitlines()[0]
        raise ConfigError(f"{setting}: {str(path)!r} is not a readable {suffix} file: {what}") from error


def _read_text(path: Path, delimiter: str, text: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    header = pd.read_csv(path, sep=delimiter, encoding="utf-8-sig", header=None, nrows=1, dtype=str)
    names = [str(name) for name in header.iloc[0]]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(str(path), [Problem(name, "this column once", "it twice") for name in twice])
    return pd.read_csv(
        path,
        sep=delimiter,
        encoding="utf-8-sig",
        keep_default_na=False,
        na_values=list(MISSING),
        dtype={name: str for name in names if name in text},
        index_col=False,
        low_memory=False,
    )
