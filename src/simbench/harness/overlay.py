"""A study with words that its run did not have: new levels of factors, new vignettes, another introduction."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simbench.errors import ConfigError, closest
from simbench.experiments.sections import read_yaml

__all__ = ["overlaid", "read_overlay"]

KEYS = ("factors", "vignettes", "introduction")


def read_overlay(path: Path) -> dict[str, Any]:
    """The YAML file ``overlay=FILE``.

    Keys: ``factors`` (``{factor: {new value: word}}``), ``vignettes`` (``{condition: text}``, a condition being its
    levels' words with ``/`` between), ``introduction``. ConfigError for anything else.
    """
    content = {str(key): value for key, value in read_yaml(path, "overlay").items()}
    for key, value in content.items():
        if key not in KEYS:
            raise ConfigError(f"overlay: {path}: there is no key {key!r}{closest(key, KEYS)}")
        wanted = str if key == "introduction" else Mapping
        if not isinstance(value, wanted):
            kind = "text" if wanted is str else "a mapping"
            raise ConfigError(f"overlay: {path}: {key}: expected {kind}; found {value!r:.80}")
    for condition, text in content.get("vignettes", {}).items():
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"overlay: {path}: vignettes: {condition}: expected text; found {text!r:.80}")
    return content


def overlaid(record: Mapping[str, Any], overlay: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The record of a study with an overlay, and the conditions whose words it changed or made.

    Raises ConfigError for factors that the study does not have, levels that it has, vignettes of no condition.
    """
    from simbench.design import design_from_json

    content = copy.deepcopy(dict(record))
    factors = {factor["name"]: factor for factor in content["design"]["factors"]}
    for name, levels in overlay.get("factors", {}).items():
        if name not in factors:
            raise ConfigError(f"overlay: the study has no factor {name!r}{closest(str(name), factors)}")
        if not isinstance(levels, Mapping):
            raise ConfigError(f"overlay: factors: {name}: expected new levels as value: word; found {levels!r:.80}")
        known = factors[name]["levels"]
        pairs = [each if isinstance(each, list) else [each, str(each)] for each in known]
        for value, word in levels.items():
            if value in [each[0] for each in pairs] or str(word) in [each[1] for each in pairs]:
                raise ConfigError(f"overlay: factors: {name}: the study has a level {value!r} ({word!r}) already")
            pairs.append([value, str(word)])
        factors[name]["levels"] = pairs
    design = design_from_json(content["design"])
    changed = set(content["vignettes"]) if "introduction" in overlay else set()
    for condition, text in overlay.get("vignettes", {}).items():
        if condition not in design.conditions:
            known_ones = closest(str(condition), design.conditions)
            raise ConfigError(f"overlay: vignettes: there is no condition {condition!r}{known_ones}")
        content["vignettes"][condition] = text
        changed.add(condition)
    content["introduction"] = overlay.get("introduction", content["introduction"])
    return content, changed
