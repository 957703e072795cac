"""A declared experiment: one YAML file, checked as a whole before anything else is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from string import Formatter
from typing import Any

from simbench.design import Design, Factor, Profile, Regression, Value
from simbench.errors import ConfigError, PluginError, closest
from simbench.experiments.earlier import read_earlier, worded
from simbench.experiments.expressions import Rule
from simbench.experiments.labels import labelled
from simbench.experiments.questions import Computed, check_scores, expanded, read_cuts, read_items, read_scores
from simbench.experiments.sections import MOST_WORDS, Section, kind_of, number_of, read_yaml, words
from simbench.experiments.source import Source, read_source
from simbench.experiments.tables import Layout

__all__ = ["Declaration", "read_declaration"]


MOST_SHOWN = 20
MOST_CONDITIONS = 100_000


@dataclass(frozen=True)
class Declaration:
    """What the file says. ``columns`` maps our names to the table's, ``computed`` is what is made of its columns."""

    design: Design
    data: Source
    columns: Mapping[str, str]
    introductions: tuple[str, ...]
    vignettes: str | Mapping[str, str]
    rule: Rule | None
    undefined: Rule | None
    synthetic: bool
    citation: str
    license: str
    computed: Computed
    layout: Layout

    def vignette(self, treatment: Mapping[str, Value]) -> str:
        """The text of a treatment group: its own, or the template filled with the levels' words."""
        said = {factor.name: factor.words[treatment[factor.name]] for factor in self.design.factors}
        if isinstance(self.vignettes, str):
            return self.vignettes.format_map(said)
        return self.vignettes["/".join(said.values()) or "all"]


