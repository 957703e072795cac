"""Value labels of SPSS and Stata files, as the words of what a study does not word itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simbench.experiments.binaries import read_labels
from simbench.experiments.files import regular_file

__all__ = ["LABELLED", "labelled"]

LABELLED = (".sav", ".dta")
LARGEST_FILE = 2**30


def labelled(content: Mapping[Any, Any], path: Path, setting: str) -> dict[Any, Any]:
    """What stands in a study's YAML file, with the table's labels where it gives no words.

    Those are the ``options`` of an item that has neither these nor ``bins``, and the ``levels`` of a profile variable
    that has neither, where every value in the table has a label. Whatever is computed (``from``, ``recode``) is left
    alone. Values that the table or the study declares missing are none of them; in text, labels are left alone.
    """
    found = dict(content)
    lacking = {
        (part, name): section or {}
        for part, key in (("items", "options"), ("profile", "levels"))
        for name, section in _sections(found.get(part)).items()
        if not {key, "bins", "from", "recode"} & set(section or {})
    }
    if not lacking:
        return found
    try:
        labels, whole = read_labels(regular_file(path, setting, LARGEST_FILE), setting)
    except (ValueError, LookupError, ArithmeticError, TypeError, NotImplementedError):
        return found  # what is wrong with the file is said when its table is read
    columns = found.get("columns")
    theirs = columns if isinstance(columns, dict) else {}
    for (part, name), section in lacking.items():
        asked = next(iter(_sections(section.get("battery"))), name)
        column = theirs.get(asked, asked)
        gone = {str(each) for where in (found, section) for each in _listed(where.get("missing"))}
        words = {value: word for value, word in labels.get(column, {}).items() if str(value) not in gone}
        if words and (part == "items" or whole.get(column, set()) <= {*words, *labels[column]}):
            found[part] = {**found[part], name: {**section, "options" if part == "items" else "levels": words}}
    return found


def _sections(found: Any) -> dict[Any, Any]:
    if not isinstance(found, dict):
        return {}
    return {name: section for name, section in found.items() if isinstance(section, dict | str | None)}


def _listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, list | dict) else []
