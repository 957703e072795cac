"""Tables in binary files: Parquet, Excel workbooks, SPSS, Stata and R files. What they unpack to is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from simbench.design import Value
from simbench.errors import ConfigError, DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_BYTES", "MOST_CELLS", "read_labels", "read_parquet", "read_r", "read_statistical", "read_workbook"]

MOST_CELLS = 50_000_000
MOST_LABELS = 1000
MOST_BYTES = 2**30
LARGEST_SHEET = 2**28


def read_parquet(path: Path) -> pd.DataFrame:
    """The table in a Parquet file. Raises ValueError, before unpacking it, for more than the stated bounds.

    Texts are kept as a dictionary until their whole length is known, so that a small file that repeats a long
    text a million times does not fill the memory first.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    about = file.metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    cells = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    _refuse_more(max(cells, about.num_rows * about.num_columns), MOST_CELLS, "cells")
    _refuse_more(sum(group.total_byte_size for group in groups), MOST_BYTES, "bytes")
    nested = [each.name for each in file.schema_arrow if pa.types.is_nested(each.type)]
    if nested:
        raise ValueError(f"column {nested[0]!r} holds lists or structures; expected one value in every cell")
    kinds = {each.name: _plain_kind(each.type) for each in file.schema_arrow}
    texts = [name for name, kind in kinds.items() if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)]
    file.close()
    table = pq.read_table(path, read_dictionary=texts, partitioning=None)
    length = table.nbytes
    for name in texts:
        for chunk in table[name].chunks:
            sizes = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            length += pc.sum(pc.take(sizes, chunk.indices)).as_py() or 0
    _refuse_more(length, MOST_BYTES, "bytes")
    plain = pa.schema([pa.field(name, kinds[name]) for name in table.column_names])
    table = table.replace_schema_metadata(None).cast(plain)
    table.validate(full=True)  # else text that is no UTF-8 fails where it is first looked at
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _plain_kind(kind: Any) -> Any:
    """The Arrow type that a column is read as: of categories, that of their values."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary(kind) else kind


def read_workbook(path: Path, setting: str, sheet: str) -> pd.DataFrame:
    """The table on the named sheet of an Excel workbook, else on the first: a header, then rows."""
    import pandas as pd

    openpyxl = _imported("openpyxl", setting, path)
    try:
        rows = _cells(openpyxl, path, sheet)
    except (OSError, ValueError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - what is broken makes zip, XML and openpyxl fail in any way
        raise ValueError(str(error).strip("'") or type(error).__name__) from None
    rows = [row for row in rows if any(cell is not None and cell != "" for cell in row)]
    header = rows[0] if rows else []
    while header and header[-1] is None:
        header.pop()
    if not header:
        raise DataError(str(path), [Problem("(all)", "a table", "an empty sheet")])
    for number, row in enumerate(rows[1:], start=1):
        if any(cell is not None for cell in row[len(header) :]):
            raise DataError(
                str(path), [Problem("(all)", f"{len(header)} cells, as in the header", "more", str(number))]
            )
    names = ["" if name is None else str(name) for name in header]
    body = [[*row[: len(names)], *[None] * (len(names) - len(row))] for row in rows[1:]]
    table = pd.DataFrame(body, dtype=object, columns=range(len(names)))
    return table.infer_objects().set_axis(names, axis=1)


def _cells(openpyxl: Any, path: Path, sheet: str) -> list[list[Any]]:
    """The rows of a workbook's sheet as they stand there."""
    with path.open("rb") as file:  # openpyxl leaves open what it cannot read
        with ZipFile(file) as packed:
            _refuse_more(sum(part.file_size for part in packed.infolist()), LARGEST_SHEET, "bytes")
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        if sheet and sheet not in book.sheetnames:
            raise ValueError(f"there is no sheet {sheet!r}; there are {', '.join(book.sheetnames)}")
        page = book[sheet] if sheet else book.worksheets[0]
        return [list(row) for row in page.iter_rows(values_only=True)]


