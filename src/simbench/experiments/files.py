"""Files that a user names: found, of a sensible size, and something that can be read."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

from simbench.errors import ConfigError

__all__ = ["regular_file", "user_path"]


def user_path(given: str, setting: str) -> Path:
    """The path that a user wrote, ``~`` included. Raises ConfigError for one that cannot be."""
    try:
        path = Path(given).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{setting}: {given!r}: {str(error).rstrip('.').lower()}") from None
    if "\0" in given:
        raise ConfigError(f"{setting}: {given!r} is no path")
    return path


def regular_file(path: Path, setting: str, most: int) -> Path:
    """The path, if it leads to a plain file of at most ``most`` bytes: no folder, pipe or device.

    Raises OSError where there is nothing, ConfigError for all else.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise ConfigError(
            f"{setting}: expected a file, found {'a folder' if path.is_dir() else 'no plain file'}: {path}"
        )
    if found.st_size > most:
        raise ConfigError(f"{setting}: {str(path)!r} has {found.st_size:,} bytes; expected at most {most:,}")
    return path
