"""What a page about one run says beside its figures: tables, transcripts, provenance, claims."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from simbench.design import PARTICIPANT, Design, Item
from simbench.design.numbers import as_number
from simbench.experiments.base import Experiment
from simbench.experiments.recorded import Recorded
from simbench.harness.journal import Journal
from simbench.harness.kept import name_of, people_of
from simbench.harness.pilot import style_without
from simbench.harness.run import Run
from simbench.interview import Interview, Style
from simbench.interview.numerals import say_number
from simbench.metrics.score_table import ScoreTable, title
from simbench.plugin.manager import Registry
from simbench.report.formats import number
from simbench.report.outcomes import faults, left_out, pilot_size, unsent
from simbench.report.verdict import Statement

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Pair",
    "citation",
    "claims",
    "design_of",
    "facts",
    "headlines",
    "pairs",
    "provenance",
    "study",
    "whose_words",
]

SAMPLES = 3
LONG = 400


@dataclass(frozen=True)
class Pair:
    """A real person and the participant simulated from the same profile.

    ``answers``: question, options shown, the person's answer, the simulated one. ``raw`` is what the model
    wrote, as it wrote it: untrusted text.
    """

    participant: str
    condition: str
    persona: str
    answers: tuple[tuple[str, str, str], ...]
    status: str
    raw: str = ""
    error: str = ""
    shared: str = field(default="", repr=False)


def design_of(
    experiment: Experiment[Any] | None, manifest: Mapping[str, Any], people: pd.DataFrame, scores: pd.DataFrame
) -> Design:
    """The experiment's design; where there is none, one pieced together from what was answered."""
    if experiment is not None:
        return experiment.design
    names = scores[scores["metric"] == "js_distance"]["item"].dropna().unique()
    items = [name for name in people.columns if name in set(names) - {"mean"}]
    values = {name: sorted(people[name].dropna().unique().tolist()) for name in items}
    return Design(name_of(manifest), (), (), tuple(Item(name, "belief", name, values[name]) for name in items))


def whose_words(experiment: Experiment[Any] | None) -> list[str]:
    """What a reader must know of where the page's words come from, unless it is the run itself."""
    if isinstance(experiment, Recorded):
        return []
    made = "The run was made before runs kept their study: "
    if experiment is None:
        return [f"{made}its experiment cannot be had here, so its words are not shown."]
    return [f"{made}words and options are those of the experiment AS IT IS NOW."]


def citation(experiment: Experiment[Any] | None) -> str:
    """How the study is cited, with its licence where it has one."""
    if experiment is None:
        return ""
    licence = f"licence: {experiment.license}" if experiment.license else ""
    return "; ".join(part.rstrip(".") for part in (experiment.citation, licence) if part)


def facts(manifest: Mapping[str, Any]) -> list[str]:
    """What was done, in a few lines."""
    humans, config, model = manifest["humans"], manifest["config"], manifest["model"]
    scope = {
        "heldout": "people outside the pilot",
        "reserved": "people reserved from every pilot",
        "all": "everybody, PILOT INCLUDED",
    }[manifest["evaluated"]]
    learned = f" of {config['adapt_on']['name']}" if config.get("adapt_on") else f" of {humans['n']}"
    return [
        f"Experiment {name_of(manifest)}; {_people(humans)}: {humans['source']}.",
        f"Backend {config['backend']['name']}, model {model['base']}{', adapted' if model.get('adapter') else ''}; "
        f"pilot of {pilot_size(humans)}{learned} by sampler {config['sampler']['name']}, seed {manifest['seed']}.",
        f"{humans['n_evaluated']} simulated and compared: {scope}.",
        *(f"{line[0].upper()}{line[1:]}." for line in left_out(manifest)),
        *(f"Resampled for intervals: {each['words']}." for each in [manifest.get("resampled")] if each),
        *(f"Pilot: {note}." for note in manifest["pilot_notes"]),
        *(f"FIGURES ARE MISSING: {fault}." for fault in faults(manifest)),
        *(f"ASKED FOR AND NOT SENT, since the model does not take it: {each}." for each in unsent(manifest)),
    ]


def _people(humans: Mapping[str, Any]) -> str:
    return "SYNTHETIC people, not real ones" if humans["synthetic"] else "real people"


def study(experiment: Experiment[Any] | None, compared: pd.DataFrame) -> dict[str, list[list[str]]] | None:
    """Treatment groups with their people, and items with their options and answers; None without the design."""
    if experiment is None:
        return None
    design = experiment.design
    people = people_of(design, compared)
    counts = people.condition.value_counts()
    return {
        "groups": [[name, str(int(counts.get(name, 0)))] for name in people.levels("condition")],
        "questions": [
            [
                item.name,
                item.role,
                item.text,
                " | ".join(map(str, item.labels)),
                str(int(compared[item.name].notna().sum())),
            ]
            for item in design.items
        ],
    }


def headlines(scores: pd.DataFrame, registry: Registry) -> list[list[str]]:
    """Figure, human, simulated, value with interval, copies of the pilot, floor, ceiling, what is human-like."""
    table = ScoreTable(scores, registry.classes("metric"))
    rows = []
    for row in table.headline_rows():
        value = number(row["value"])
        if row["value"] != row["value"]:
            value = f"not computable: {row['reason']}"
        elif row["ci_low"] == row["ci_low"]:
            value += f" [{number(row['ci_low'])}, {number(row['ci_high'])}]"
        sides = [number(row[key]) for key in ("human", "simulated")]
        others = [number(row.get(key)) for key in ("resample", "floor", "ceiling")]
        rows.append([_named(table.words(row), title(row)), *sides, value, *others, table.direction(row["metric"])])
    return rows


