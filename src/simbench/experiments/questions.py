"""The questions of a declared experiment: items, batteries, bins, and what is computed from columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simbench.design import Design, Item, Value
from simbench.errors import ConfigError, closest
from simbench.experiments.bins import Bins, Cuts
from simbench.experiments.earlier import Earlier
from simbench.experiments.expressions import Amount
from simbench.experiments.sections import MOST_WORDS, Section, kind_of, number_of, words

__all__ = ["Computed", "check_scores", "expanded", "read_cuts", "read_items", "read_scores"]

MOST_DIGITS = 10
QUOTED = re.compile(r"""('[^']*'|"[^"]*")""")


@dataclass(frozen=True)
class Computed:
    """What stands between the table and the people, by the name of the variable or item.

    ``amounts`` are computed from the table's columns; ``missing`` holds the values, as they are spelled, that stand
    for no answer, those under "" for every column; ``recodes`` the table's values, as they are spelled, and ours;
    ``earlier`` are answers of the person's row before.
    """

    amounts: dict[str, Amount] = field(default_factory=dict)
    missing: dict[str, frozenset[str]] = field(default_factory=dict)
    bins: dict[str, Bins] = field(default_factory=dict)
    cuts: dict[str, Cuts] = field(default_factory=dict)
    recodes: dict[str, dict[str, Value]] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    earlier: dict[str, Earlier] = field(default_factory=dict)

    def take(self, section: Section, name: str) -> None:
        """Read ``from``, ``missing``, ``recode`` and ``round`` of a variable or item."""
        self._take_recode(section, name)
        digits = section.any("round")
        if digits is not None and not (type(digits) is int and 0 <= digits <= MOST_DIGITS):
            section.note("round", f"expected how many digits after the point are kept, 0 to {MOST_DIGITS}")
        elif digits is not None:
            self.rounds[name] = digits
        self.missing[name] = frozenset(str(value) for value in words(section, "missing", section.any("missing")))
        text = section.take("from", str, "")
        if text:
            try:
                self.amounts[name] = Amount.parse(text, truth=True)
            except ConfigError as error:
                section.note("from", str(error))

    def _take_recode(self, section: Section, name: str) -> None:
        """``recode: {theirs: ours}``: values that become the same one are allowed, unlike in a list of options."""
        found = section.any("recode")
        if found is None:
            return
        if not isinstance(found, dict) or len(found) > MOST_WORDS:
            section.note("recode", f"expected 'value in the table: value', up to {MOST_WORDS} of them")
            return
        for theirs, ours in found.items():
            plain = [*words(section, "recode", [theirs]), *words(section, "recode", [ours])]
            if len(plain) == 2:
                self.recodes.setdefault(name, {})[str(plain[0])] = plain[1]


def read_scores(top: Section) -> dict[str, str]:
    """``{name: expression}`` under ``scores``: short names for what is computed from answers."""
    found = top.take("scores", dict, {})
    scores: dict[str, str] = {}
    for name, text in found.items():
        if not isinstance(name, str) or not name.isidentifier() or not isinstance(text, str):
            top.note("scores", f"expected 'name: expression', found {kind_of(name)} {name!r}: {kind_of(text)}")
            continue
        try:
            scores[name] = Amount.parse(text).text
        except ConfigError as error:
            top.note(f"scores.{name}", str(error))
    return scores


def check_scores(top: Section, scores: Mapping[str, str], design: Design) -> None:
    """A score speaks of columns whose values are numbers, and has a name of its own."""
    texts = {name for name, values in design.orders.items() if any(isinstance(value, str) for value in values)}
    for name, text in scores.items():
        if name in design.columns:
            top.note(f"scores.{name}", "there is a column of this name")
        for column in sorted(Amount.parse(text).columns):
            if column not in design.columns:
                top.note(f"scores.{name}", f"no column {column!r}{closest(column, design.columns)}")
            elif column in texts:
                top.note(f"scores.{name}", f"{column!r} has text values; give it numbers: {{1: ..., 2: ...}}")


