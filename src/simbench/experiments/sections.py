"""Reading a YAML file that a person wrote: sections with known keys, and every fault named at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from simbench.design import Value
from simbench.errors import ConfigError, closest

__all__ = ["Section", "read_yaml", "words"]

T = TypeVar("T")

KINDS = {str: "text", dict: "a mapping", list: "a list", bool: "true or false", int: "a whole number"}


def read_yaml(path: Path, setting: str) -> dict[Any, Any]:
    """The mapping in a YAML file. Raises ConfigError for whatever is wrong with it, repeated keys included."""
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader, which takes the last of several equal keys without a word; this one does not."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            twice = [key for key in keys if keys.count(key) > 1]
            if twice:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {twice[0]!r} stands there twice", node.start_mark
                )
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - derived from the safe one
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {str(path)!r}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{setting}: {str(path)!r} is not readable YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{setting}: {str(path)!r}: expected a mapping of keys, found {_kind(content)}")
    return content


@dataclass
class Section:
    """One mapping of the file; ``problems`` is shared by all sections of a file."""

    content: Mapping[Any, Any]
    where: str
    problems: list[str]
    taken: set[str] = field(default_factory=set)

    def note(self, key: str, what: str) -> None:
        """Write down a fault."""
        place = f"{self.where}.{key}" if self.where else key
        self.problems.append(f"{place}: {what}")

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of a key, of the expected kind; the default where it is absent, a fault where none is."""
        self.taken.add(key)
        found = self.content.get(key)
        if found is None:
            if default is None:
                self.note(key, f"expected {KINDS[kind]}, found nothing")
            return kind() if default is None else default
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.note(key, f"expected {KINDS[kind]}, found {_kind(found)}")
            return kind() if default is None else default
        return found

    def any(self, key: str) -> Any:
        """The value of a key as it stands, None where it is absent."""
        self.taken.add(key)
        return self.content.get(key)

    def sections(self, key: str, required: bool = False) -> dict[str, Section]:
        """The named sections under a key; an empty one may be left blank."""
        found = self.take(key, dict, None if required else {})
        for name, content in found.items():
            if not isinstance(name, str) or not name.isidentifier():
                self.note(key, f"expected names of letters, digits and '_', found {name!r}")
            if not isinstance(content, dict | None):
                self.note(f"{key}.{name}", f"expected a mapping, found {_kind(content)}")
        place = f"{self.where}.{key}" if self.where else key
        return {
            str(name): Section(content if isinstance(content, dict) else {}, f"{place}.{name}", self.problems)
            for name, content in found.items()
        }

    def done(self) -> None:
        """Write down every key that nobody asked for."""
        for key in self.content:
            if key not in self.taken:
                self.note(str(key), f"there is no such key{closest(str(key), self.taken)}")


def words(section: Section, key: str, content: Any) -> dict[Value, str]:
    """``{value: words}`` from a list of values or a mapping; faults are written down.

    YAML reads a bare ``yes``, ``no``, ``on`` or ``off`` as true or false, which is no value here.
    """
    pairs = content.items() if isinstance(content, dict) else [(each, each) for each in content or ()]
    for value, label in pairs:
        for part in (value, label):
            if isinstance(part, bool):
                section.note(key, f"expected text or a whole number, found {part}; put yes and no in quotes")
            elif not isinstance(part, str | int):
                section.note(key, f"expected text or a whole number, found {_kind(part)} {part!r}")
    return {value: str(label) for value, label in pairs if isinstance(value, str | int)}


def _kind(found: Any) -> str:
    return "nothing" if found is None else KINDS.get(type(found), type(found).__name__)