def _named(words: str, name: str) -> str:
    """What a figure is called, and in small print its name in ``scores.parquet``."""
    from markupsafe import Markup

    return words if words == name else Markup("{}<br><small>{}</small>").format(words, name)


def pairs(run: Run, experiment: Experiment[Any] | None, compared: pd.DataFrame) -> list[Pair]:
    """The first person of each of the first treatment groups, beside their simulated counterpart."""
    if experiment is None:
        return []
    people = people_of(experiment.design, compared)
    first = people.where(~people.condition.duplicated())
    first = first.at(range(min(SAMPLES, len(first))))
    config = run.manifest["config"]
    style = style_without(Style(**config["interview"]), config.get("ask_without") or ())
    script = replace(experiment.script(style), digits=frozenset(run.manifest.get("in_digits", ())))
    interviews = script.interviews(first)
    said = Journal(run.folder / "responses.jsonl").read()
    return [
        _pair(interview, row, said.get((interview.participant_id, 0)))
        for interview, row in zip(interviews, first.formula_frame().to_dict("records"), strict=True)
    ]


def _pair(interview: Interview, row: Mapping[Any, Any], answer: Any) -> Pair:
    def label(item: Item, value: Any) -> str:
        number = as_number(value)
        if item.digits and number == number:
            return say_number(number)
        code = item.code(item.bin_of(number) if item.spans and number == number else value)
        return item.labels[code] if code >= 0 else "(no answer)"

    given = {} if answer is None else {**answer.answers, **answer.numbers}
    return Pair(
        str(row[PARTICIPANT]),
        interview.condition,
        interview.persona,
        tuple(
            (f"{item.name}: {item.text}", label(item, row[item.name]), label(item, given.get(item.name)))
            for item in interview.items
        ),
        answer.status if answer is not None else "not asked",
        answer.text if answer is not None else "",
        (answer.error or "") if answer is not None else "",
        interview.shared,
    )


def provenance(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything needed to do the run again, as names and values."""
    return list(_provenance(manifest))


def _provenance(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    humans, environment = manifest["humans"], manifest["environment"]
    yield "run", manifest["run_id"]
    yield "command", " ".join(environment["command"])
    yield "started, finished (UTC)", f"{manifest['started']}, {manifest.get('finished', '-')}"
    yield "seed of the run, of the resamples", f"{manifest['seed']}, {manifest['config']['scoring'].get('seed', '-')}"
    if manifest.get("rescored"):
        yield "scored anew (UTC)", manifest["rescored"]
    yield "human data", f"{humans['source']}, sha256 {humans['sha256']}"
    for path, sha in manifest.get("experiment", {}).get("sources", {}).items():
        yield "read from", f"{path}, sha256 {sha}"
    yield "people compared", f"{humans['n_evaluated']}, sha256 {humans.get('evaluated_sha256', '-')}"
    yield "model", _brief(manifest["model"])
    yield "tokens", _brief(manifest["usage"]["tokens"])
    cost = manifest["usage"]["cost"]
    yield "cost", "unknown or none" if cost is None else f"{cost:.4f} US dollars"
    spent = [f"{manifest[name]} s {word}" for name, word in TIMES.items() if name in manifest]
    yield "time", ", ".join(spent)
    if manifest.get("backend"):
        yield "backend's record", _brief(manifest["backend"])
    yield "versions", ", ".join(f"{name} {found}" for name, found in environment["packages"].items())
    yield "plugins", ", ".join(f"{name} {found}" for name, found in environment["plugins"].items())
    if manifest.get("plugins_left_out"):
        yield "plugins left out", "; ".join(manifest["plugins_left_out"])
    yield "Python, platform", f"{environment['python']}, {environment['platform']}"
    git = environment["git"]
    if git:
        yield "git", git["commit"] + (" with uncommitted changes" if git["dirty"] else "")


TIMES = {"adapt_seconds": "adapting", "respond_seconds": "answering"}


def _brief(content: Any) -> str:
    """JSON in which long values give way to where they can be found."""

    def brief(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: brief(each) for key, each in value.items() if each is not None}
        return f"({len(json.dumps(value, default=str))} characters, see the run folder)" if _long(value) else value

    return json.dumps(brief(content), ensure_ascii=False, default=str)


def _long(value: Any) -> bool:
    return len(json.dumps(value, ensure_ascii=False, default=str)) > LONG


def claims(manifest: Mapping[str, Any], verdict: list[Statement]) -> list[str]:
    """What must not be claimed from this run."""
    found = ["Simulated participants are not people; do not count them in a sample size."]
    if manifest["humans"]["synthetic"]:
        found.insert(0, "The humans of this run are SYNTHETIC. Nothing here says anything about real people.")
    if manifest["evaluated"] == "all":
        found.append("The pilot's people are among those compared: figures are better than on people never seen.")
    unfit = [statement.topic.lower() for statement in verdict if statement.tone == "bad"]
    if unfit:
        found.append(f"Do not rely on these answers: {', '.join(unfit)}.")
    found.append(
        "Metrics follow definitions by simbench. This is not a replication of arXiv 2511.21218, whose prompts and "
        "data are not public."
    )
    found.append("One run is one draw of pilot, adaptation and answers: its intervals cover respondents, not seeds.")
    return found