def expanded(text: str, scores: Mapping[str, str], form: str) -> str:
    """A formula or expression with the scores written out, but for what stands in quotes."""
    if not scores:
        return text
    names = re.compile(rf"\b({'|'.join(map(re.escape, scores))})\b")
    parts = QUOTED.split(text)
    parts[::2] = [names.sub(lambda found: form.format(scores[found[1]]), part) for part in parts[::2]]
    return "".join(parts)


def read_items(top: Section, more: Computed) -> tuple[Item, ...]:
    """The items under ``items``, those of batteries one by one."""
    items = []
    for name, section in top.sections("items", required=True).items():
        role, text = section.take("role", str), section.take("text", str)
        ordered = section.take("ordered", bool, True)
        edges, top_edge, cut = section.take("bins", list, []), section.any("top"), section.any("cut")
        options, only = words(section, "options", section.any("options")), _only(section)
        statements = _statements(section)
        for each in statements or [name]:
            more.take(section, each)
        section.done()
        for value in {*map(str, options)} & more.missing[next(iter(statements), name)]:
            section.note("missing", f"{value} is one of its options")
        spans: tuple[tuple[int, int], ...] = ()
        try:
            if edges:
                bins = _bins(section, edges, top_edge, bool(options))
                options, spans = bins.options, bins.spans
                more.bins.update(dict.fromkeys(statements or [name], bins))
            if cut is not None:
                more.cuts.update(dict.fromkeys(statements or [name], read_cuts(section, cut, top_edge, options)))
            for each, said in statements.items() or [(name, "")]:
                items.append(Item(each, role, f"{text} {said}".strip(), options, ordered, only, spans))
        except ConfigError as error:
            section.problems.append(str(error))
    return tuple(items)


def _statements(section: Section) -> dict[str, str]:
    """The questions of a battery: ``{name: statement}``, which share text and options."""
    found = section.take("battery", dict, {})
    for name, said in found.items():
        if not isinstance(name, str) or not name.isidentifier() or not isinstance(said, str) or not said.strip():
            section.note("battery", f"expected 'name: statement', found {kind_of(name)} {name!r}: {kind_of(said)}")
            return {}
    if found and "from" in section.content:
        section.note("from", "is of one item, and not of a battery")
    return found


def _only(section: Section) -> dict[Value, dict[str, list[Value]]]:
    """Options that some treatment groups only are offered: ``leave: {participation: [voluntary]}``."""
    found = section.take("only", dict, {})
    only: dict[Value, dict[str, list[Value]]] = {}
    for option, limits in found.items():
        if not isinstance(limits, dict) or not all(isinstance(values, list) for values in limits.values()):
            section.note("only", "expected 'option: {factor: [values]}'")
            return {}
        (named,) = words(section, "only", [option]) or ("",)
        only[named] = {str(factor): [*words(section, "only", values)] for factor, values in limits.items()}
    return only


def read_cuts(section: Section, edges: Any, top: Any, options: Mapping[Value, str]) -> Cuts:
    """``cut``, the lower edge of every option or level, and ``top``."""
    if not isinstance(edges, list) or len(edges) != len(options) or any(number_of(edge) is None for edge in edges):
        section.note("cut", f"expected {len(options)} numbers, the lower edge of every option; found {edges!r}")
        return Cuts((0.0,), (0,))
    if top is not None and number_of(top) is None:
        section.note("top", f"expected the highest possible number, found {kind_of(top)}")
        top = None
    return Cuts(tuple(map(float, edges)), tuple(options), float("inf") if top is None else float(top))


def _bins(section: Section, edges: list[Any], top: Any, options: bool) -> Bins:
    if options:
        section.note("bins", "give either options or bins, not both")
    whole = all(type(edge) is int and number_of(edge) is not None for edge in [*edges, top])
    if not whole or len(edges) > MOST_WORDS:
        section.note("bins", "expected whole numbers as lower edges, and 'top', the highest possible answer")
        return Bins((0,), 0)
    return Bins(tuple(edges), top)
