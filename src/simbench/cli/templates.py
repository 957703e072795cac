"""The plugins that ``simbench new plugin`` writes: each works, types, lints and passes its checks as it is."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from simbench.errors import ConfigError, StorageError
from simbench.plugin.contract import NAME
from simbench.plugin.manager import INLINE
from simbench.plugin.marker import PLUGIN_API

__all__ = ["write_plugin"]

EXPERIMENT = '''"""The experiment $name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from simbench import Experiment, Factor, Item, Profile, Regression, setting

__all__ = ["$cls"]


@dataclass(frozen=True)
class ${cls}Config:
    """Settings of $name."""

    people: int = setting(200, "how many made-up people there are")


class $cls(Experiment[${cls}Config]):
    """A game of trust with a low and a high stake. Its first line is what `simbench plugins` prints."""

    name = "$name"
    Config = ${cls}Config
    synthetic = True  # these people are made up; drop the line with real ones
    factors = (Factor("stake", {0: "1 dollar", 1: "10 dollars"}),)
    profile = (Profile("age", bins=(30, 50)), Profile("gender", levels=("woman", "man")))
    items = (
        Item("expected", "belief", "How much will come back?", {0: "nothing", 1: "half", 2: "all"}),
        Item("sent", "decision", "Do you send your money?", {0: "no", 1: "yes"}),
    )
    regressions = (Regression("sent ~ stake + expected", family="logit"),)

    def load(self) -> pd.DataFrame:
        """One row per person: participant_id and one column per name above. Here you read your data."""
        n, rng = self.config.people, np.random.default_rng(1)
        stake, expected = rng.integers(0, 2, n), rng.integers(0, 3, n)
        return pd.DataFrame(
            {
                "participant_id": [f"p{number}" for number in range(n)],
                "stake": stake,
                "age": rng.integers(18, 80, n),
                "gender": np.where(rng.random(n) < 0.5, "woman", "man"),
                "expected": expected,
                "sent": (expected + rng.logistic(size=n) > stake).astype(int),
            }
        )

    def vignette(self, treatment: Mapping[str, str | int]) -> str:
        """What people of a treatment group read. ``treatment`` holds values; the words are those of the factor."""
        (stake,) = self.factors
        return f"You have {stake.words[treatment['stake']]}. What you send is tripled for a stranger."

    def coherent(self, people: pd.DataFrame) -> pd.Series:
        """Who expects all sends, who expects nothing does not; half is undefined (<NA>)."""
        expected, sent = people["expected"].astype("Int64"), people["sent"].astype("Int64")
        agrees: pd.Series = ((expected == 2) == (sent == 1)).mask(expected == 1)
        return agrees
'''

SAMPLER = '''"""The sampler $name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from simbench import Draw, People, Sampler, setting
from simbench.errors import ConfigError, PilotError

__all__ = ["$cls"]


@dataclass(frozen=True)
class ${cls}Config:
    """Settings of $name."""

    n: int = setting(30, "people in the pilot")

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"sampler.n: expected at least 1; found {self.n}")


class $cls(Sampler[${cls}Config]):
    """Draws n people, each with the same chance. Its first line is what `simbench plugins` prints."""

    name = "$name"
    Config = ${cls}Config

    def draw(self, people: People, rng: np.random.Generator) -> Draw:
        """Row positions of the pilot; all randomness comes from ``rng``."""
        n = self.config.n
        if n > len(people):
            raise PilotError(f"sampler.n={n} is more than the {len(people)} people there are")
        return Draw(rng.choice(len(people), size=n, replace=False), notes=f"{n} of {len(people)} people")
'''

BACKEND = '''"""The backend $name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simbench import Answer, Backend, Interview, Model, Transcript, Workspace, setting
from simbench.stats.rng import generator

__all__ = ["$cls"]


@dataclass(frozen=True)
class ${cls}Config:
    """Settings of $name."""

    prior: float = setting(1.0, "made-up people who give every answer, beside those of the pilot")


