"""Plugins are found, broken ones isolated, duplicates named, blocked ones left out, and nothing heavy is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simbench.errors import ConfigError
from simbench.plugin.hookspecs import KINDS
from simbench.plugin.manager import load_plugins

HEAVY = ("torch", "transformers", "peft", "openai", "anthropic", "sklearn", "statsmodels", "matplotlib")
SAMPLER = """
import numpy as np
from simbench import Draw, People, Sampler, hookimpl

class {cls}(Sampler):
    "Everybody with an even row number."
    name = "{name}"

    def draw(self, people, rng):
        return Draw(range(0, len(people), 2))

@hookimpl
def simbench_samplers():
    return ({cls},)
"""


def install(site: Path, distribution: str, module: str, source: str) -> None:
    """Lay out an installed distribution with an entry point, as an installer leaves it."""
    (site / f"{module}.py").write_text(source)
    info = site / f"{distribution.replace('-', '_')}-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(f"[simbench]\n{module} = {module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; from simbench.plugin.manager import load_plugins; load_plugins(); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_every_kind_has_builtins(tmp_path: Path) -> None:
    registry = load_plugins(tmp_path)
    assert {entry.kind for entry in registry if entry.distribution == "simbench-eval"} == set(KINDS)
    assert not registry.broken
    assert all(entry.summary.endswith((".", "!", "?")) for entry in registry)


def test_an_installed_plugin_is_found(site: Path, tmp_path: Path) -> None:
    install(site, "even-sampler", "even_one", SAMPLER.format(cls="Even", name="even"))
    entry = load_plugins(tmp_path).get("sampler", "even")
    assert (entry.distribution, entry.version) == ("even-sampler", "2.5")
    assert entry.summary == "Everybody with an even row number."


def test_a_broken_plugin_is_named_and_left_out(site: Path, tmp_path: Path) -> None:
    install(site, "bad-one", "bad_one", "import a_module_that_is_not_there\n")
    install(site, "even-sampler", "even_two", SAMPLER.format(cls="Even", name="even"))
    registry = load_plugins(tmp_path)
    assert [(lost.name, lost.distribution) for lost in registry.broken] == [("bad_one", "bad-one")]
    assert "a_module_that_is_not_there" in registry.broken[0].error
    assert registry.get("sampler", "even")
    assert registry.get("backend", "uniform")
    with pytest.raises(ConfigError, match=r"bad_one.*left out.*a_module_that_is_not_there"):
        registry.get("backend", "bad_one")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("from simbench import hookimpl\n@hookimpl\ndef simbench_samplers():\n    return (int,)\n", "not a subclass"),
        ("from simbench import hookimpl\n@hookimpl\ndef simbench_smplers():\n    return ()\n", "simbench_smplers"),
        (SAMPLER.format(cls="Odd", name="no good name!"), "letters, digits"),
        (SAMPLER.format(cls="Odd", name="odd").replace("def draw", "def drew"), "does not implement draw"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_left_out(site: Path, tmp_path: Path, source: str, fault: str) -> None:
    module = f"bad_{abs(hash(fault)) % 10**8}"
    install(site, "bad-one", module, source)
    (lost,) = load_plugins(tmp_path).broken
    assert fault in lost.error


def test_a_name_that_two_plugins_offer_is_nobodys_and_both_are_named(site: Path, tmp_path: Path) -> None:
    install(site, "one-sampler", "even_three", SAMPLER.format(cls="Even", name="even"))
    install(site, "other-sampler", "even_four", SAMPLER.format(cls="Other", name="even"))
    registry = load_plugins(tmp_path)
    with pytest.raises(
        ConfigError, match=r"one-sampler 2\.5.*other-sampler 2\.5|other-sampler 2\.5.*one-sampler 2\.5"
    ):
        registry.get("sampler", "even")
    assert registry.get("sampler", "balanced")
    unblocked = load_plugins(tmp_path, {"SIMBENCH_DISABLE_PLUGINS": "other-sampler"})
    assert unblocked.get("sampler", "even").distribution == "one-sampler"


def test_blocking_by_entry_point_name(site: Path, tmp_path: Path) -> None:
    install(site, "even-sampler", "even_five", SAMPLER.format(cls="Even", name="even"))
    registry = load_plugins(tmp_path, {"SIMBENCH_DISABLE_PLUGINS": "nothing, even_five"})
    with pytest.raises(ConfigError, match="no sampler 'even'"):
        registry.get("sampler", "even")


def test_a_plugin_that_is_not_installed_says_what_to_install(tmp_path: Path) -> None:
    registry = load_plugins(tmp_path, {"SIMBENCH_DISABLE_PLUGINS": "simbench-local,simbench-studies"})
    with pytest.raises(ConfigError, match="pip install simbench-local"):
        registry.get("backend", "local")
    with pytest.raises(ConfigError, match="pip install simbench-studies"):
        registry.get("experiment", "framing")


def test_the_closest_name_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'balanced'"):
        load_plugins(tmp_path).get("sampler", "ballanced")


def test_plugins_are_listed_as_json() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "simbench", "plugins", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = json.loads(listed.stdout)["plugins"]
    assert {"kind", "name", "people", "summary", "distribution", "version"} == set(rows[0])
    assert ("backend", "uniform") in {(row["kind"], row["name"]) for row in rows}
    people = {row["name"]: row["people"] for row in rows}
    told = {name: people[name] for name in ("information_disclosure", "yaml", "uniform")}
    assert told == {"information_disclosure": "synthetic", "yaml": "", "uniform": ""}


def test_every_hook_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"simbench_{kind}s" not in page] == []


def test_the_public_names_can_be_seen_and_asked_for_and_import_nothing_heavy() -> None:
    words = "import sys, simbench; assert set(simbench.__all__) <= set(dir(simbench)); simbench.errors.ConfigError; "
    words += "print([m for m in ('pandas', 'numpy', 'hydra') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
