"""The words of a draft: a commented YAML file that runs as it is, whatever is still to be written in it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence

from simbench.design import PARTICIPANT, Value
from simbench.drafting.columns import Column
from simbench.drafting.roles import ITEMS, Guess

__all__ = ["TO_WRITE", "yaml_of"]

TO_WRITE = "[to write: "
MOST_SUBGROUPS = 3
LONGEST_LABEL = 60

HEAD = """# A first draft of {data} by `simbench new study`. What stands in [to write: ...] is yours to write, and
# what a column is was guessed: the reasons stand beside it. It runs as it is:
#   simbench check {file}
#   simbench experiment=yaml experiment.file={file} backend=tabular sampler=random
# Every key is explained in docs/experiments.md.
"""


def yaml_of(name: str, data: str, file: str, guesses: Sequence[Guess], unit: str = "") -> str:
    """The file. ``unit``: what the rows of a person differ by, in words, for a comment."""
    by = {
        role: [each for each in guesses if each.role == role] for role in ("id", "person", "cluster", "weight", "arm")
    }
    profile = [each for each in guesses if each.role == "profile"]
    items = [each for each in guesses if each.role in ITEMS]
    lines = [
        HEAD.format(data=data, file=file),
        f"name: {_text(name)}",
        "introduction: "
        + _text(f"You take part in a scientific study. {TO_WRITE}what it is about, as people were told]"),
        "",
        f"data: {_text(data)}",
        *_columns([each for each in guesses if each.role != "out"]),
        *(f"person: {each.column.name} # {each.why}{unit}" for each in by["person"]),
        *(f"cluster: {each.column.name} # {each.why}" for each in by["cluster"]),
        *(f"weight: {each.column.name} # {each.why}" for each in by["weight"]),
        "",
        *_arms(by["arm"]),
        *_profile(profile),
        *_items(items),
        "",
        "# When does a decision agree with a person's own beliefs? An expression over the columns, such as",
        f"# coherence: {_example(items)}",
        "",
        *_regressions(items, by["arm"], profile),
        "# Where study and data come from, and under which licence; every run keeps and shows them.",
        "# citation: Authors (year), title, journal",
        "# license: CC-BY-4.0",
        *_left_out(guesses),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _text(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)


def _value(value: Value) -> str:
    return str(value) if isinstance(value, int) else _text(value)


def _columns(guesses: Sequence[Guess]) -> list[str]:
    """What our names stand for, where the table has others."""
    ours = {each.column.source: PARTICIPANT if each.role == "id" else each.column.name for each in guesses}
    computed = {each.column.source for each in guesses if each.role in ITEMS and binned(each.column)[0]}
    renamed = [
        f"  {name}: {_text(theirs)}" for theirs, name in ours.items() if name != theirs and theirs not in computed
    ]
    return ["columns: # ours: theirs", *renamed] if renamed else []


def _missing(column: Column, indent: str = "    ") -> list[str]:
    if not column.missing:
        return []
    listed = [each if re.fullmatch(r"-?\d{1,15}", each) else _text(each) for each in column.missing]
    return [f"{indent}missing: [{', '.join(listed)}] # taken for no answer: is that right?"]


def _words(column: Column, prefix: str = "") -> str:
    """Options or levels: a list where values are their own words, else a mapping."""
    words = {
        value: (f"{prefix}{word}" if prefix and isinstance(value, int) and str(value) == word else word)
        for value, word in column.words.items()
    }
    seen: dict[str, int] = {}
    for value, word in words.items():
        seen[word.casefold()] = seen.get(word.casefold(), 0) + 1
        if seen[word.casefold()] > 1:
            words[value] = f"{word} ({seen[word.casefold()]})"
    if all(str(value) == word for value, word in words.items()):
        return f"[{', '.join(_value(value) for value in words)}]"
    return "{" + ", ".join(f"{_value(value)}: {_text(word)}" for value, word in words.items()) + "}"


def _arms(arms: Sequence[Guess]) -> Iterator[str]:
    if not arms:
        yield "# No treatment was recognised: a survey. `simbench new study --arms NAME,NAME` names its columns."
        yield ""
        return
    filled = ", ".join("{" + each.column.name + "}" for each in arms)
    yield '# What people read or saw: a template over the factors, as here, or one text per condition ("a/b": ...).'
    yield "vignettes: " + _text(f"{TO_WRITE}what people of the group read or saw] {filled}.")
    yield ""
    yield "factors: # what was assigned; the words stand in the vignette and name the groups"
    for each in arms:
        yield f"  # {each.column.name}: {each.why}"
        yield f"  {each.column.name}: {_words(each.column, f'{each.column.name} ')}"
    yield ""


def _profile(profile: Sequence[Guess]) -> Iterator[str]:
    if not profile:
        return
    yield "profile: # who people are: said in the persona, and compared by subgroup"
    subgroups = 0
    main = ""
    for each in profile:
        column = each.column
        closed = column.kind in ("choice", "constant") and bool(column.words)
        bins = [] if closed else _cuts(column)
        subgroup = subgroups < MOST_SUBGROUPS and (bool(bins) or (closed and _common(column)))
        subgroups += subgroup
        main = main or (column.name if subgroup and closed else "")
        yield f"  {column.name}: # {each.why}"
        yield f"    label: {_text(_label(column))}"
        if closed:
            yield f"    levels: {_words(column)}"
        elif bins:
            yield f"    bins: [{', '.join(map(_number, bins))}] # of subgroups; the persona says the number"
        yield from _missing(column)
        if not subgroup:
            yield "    subgroup: false"
    if main:
        yield f"main_subgroup: {main} # sampler=balanced draws as many of each"
    yield ""


def _common(column: Column) -> bool:
    """Whether every level is said often enough for a subgroup."""
    return 2 <= len(column.values) <= 6 and min(column.counts.values()) >= max(5, 0.02 * column.answered)


def _label(column: Column) -> str:
    if column.label and len(column.label) <= LONGEST_LABEL:
        return column.label
    return column.name.replace("_", " ").strip().capitalize()


def _cuts(column: Column) -> list[float]:
    near = [float(f"{each:.3g}") for each in column.cuts]
    return sorted({each for each in near if column.low < each <= column.high})


def _number(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(float(number))


def binned(column: Column) -> tuple[str, list[int], int]:
    """How a number becomes an item: what computes it (empty: as it is), lower edges, highest answer."""
    low, high = column.low, column.high
    if column.kind == "number" and not column.whole and 0 <= low <= high <= 1 and column.source.isidentifier():
        return f"100 * {column.source}", list(range(0, 100, 10)), 100
    if low >= 0 and 50 < high <= 100:
        return "", list(range(0, 100, 10)), 100
    least, most = math.floor(low), math.ceil(high)
    step = next(
        each for power in range(13) for each in (10**power, 2 * 10**power, 5 * 10**power) if most - least < 10 * each
    )
    edges = list(range(math.floor(least / step) * step, most + 1, step))
    return "", edges, max(most, edges[-1])


def _items(items: Sequence[Guess]) -> Iterator[str]:
    yield "items: # what people were asked, in this order, word by word; roles: belief, attitude, decision"
    for each in items:
        column = each.column
        yield f"  {column.name}: # {each.why}"
        yield f"    role: {each.role}"
        yield f"    text: {_text(column.label or f'{TO_WRITE}the question of {column.name}]')}"
        if column.kind == "choice":
            yield f"    options: {_words(column)}"
            if not column.ordered:
                yield "    ordered: false # put them in order if they have one, and drop this line"
        else:
            given, edges, top = binned(column)
            if given:
                yield f"    from: {given}"
            yield f"    bins: {edges} # lower edges of what is offered; found: {column.low:.6g} to {column.high:.6g}"
            yield f"    top: {top}"
        yield from _missing(column)


def _example(items: Sequence[Guess]) -> str:
    names = {
        role: next((each.column.name for each in items if each.role == role), "") for role in ("belief", "decision")
    }
    return f"({names['belief'] or 'belief'} > 5) == ({names['decision'] or 'decision'} == 1)"


def _regressions(items: Sequence[Guess], arms: Sequence[Guess], profile: Sequence[Guess]) -> Iterator[str]:
    """Up to three outcomes on the treatment, or on two traits where there is none."""
    causes = [f"C({each.column.name})" if len(each.column.values) > 2 else each.column.name for each in arms]
    if not causes:
        fine = [each.column for each in profile if each.column.kind != "choice" or _common(each.column)]
        causes = [f"C({each.name})" if each.kind == "choice" else each.name for each in fine][:2]
    if not causes:
        return
    right = (" * " if len(causes) == 2 else " + ").join(causes)
    order = {"decision": 0, "belief": 1, "attitude": 2}
    yield "regressions:"
    for each in sorted(items, key=lambda each: order[each.role])[:3]:
        left, family = _outcome(each.column)
        if left:
            yield f"  - {{formula: {_text(f'{left} ~ {right}')}, family: {family}}}"
    yield ""


def _outcome(column: Column) -> tuple[str, str]:
    values = column.values
    if column.kind != "choice" or all(isinstance(value, int) for value in values):
        if list(values) == [0, 1]:
            return column.name, "logit"
        return (f"({column.name} == {values[-1]})", "logit") if len(values) == 2 else (column.name, "ols")
    if len(values) == 2:
        last = str(values[-1])
        return ("", "") if {"'", '"', "\\"} & set(last) else (f"({column.name} == '{last}')", "logit")
    return column.name, "ordered_logit" if column.ordered else "multinomial"


def _left_out(guesses: Sequence[Guess]) -> Iterator[str]:
    out = [each for each in guesses if each.role == "out"]
    if out:
        yield ""
        yield "# Columns of the table that the draft leaves out:"
        yield from (f"#   {each.column.source or '(no name)'}: {each.why}" for each in out)