class $cls(Backend[${cls}Config]):
    """Draws every answer by how often the pilot gave it. Its first line is what `simbench plugins` prints."""

    name = "$name"
    Config = ${cls}Config

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Learn from the pilot (empty: nothing). What is learned goes into the handle, or into workspace.folder."""
        answers = [(item, str(value)) for each in pilot for item, value in each.answers.items()]
        counts: dict[str, dict[str, int]] = {}
        for (item, value), times in Counter(answers).items():
            counts.setdefault(item, {})[value] = times
        return Model("$name", "frequencies", parameters={"counts": counts})

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Exactly one answer per interview: values of options, not their labels, as plain text or numbers.

        Asked of a fresh instance: nothing that adapt kept on ``self`` is here. Draws depend on seed, participant and
        replicate alone. ``simbench.interview.messages`` writes an interview as chat messages, ``read`` reads answers.
        """
        for interview in interviews:
            rng = generator(workspace.seed, self.name, *interview.key)
            answers: dict[str, str | int] = {}
            probabilities: dict[str, list[float]] = {}
            for item in interview.items:
                counts = model.parameters["counts"].get(item.name, {})
                given = [counts.get(str(value), 0) + self.config.prior for value in item.values]
                chances = [each / sum(given) for each in given]
                answers[item.name] = item.values[int(rng.choice(len(chances), p=chances))]
                probabilities[item.name] = chances
            yield Answer(*interview.key, "ok", answers, probabilities)
'''

METRIC = '''"""The metric $name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
from simbench import Comparison, Metric, Score

__all__ = ["$cls"]


class $cls(Metric):
    """Largest difference between the shares of an answer, in people and in the simulation.

    Formula: max over options of |human share - simulated share|, from 0 (alike) to 1. Its first line is what
    `simbench plugins` prints, the rest is its page in `simbench show metric NAME`: formula, direction, source.
    """

    name = "$name"
    headline = (("$name", None),)
    better: ClassVar[Mapping[str, str]] = {"$name": "lower"}

    def score(self, comparison: Comparison) -> Iterator[Score]:
        """One figure per item, and their mean: arrays of one number per row of weights (row 0 is the estimate)."""
        figures = []
        for item in comparison.design.items:
            human, simulated = (side.counts(item.name) for side in comparison.sides)
            people = [side.answered(item.name) for side in comparison.sides]
            if not all(people):
                yield Score.missing(self.name, "nobody answered it on one side", comparison.resamples, item=item.name)
                continue
            with np.errstate(invalid="ignore", divide="ignore"):  # a resample can lack everybody who answered
                shares = [counts / counts.sum(axis=1, keepdims=True) for counts in (human, simulated)]
            figures.append(np.abs(shares[0] - shares[1]).max(axis=1))
            yield Score(
                self.name,
                figures[-1],
                item=item.name,
                n_human=people[0],
                n_simulated=people[1],
                bias="population",  # chance alone makes it larger, so its interval is not plain percentiles
            )
        if not figures:
            yield Score.missing(self.name, "no item was answered on both sides", comparison.resamples)
            return
        yield Score(self.name, np.mean(figures, axis=0), bias="population")
'''

PARTS = {"experiment": EXPERIMENT, "sampler": SAMPLER, "backend": BACKEND, "metric": METRIC}

HOOK = '''

@hookimpl
def simbench_${kind}s() -> tuple[type[$cls], ...]:
    """The ${kind}s of this plugin."""
    return ($cls,)
'''

OFFER = '''"""simbench ${kind}: $name."""

from __future__ import annotations

from simbench import hookimpl

from $module import $cls

PLUGIN_API = $api  # of the contracts it is written for
'''

TESTS = '''"""$cls keeps the contract of its kind."""

from __future__ import annotations

from simbench.testing import checks

from $module import $cls


@checks.parametrize("$kind", $cls)
def test_contract(check: checks.Check) -> None:
    """One test per check; `simbench check $kind $name` runs the same."""
    check()
'''

PYPROJECT = """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$package"
version = "0.1.0"
description = "simbench $kind: $name"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["simbench-eval>=0.1,<0.2", "numpy>=1.26,<3"$more]

[project.optional-dependencies]
dev = ["mypy>=1.11", "pandas-stubs", "pytest>=8", "ruff>=0.6"]