def read_declaration(path: Path, given: str = "") -> Declaration:
    """Read and check a file. Raises ConfigError that names every fault with its place in the file.

    ``given`` is ``experiment.data``: the labels of a table of SPSS or Stata are the words of what has none.
    """
    problems: list[str] = []
    top = Section(read_yaml(path, "experiment.file"), "", problems)
    source = read_source(top, path)
    if (table := source.statistical(given)) is not None:
        top.content = labelled(top.content, table, "experiment.data" if given else f"{path.name}: data")
    more = Computed(missing={"": _missing_values(top)})
    scores = read_scores(top)
    parts: dict[str, Any] = {
        "name": top.take("name", str),
        "factors": _factors(top),
        "profile": _profile(top, more),
        "items": read_items(top, more),
        "regressions": _regressions(top, scores),
        "main_subgroup": top.take("main_subgroup", str, "") or None,
        "person": top.take("person", str, "") or None,
        "cluster": top.take("cluster", str, "") or None,
        "weight": top.take("weight", str, "") or None,
    }
    parts["profile"] = worded(top, parts["profile"], parts["items"], more.earlier)
    columns = words(top, "columns", top.take("columns", dict, {}))
    introductions = _introductions(top)
    vignettes = top.any("vignettes") if parts["factors"] else top.content.get("vignettes", "")
    top.taken.add("vignettes")
    rules = {key: expanded(top.take(key, str, ""), scores, "({})") for key in ("coherence", "undefined")}
    layout = Layout(*(top.take(key, str, "") for key in ("separator", "encoding", "sheet")))
    synthetic, citation = top.take("synthetic", bool, False), top.take("citation", str, "")
    license = top.take("license", str, "")
    top.done()
    _refuse(path, problems)
    try:
        design = Design(**parts)
    except (PluginError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _check_formulas(top, design)
    check_scores(top, scores, design)
    parsed = {key: _rule(top, key, text, design) for key, text in rules.items()}
    if rules["undefined"] and not rules["coherence"]:
        top.note("undefined", "says where the coherence rule is undefined, but there is no 'coherence'")
    for name in set(columns) - set(design.columns):
        top.note("columns", f"{name!r} is no column of this experiment")
    vignettes = _vignettes(top, vignettes, design)
    _refuse(path, problems)
    return Declaration(
        design,
        source,
        {str(ours): theirs for ours, theirs in columns.items()},
        introductions,
        vignettes,
        parsed["coherence"],
        parsed["undefined"],
        synthetic,
        citation,
        license,
        more,
        layout,
    )


def _missing_values(section: Section) -> frozenset[str]:
    return frozenset(str(value) for value in words(section, "missing", section.any("missing")))


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        shown = [f"  {problem}" for problem in problems[:MOST_SHOWN]]
        more = [f"  and {len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
        raise ConfigError("\n".join([f"{path}: {len(problems)} problem(s)", *shown, *more]))


def _factors(top: Section) -> tuple[Factor, ...]:
    found = top.take("factors", dict, {})
    factors = []
    for name, levels in found.items():
        if not isinstance(name, str) or not name.isidentifier():
            top.note("factors", f"expected names of letters, digits and '_', found {name!r}")
        if not isinstance(levels, dict | list):
            top.note(f"factors.{name}", f"expected its levels, found {kind_of(levels)}")
            continue
        factors.append(Factor(str(name), words(top, f"factors.{name}", levels)))
    conditions = prod(len(factor.words) for factor in factors)
    if conditions > MOST_CONDITIONS:
        top.note("factors", f"they make {conditions:,} conditions; expected at most {MOST_CONDITIONS:,}")
    return tuple(factors)


def _profile(top: Section, more: Computed) -> tuple[Profile, ...]:
    variables = []
    for name, section in top.sections("profile").items():
        levels, bins = section.any("levels"), section.take("bins", list, [])
        if any(number_of(edge) is None for edge in bins) or len(bins) > MOST_WORDS:
            section.note("bins", f"expected up to {MOST_WORDS} finite numbers below 1e+15, as lower edges")
            bins = []
        given: dict[str, Any] = {
            "label": section.take("label", str, ""),
            "levels": None if levels is None else words(section, "levels", levels),
            "bins": tuple(bins),
            "subgroup": section.take("subgroup", bool, True),
            "in_persona": section.take("in_persona", bool, True),
        }
        cut = section.any("cut")
        if cut is not None:
            more.cuts[name] = read_cuts(section, cut, None, given["levels"] or {})
        more.take(section, name)
        more.earlier.update(read_earlier(section, name))
        section.done()
        try:
            variables.append(Profile(name, **given))
        except ConfigError as error:
            section.problems.append(str(error))
    return tuple(variables)


def _regressions(top: Section, scores: Mapping[str, str]) -> tuple[Regression, ...]:
    regressions = []
    for number, given in enumerate(top.take("regressions", list, []), start=1):
        content = {"formula": given} if isinstance(given, str) else given
        if not isinstance(content, dict):
            top.note(f"regressions.{number}", "expected a formula, or a mapping with 'formula' and 'family'")
            continue
        section = Section(content, f"regressions.{number}", top.problems)
        formula, family = section.take("formula", str), section.take("family", str, "ols")
        title = section.take("name", str, "")
        section.done()
        try:
            written = expanded(formula, scores, "I({})")
            if written != formula and not title:
                title = Regression(formula, family).title
            regressions.append(Regression(written, family, title))
        except ConfigError as error:
            section.problems.append(str(error))
    return tuple(regressions)


def _introductions(top: Section) -> tuple[str, ...]:
    found = top.any("introduction")
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        top.note("introduction", "expected a text, or a list of texts (wordings)")
        return ("",)
    return tuple(texts)


def _check_formulas(top: Section, design: Design) -> None:
    from simbench.stats.regression import formula_columns

    for regression in design.regressions:
        try:
            unknown = set(formula_columns(regression.formula)) - set(design.columns)
        except ConfigError as error:
            top.note("regressions", str(error))
            continue
        for name in sorted(unknown):
            top.note("regressions", f"{regression.formula!r}: no column {name!r}{closest(name, design.columns)}")


def _rule(top: Section, key: str, text: str, design: Design) -> Rule | None:
    if not text:
        return None
    columns: dict[str, tuple[Value, ...] | None] = {
        variable.name: tuple(variable.words) if variable.words else None for variable in design.profile
    }
    columns |= {factor.name: tuple(factor.words) for factor in design.factors}
    columns |= {item.name: item.values for item in design.items}
    try:
        return Rule.parse(text, columns)
    except ConfigError as error:
        top.note(key, str(error))
        return None


def _vignettes(top: Section, given: Any, design: Design) -> str | dict[str, str]:
    """A template over the factors, or one text per condition."""
    if isinstance(given, str):
        factors = {factor.name for factor in design.factors}
        try:
            fields = [(field, spec, how) for _, field, spec, how in Formatter().parse(given) if field is not None]
        except ValueError as error:
            top.note("vignettes", f"{error}; write {{{{ and }}}} for braces in the text")
            return given
        for name, spec, how in fields:
            if name not in factors or spec or how:
                known = ", ".join(f"{{{factor}}}" for factor in sorted(factors)) or "no factors"
                top.note("vignettes", f"{{{name}}} is no factor; a template may hold {known}")
        return given
    texts = {str(name): text for name, text in given.items()} if isinstance(given, dict) else {}
    if set(texts) != set(design.conditions) or not all(isinstance(text, str) for text in texts.values()):
        some = [*map(repr, design.conditions[:MOST_SHOWN]), *(["..."] if len(design.conditions) > MOST_SHOWN else [])]
        expected = ", ".join(some)
        top.note("vignettes", f"expected a template, or one text for each of {expected}")
    return texts
