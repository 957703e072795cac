"""``simbench check study.yaml`` and ``simbench check KIND NAME``: is it right, before anything is spent?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from simbench.drafting.write import TO_WRITE
from simbench.errors import ConfigError
from simbench.files import as_path
from simbench.harness.preview import Preview, preview
from simbench.interview import messages
from simbench.metrics.findings import Finding, by_purpose, power_of
from simbench.metrics.verdict import VerdictConfig
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import load_plugins

__all__ = ["main"]

WIDTH = 100
YAML = (".yaml", ".yml")


def main(words: Sequence[str]) -> int:
    """Check a study, or a part that a plugin offers.

    `simbench check study.yaml` names every problem of the file and its table, then prints the design, how many people
    are in every group, what the verdict can show with so many, and three interviews as a model will read them.
    `simbench check KIND NAME` holds a part against the contract of its kind, one line per check.
    """
    parser = argparse.ArgumentParser(prog="simbench check", description=main.__doc__)
    parser.add_argument("what", metavar="STUDY.yaml | KIND", help=f"a study's file, or one of {', '.join(KINDS)}")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the name of the part")
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="settings of the part, or data=PATH of a study"
    )
    asked = parser.parse_args(words)
    given = [*([asked.name] if "=" in asked.name else []), *asked.settings]
    settings = _settings(given)
    if asked.what.endswith(YAML):
        file = as_path(asked.what)
        return _study({"name": "yaml", "file": str(file), **settings})
    if asked.what not in KINDS or not asked.name or "=" in asked.name:
        raise ConfigError(
            f"expected a study's file that ends in .yaml, or a kind ({', '.join(KINDS)}) and a name; "
            f"found {' '.join(words)!r}"
        )
    return _part(asked.what, asked.name, settings)


def _settings(given: Sequence[str]) -> dict[str, object]:
    import yaml

    settings: dict[str, object] = {}
    for word in given:
        key, mark, value = word.partition("=")
        if not mark:
            raise ConfigError(f"expected KEY=VALUE; found {word!r}")
        try:
            settings[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            settings[key] = value
    return settings


def _study(settings: dict[str, object]) -> int:
    """Print what there is to know of a study before a model is asked."""
    seen = preview(settings, load_plugins())
    for title, lines in _pages(seen):
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")
    return 0


def _pages(seen: Preview) -> Iterator[tuple[str, Iterator[str]]]:
    yield f"study {seen.people.design.name}: no problem found", _facts(seen)
    yield "design", _design(seen)
    yield "people in every treatment group", _groups(seen)
    needed = round(max(VerdictConfig().margin ** -2, seen.pilot))
    yield (
        f"what the verdict can show with {seen.asked} people compared and a pilot of {seen.pilot} (a quarter); "
        f"a yes takes answers shown to be as good as asking {needed} people",
        _power(seen),
    )
    for number, each in enumerate(seen.interviews, start=1):
        words = "\n".join(f"[{each['role']}]\n{each['content']}" for each in messages(each, "json"))
        yield (
            f"interview {number} of {len(seen.interviews)}, group {each.condition}, as a model reads it",
            iter(words.splitlines()),
        )


def _facts(seen: Preview) -> Iterator[str]:
    people, design = seen.people, seen.people.design
    humans = people.person.nunique()
    rows = f"{len(people)} rows of {humans} people" if humans < len(people) else f"{len(people)} people"
    yield f"{rows} from {seen.experiment.source}{' (SYNTHETIC: no real people)' if seen.experiment.synthetic else ''}"
    if seen.gap is None:
        yield "human value-action gap: no rule says when decisions contradict beliefs (coherence)"
    else:
        yield f"human value-action gap: {seen.gap:.1%} of {seen.gap_people} contradict their own beliefs"
    for name in [item.name for item in design.items if (people.codes(item.name) < 0).any()]:
        yield f"unanswered: {name} by {int((people.codes(name) < 0).sum())}"
    texts = {
        "vignette or introduction": "\n".join(each.shared.partition("Questions:")[0] for each in seen.interviews)
    }
    texts |= {f"item {item.name}": item.text for item in design.items}
    if open_ones := [place for place, text in texts.items() if TO_WRITE in text]:
        yield f"still to be written: {', '.join(open_ones)}"
    if not (seen.experiment.citation and seen.experiment.license):
        yield "no citation or licence: every run keeps and shows them, and readers look for them"
    for note in seen.notes:
        yield f"note: {note}"


def _design(seen: Preview) -> Iterator[str]:
    people, design = seen.people, seen.people.design
    for factor in design.factors:
        yield f"factor {factor.name}: {', '.join(factor.words.values())}"
    for variable in design.profile:
        levels = people.level(variable.name).value_counts()
        shown = [f"{name} {int(levels[name])}" for name in people.levels(variable.name)]
        yield _cut(f"profile {variable.name}: {', '.join(shown)}{'' if variable.subgroup else ' (no subgroup)'}")
    for item in design.items:
        codes = people.codes(item.name)
        counts = [f"{label} {int((codes == at).sum())}" for at, label in enumerate(item.labels)]
        yield _cut(f"{item.role} {item.name}: {', '.join(counts)}")
    for regression in design.regressions:
        yield f"regression {regression.family}: {regression.formula}"


def _cut(line: str) -> str:
    return line if len(line) <= 2 * WIDTH else f"{line[: 2 * WIDTH - 3]}..."


def _groups(seen: Preview) -> Iterator[str]:
    counts = seen.people.condition.value_counts()
    for name in seen.people.design.conditions[:40]:
        yield f"{name}: {int(counts.get(name, 0))}"
    if len(seen.people.design.conditions) > 40:
        yield f"and {len(seen.people.design.conditions) - 40} more groups"


def _power(seen: Preview) -> Iterator[str]:
    if not seen.findings:
        yield "nobody of the pilot answered everything, so nothing can be learned from it"
    for purpose, findings in by_purpose(Finding(**each) for each in seen.findings).items():
        power, needed = power_of(findings)
        if power is None:
            why = next((each.note for each in findings if each.value is None and each.note), "not known")
            yield f"{purpose}: {why}"
            continue
        enough = f"{needed} people for four times in five" if needed else "however many people there were"
        yield f"{purpose}: a perfect simulation would get a yes in {power:.0%} of such studies; {enough}"


def _part(kind: str, name: str, settings: dict[str, object]) -> int:
    """Hold a part against the contract of its kind; the exit code is 1 where a check fails."""
    from simbench.testing.checks import checks_of

    for lost in load_plugins().broken:
        print(f"simbench: {lost}", file=sys.stderr)
    faults = 0
    for each in checks_of(kind, name, settings):
        outcome = each.outcome()
        faults += outcome.startswith("FAILED")
        print(f"{each.name:<28} {outcome}")
    print(f"{kind} {name}: {faults or 'no'} fault{'' if faults == 1 else 's'}")
    return 1 if faults else 0