[project.entry-points.simbench]
$name = "$package_module"

[tool.hatch.build.targets.wheel]
packages = ["src/$package_module"]

[tool.mypy]
strict = true

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.ruff]
line-length = 118
"""

README = """# $package

simbench $kind `$name`.

```
pip install -e '.[dev]'
simbench check $kind $name
$run
pytest && mypy src tests && ruff check .
```
"""

RUNS = {
    "experiment": "simbench experiment=$name backend=tabular sampler=random",
    "sampler": "simbench experiment=information_disclosure backend=tabular sampler=$name",
    "backend": "simbench experiment=information_disclosure backend=$name sampler=random",
    "metric": "simbench experiment=information_disclosure backend=tabular sampler=random metric=[$name]",
}


def write_plugin(kind: str, name: str, package: str, folder: Path) -> list[Path]:
    """Write a plugin of a kind into a folder; returns the files.

    ``package`` empty: into ``simbench_plugins.py``, behind what is there; else a distribution in a folder of its own.
    Raises ConfigError for a name that cannot be, or for files that are there already.
    """
    if not NAME.fullmatch(name) or not name.isascii() or keyword.iskeyword(name):
        raise ConfigError(f"a name is a letter, then letters, digits and underscores; found {name!r}")
    if package and not re.fullmatch(r"[A-Za-z]\w*(-\w+)*", package, flags=re.ASCII):
        raise ConfigError(f"--package: expected the name of a distribution, such as simbench-lab; found {package!r}")
    module = package.replace("-", "_").lower()
    words = {
        "name": name,
        "kind": kind,
        "cls": "".join(part[:1].upper() + part[1:] for part in name.split("_")),
        "api": str(PLUGIN_API),
        "package": package,
        "package_module": module,
        "module": f"{module}.{name}",
        "more": ', "pandas>=2.2,<4"' if kind == "experiment" else "",
    }
    words["run"] = Template(RUNS[kind]).substitute(words)
    filled = {part: Template(text).substitute(words) for part, text in _parts(kind).items()}
    if not package:
        return [_inline(kind, folder / f"{INLINE}.py", filled)]
    root, source = folder / package, folder / package / "src" / module
    if root.exists():
        raise ConfigError(f"{root.name} is there already: choose another name, or take it away")
    files = {
        root / "pyproject.toml": filled["pyproject"],
        root / "README.md": filled["readme"],
        source / "__init__.py": filled["offer"] + filled["hook"],
        source / f"{name}.py": filled["part"],
        source / "py.typed": "",
        root / "tests" / f"test_{name}.py": filled["tests"],
    }
    return [_written(path, text) for path, text in files.items()]


def _parts(kind: str) -> dict[str, str]:
    texts = {"part": PARTS[kind], "offer": OFFER, "hook": HOOK, "tests": TESTS, "pyproject": PYPROJECT}
    return texts | {"readme": README}


def _inline(kind: str, path: Path, filled: Mapping[str, str]) -> Path:
    """The plugin file of a folder with the part in it, behind what is there."""
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    if f"def simbench_{kind}s(" in known:
        raise ConfigError(
            f"{path.name} has a function simbench_{kind}s already; begin with --package, or write the class there "
            "and add it to what that function returns"
        )
    head, exported, body = re.split(r"(?m)^(__all__ = .*\n)", filled["part"])
    del exported
    head = re.sub(r"(?m)^from simbench import (.*)$", lambda found: f"from simbench import {_with(found[1])}", head)
    if not known:
        return _written(
            path, f"{head}PLUGIN_API = {PLUGIN_API}  # of the contracts it is written for\n{body}{filled['hook']}"
        )
    imports = [line for line in head.splitlines() if re.match(r"(from|import) (?!__future__)", line)]
    late = "\n".join(f"{line}  # noqa: E402, F811" for line in imports)
    return _written(path, f"{known.rstrip()}\n\n\n{late}\n{body}{filled['hook']}")


def _with(names: str) -> str:
    """Imported names and ``hookimpl``, as linters order them."""
    return ", ".join(sorted({*names.split(", "), "hookimpl"}, key=lambda name: (name.islower(), name)))


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    return path
