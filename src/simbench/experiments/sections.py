"""Reading a YAML file that a person wrote: sections with known keys, and every fault named at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeVar

from simbench.design import Value
from simbench.errors import ConfigError, closest
from simbench.experiments.files import regular_file

__all__ = ["Section", "kind_of", "number_of", "read_yaml", "words"]

LARGEST_FILE, MOST_LEVELS, MOST_VALUES = 2**18, 20, 20_000
LARGEST_NUMBER, MOST_WORDS, LONGEST_LINE = 10**15, 1000, 500

T = TypeVar("T")

KINDS = {
    str: "text",
    dict: "a mapping",
    list: "a list",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def read_yaml(path: Path, setting: str) -> dict[Any, Any]:
    """The mapping in a YAML file. Raises ConfigError, in one line, for whatever is wrong with it.

    Repeated keys are a fault; so are merge keys, and more than a person would write: a file above 256 kB,
    more than 20 levels, more than 20,000 values (those that aliases repeat included).
    """
    import yaml

    try:
        text = regular_file(path, setting, LARGEST_FILE).read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is not None:
            _check_nodes(root)
        content = None if root is None else loader.construct_document(root)
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {str(path)!r}: {error.strerror or error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        words = f"{error.problem or error.context}{place}".replace("\n", " ")
        raise ConfigError(f"{setting}: {str(path)!r} is not readable YAML: {words}") from error
    except RecursionError:
        raise ConfigError(f"{setting}: {str(path)!r} is not readable YAML: it is too deeply nested") from None
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:  # undecodable text and impossible dates among them
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{setting}: {str(path)!r} is not readable YAML: {words}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{setting}: {str(path)!r}: expected a mapping of keys, found {kind_of(content)}")
    return content


def _check_nodes(root: Any) -> None:
    """Refuse repeated keys, of which YAML takes the last without a word, and what aliases blow up."""
    import yaml

    def fault(words: str, node: Any) -> yaml.constructor.ConstructorError:
        return yaml.constructor.ConstructorError(None, None, words, node.start_mark)

    level, values = [root], 0
    for _ in range(MOST_LEVELS):
        values += len(level)
        if values > MOST_VALUES:
            raise fault(f"it holds more than {MOST_VALUES} values", root)
        following = []
        for node in level:
            if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int" and len(node.value) > 40:
                raise fault(f"a whole number of {len(node.value)} digits", node)
            if isinstance(node, yaml.SequenceNode):
                following += node.value
            elif isinstance(node, yaml.MappingNode):
                keys = Counter((key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
                for (tag, key), times in keys.items():
                    if times > 1:
                        raise fault(f"the key {key!r} stands there twice", node)
                    if tag == "tag:yaml.org,2002:merge":
                        raise fault("merge keys ('<<') are not read; write the keys out", node)
                following += [part for pair in node.value for part in pair]
        level = following
    if level:
        raise fault(f"it nests more than {MOST_LEVELS} deep", level[0])


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
        line = f"{place}: {what}"
        self.problems.append(line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}...")

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of a key, of the expected kind; the default where it is absent, a fault where none is."""
        self.taken.add(key)
        found = self.content.get(key)
        if found is None:
            if default is None:
                self.note(key, f"expected {KINDS[kind]}, found nothing")
            return kind() if default is None else default
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            self.note(key, f"expected {KINDS[kind]}, found {kind_of(found)}")
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
            elif iskeyword(name):
                self.note(key, f"{name!r} is a word of the language of formulas; call it otherwise")
            if not isinstance(content, dict | None):
                self.note(f"{key}.{name}", f"expected a mapping, found {kind_of(content)}")
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

    YAML reads a bare ``yes``, ``no``, ``on`` or ``off`` as true or false, which is no value here. A number with
    a fraction is the name of what it spells, and where one value is a name all are.
    """
    if content is None:
        return {}
    if not isinstance(content, dict | list):
        section.note(key, f"expected a list of values, or a mapping of values to words, found {kind_of(content)}")
        return {}
    if len(content) > MOST_WORDS:
        section.note(key, f"expected at most {MOST_WORDS} of them, found {len(content)}")
        return {}
    found: dict[Value, str] = {}
    for value, label in content.items() if isinstance(content, dict) else [(each, each) for each in content]:
        plain = [_word(section, key, part) for part in ([value] if value is label else [value, label])]
        if plain[0] is None or plain[-1] is None:
            continue
        if str(plain[0]) in {str(each) for each in found}:
            section.note(key, f"{plain[0]!r} stands there twice")
        elif str(plain[-1]).casefold() in {each.casefold() for each in found.values()}:
            section.note(key, f"two of them are called {str(plain[-1])!r}")
        else:
            found[plain[0]] = str(plain[-1])
    if len({isinstance(value, str) for value in found}) > 1:
        return {str(value): label for value, label in found.items()}
    return found


def _word(section: Section, key: str, part: Any) -> Value | None:
    """A value or a label; None, and a fault, where it can be neither."""
    if isinstance(part, bool):
        section.note(key, f"expected text or a number, found {part}; put yes and no in quotes")
    elif isinstance(part, str):
        return part
    elif number_of(part) is None:
        section.note(key, f"expected text or a number, found {kind_of(part)}")
    else:
        return int(part) if float(part).is_integer() else str(part)
    return None


def number_of(found: Any) -> int | float | None:
    """A number of the file that can be computed with: finite, and of at most 15 digits before the point."""
    if not isinstance(found, int | float) or isinstance(found, bool):
        return None
    return found if abs(found) <= LARGEST_NUMBER else None


def kind_of(found: Any) -> str:
    """What was found, in words."""
    if isinstance(found, int | float) and not isinstance(found, bool) and number_of(found) is None:
        return "a number that is not finite, or beyond 1e+15"
    return "nothing" if found is None else KINDS.get(type(found), type(found).__name__)
