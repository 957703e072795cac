"""What a run keeps of the study it asked about, and the study read back from there.

``design.json`` holds the words, the design, the rule of coherence and the digests of the files they came from. Where
the rule is Python code, ``coherence.parquet`` holds what it said of every row that figures rest on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.design import Design, People
from simbench.design.people import RAW
from simbench.errors import ConfigError, PluginError, SimbenchError, StorageError
from simbench.experiments.base import Experiment
from simbench.experiments.recorded import Recorded, as_declared, record, verdicts
from simbench.harness.baselines import baseline_answers
from simbench.harness.comparisons import answered_alike, uniform
from simbench.harness.config import Plan, ScoringPlan
from simbench.harness.pilot import asking_script, training_script
from simbench.harness.store import RunFolder
from simbench.plugin.blame import blamed
from simbench.plugin.manager import Registry

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DESIGN",
    "GIVEN",
    "VERDICTS",
    "keep_verdicts",
    "kept_study",
    "name_of",
    "people_of",
    "pilots_study_of",
    "shared_study",
    "study_of",
]

DESIGN = "design.json"
GIVEN = "__given"
VERDICTS = "coherence.parquet"


def kept_study(plan: Plan, humans: People, asked: People, pilot: People) -> dict[str, Any]:
    """The study as JSON; with ``adapt_on``, the pilot's under ``pilot``. PluginError where it cannot be kept."""
    with blamed("experiment", plan.experiment, "being kept with the run"):
        content = record(plan.experiment, humans, asked.design, asking_script(plan))
    if plan.pilot_from is not None:
        with blamed("experiment", plan.pilot_from, "being kept with the run"):
            content["pilot"] = record(plan.pilot_from, pilot, pilot.design, training_script(plan))
    return content


def keep_verdicts(
    folder: RunFolder, plan: ScoringPlan, people: People, responses: pd.DataFrame, pilot: People
) -> None:
    """Write what a rule in Python says of people, simulated participants, the floor and the baselines.

    A rule that fails leaves no file: whoever asks for it while scoring is told why.
    """
    if plan.experiment.coherence is not None:
        return
    answered = [responses, *baseline_answers(plan, people, pilot).values()]
    frames = [people.frame, *(answered_alike(people, each)[0].frame for each in answered)]
    frames.append(uniform(plan, people, pilot).simulated.people.frame)
    try:
        with blamed("experiment", plan.experiment, "coherent"):
            table = verdicts(plan.experiment, people.design, frames)
    except PluginError:
        return
    if table is not None:
        folder.write_frame(VERDICTS, table)


def study_of(folder: RunFolder, registry: Registry) -> Experiment[Any] | None:
    """The study of a run from its folder; of a run from before folders kept it, the installed one, if it fits.

    StorageError where what is kept is damaged.
    """
    content = _content(folder)
    if content is None:
        return _installed(folder, registry)
    return _recorded(folder / DESIGN, content, _table(folder))


def shared_study(folders: Sequence[RunFolder], registry: Registry) -> Experiment[Any]:
    """The one study of several runs; of a rule of coherence in Python, what any of the runs keeps of it.

    Where only some runs have a variable that was worked out for them (which treatment groups the pilot knew), it is
    the study as it was declared.

    ConfigError where the runs are of different studies, or one cannot be had.
    """
    import pandas as pd

    unlike = _unlike(folders, DESIGN)
    found = []
    for folder in unlike:
        study = study_of(folder, registry)
        if study is None:
            raise ConfigError(
                f"{folder.path} was made before runs kept their study, and its experiment cannot be had here"
            )
        found.append(study)
    first = found[0]
    for folder, study in zip(unlike, found, strict=True):
        if study.design.given != first.design.given or study.coherence != first.coherence:
            names = [name_of(each.manifest) for each in (folders[0], folder)]
            raise ConfigError(
                f"these runs are of different studies, {names[0]} ({folders[0].run_id}) and {names[1]} "
                f"({folder.run_id}){': design or rule differ' if names[0] == names[1] else ''}. Compare runs of one "
                "study, or give --different-humans to see them side by side, without paired tests"
            )
    tables = [table for folder in _unlike(folders, VERDICTS) if (table := _table(folder)) is not None]
    alike, content = all(study.design == first.design for study in found), _content(folders[0])
    if content is None or (alike and not tables):
        return first
    kept = content if alike else as_declared(content)
    return _recorded(folders[0] / DESIGN, kept, pd.concat(tables, ignore_index=True) if tables else None)


def _unlike(folders: Sequence[RunFolder], name: str) -> list[RunFolder]:
    """The first folder with each content of a product; all that keep no digest of it."""
    found: dict[str, RunFolder] = {}
    for folder in folders:
        known = folder.manifest.get("products", {}).get(name)
        found.setdefault(known["sha256"] if known else str(folder.path), folder)
    return list(found.values())


def pilots_study_of(folder: RunFolder) -> Experiment[Any] | None:
    """The study that the pilot is of, where it is another one (``adapt_on``); None elsewhere."""
    content = (_content(folder) or {}).get("pilot")
    return None if content is None else _recorded(folder / DESIGN, content, None)


def people_of(design: Design, frame: pd.DataFrame) -> People:
    """The people of a run's Parquet file, in the types that validation gives them."""
    given = {f"{item.name}{GIVEN}": f"{item.name}{RAW}" for item in design.items if f"{item.name}{GIVEN}" in frame}
    clean = frame[[*design.columns, *given]].rename(columns=given)
    for name in clean:
        if clean[name].dtype == "str":
            clean[name] = clean[name].astype(object).where(clean[name].notna(), None)
    return People(design, clean)


def name_of(manifest: Mapping[str, Any]) -> str:
    """The name of a run's study."""
    kept = manifest.get("experiment") or manifest["config"]["experiment"]
    return str(kept["name"])


def _content(folder: RunFolder) -> dict[str, Any] | None:
    if DESIGN not in folder.manifest.get("products", {}):
        return None
    content: dict[str, Any] = json.loads(folder.verify(DESIGN).read_bytes())
    return content


def _table(folder: RunFolder) -> pd.DataFrame | None:
    return folder.read_frame(VERDICTS) if VERDICTS in folder.manifest["products"] else None


def _recorded(path: Path, content: Mapping[str, Any], table: pd.DataFrame | None) -> Recorded:
    try:
        return Recorded(content, table)
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from None


def _installed(folder: RunFolder, registry: Registry) -> Experiment[Any] | None:
    """The experiment as it is here and now, where it can be had and its columns are in the run's people."""
    import pyarrow.parquet as pq

    settings = dict(folder.manifest["config"]["experiment"])
    try:
        entry = registry.get("experiment", settings.pop("name"))
        with blamed("experiment", entry.cls, "its design"):
            built: Experiment[Any] = entry.cls(entry.cls.Config(**settings))
            wanted = set(built.design.columns)
    except SimbenchError:
        return None
    return built if wanted <= set(pq.read_schema(folder.verify("people.parquet")).names) else None