def read_statistical(path: Path, setting: str) -> pd.DataFrame:
    """The table in an SPSS (.sav) or Stata (.dta) file: its values (for their labels see :func:`read_labels`).

    Values that the file itself declares missing are missing.
    """
    pyreadstat = _imported("pyreadstat", setting, path)
    read = pyreadstat.read_sav if path.suffix.lower() == ".sav" else pyreadstat.read_dta
    try:
        _, about = read(str(path), metadataonly=True)
        _refuse_more((about.number_rows or 0) * about.number_columns, MOST_CELLS, "cells")
        frame: pd.DataFrame = read(str(path), output_format="pandas")[0]
    except (pyreadstat.PyreadstatError, pyreadstat.ReadstatError) as error:
        raise ValueError(str(error)) from None
    return frame


def read_labels(path: Path, setting: str) -> tuple[dict[str, dict[Value, str]], dict[str, set[float]]]:
    """The value labels of a .sav or .dta file, by column and value, and the values that occur in those columns.

    Values that the file declares missing have no label here; neither have those that are no whole numbers.
    """
    frame = read_statistical(path, setting)
    pyreadstat = _imported("pyreadstat", setting, path)
    spss = path.suffix.lower() == ".sav"
    read = pyreadstat.read_sav if spss else pyreadstat.read_dta
    about = read(str(path), metadataonly=True, user_missing=True)[1]
    labels: dict[str, dict[Value, str]] = {}
    for column, words in about.variable_value_labels.items():
        gone = [(each["lo"], each["hi"]) for each in about.missing_ranges.get(column, [])]
        numbers = {
            value: str(word).strip()
            for value, word in words.items()
            if isinstance(value, int | float)
            and float(value).is_integer()
            and not any(isinstance(low, int | float) and low <= value <= high for low, high in gone)
        }
        if numbers and len(numbers) <= MOST_LABELS:
            labels[column] = {int(value): numbers[value] for value in sorted(numbers)}
    occurring = {column: set(frame[column].dropna().unique().tolist()) for column in labels}
    return labels, occurring


def read_r(path: Path, setting: str) -> pd.DataFrame:
    """The data frame in a file of R (.rda, .rdata, .rds): the only one, or the one called like the file.

    Raises ValueError for a file with none, or with several of other names.
    """
    import pandas as pd

    rdata = _imported("rdata", setting, path, "data")
    try:
        found = rdata.conversion.convert(rdata.parser.parse_data(_unpacked(path)))
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - what is broken makes the parser fail in any way
        raise ValueError(str(error) or type(error).__name__) from None
    tables = found if isinstance(found, dict) else {path.stem: found}
    frames = {name: each for name, each in tables.items() if isinstance(each, pd.DataFrame)}
    if len(frames) != 1 and path.stem not in frames:
        raise ValueError(f"expected one data frame; found {', '.join(frames) or 'none'}")
    frame = frames[path.stem] if path.stem in frames else next(iter(frames.values()))
    _refuse_more(frame.size, MOST_CELLS, "cells")
    words = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    return frame.astype(dict.fromkeys(words, object)).reset_index(drop=True)


def _unpacked(path: Path) -> bytes:
    """The content of a file of R, whichever way it is compressed."""
    import bz2
    import gzip
    import lzma

    openers = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
    with path.open("rb") as file:
        start = file.read(6)
    unpack: Any = next((each for mark, each in openers.items() if start.startswith(mark)), open)
    try:
        with unpack(path, "rb") as file:
            content: bytes = file.read(MOST_BYTES + 1)
    except (EOFError, lzma.LZMAError) as error:
        raise ValueError(str(error)) from None
    _refuse_more(len(content), MOST_BYTES, "bytes")
    return content


def _imported(name: str, setting: str, path: Path, extra: str = "files") -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(
            f"{setting}: {str(path)!r} needs {name}: pip install 'simbench-eval[{extra}]', or save the table as CSV"
        ) from None


def _refuse_more(found: int, most: int, what: str) -> None:
    if found > most:
        raise ValueError(f"it unpacks to {found:,} {what}; expected at most {most:,}")
