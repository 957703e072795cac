"""Adapter folders: what pins them, what they fit, and the card that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simbench.backends.base import Model
from simbench.errors import ModelError
from simbench_local.gguf import file_sha256
from simbench_local.reading import reading
from simbench_local.store import Source

__all__ = ["adapter_digest", "adapter_files", "check_base", "check_files", "in_order", "learned_from", "write_card"]

WEIGHTS = "adapter_model.safetensors"
SETTINGS = "adapter_config.json"
PRETRAINED = "manifest.json"

CARD = """---
library_name: peft
base_model: {base}
tags: [simbench, lora]
---
# LoRA adapter by simbench

Adapts **{title}** (`{base}`, revision `{revision}`) to the pilot of a behavioural experiment, so that it
answers the experiment's closed questions as the participants would.

| | |
| --- | --- |
| transcripts learned from | {learned_from} |
| transcripts watched, not learned from | {watched} |
| epochs trained / kept | {epochs} / {kept_epoch} |
| last mean loss (nats) | {loss:.4f} |
| seed | {seed} |

Recipe: `{recipe}`

It imitates the answers of the people in its pilot, with their characteristics as given. It is made for
measuring how well such imitation works; it knows nothing of any real person and is not fit to decide
anything about one. The pilot's answers can partly be recovered from an adapter: share it as you would the data.
"""


def adapter_files(folder: Path) -> dict[str, str]:
    """sha256 of each file that an adapter consists of: its weights and its configuration."""
    if not folder.is_dir():
        raise ModelError(f"there is no adapter {folder}: expected a folder with {WEIGHTS} and {SETTINGS}")
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} holds no adapter: {name} is missing")
    with reading(f"the adapter {folder} cannot be read"):
        return {name: file_sha256(folder / name) for name in (SETTINGS, WEIGHTS)}


def adapter_digest(files: Mapping[str, str]) -> str:
    """sha256 that pins an adapter: of the list that ``sha256sum`` would print of :func:`adapter_files`."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_files(folder: Path, model: Model) -> None:
    """ModelError unless an adapter is, byte for byte, the one that a handle was made for."""
    found = adapter_files(folder)
    if adapter_digest(found) == model.sha256:
        return
    known = model.parameters.get("adapter_files", {})
    changed = [name for name, digest in found.items() if known.get(name) != digest] or list(found)
    raise ModelError(
        f"the adapter {folder} is not the one that this run was made with: {' and '.join(changed)} changed or "
        f"damaged (expected sha256 {model.sha256}, found {adapter_digest(found)}). Put it back, or move the run's "
        "folder away to start anew."
    )


def check_base(folder: Path, source: Source) -> None:
    """ModelError if the adapter says that it was made for another model or another revision of it."""
    with reading(f"the adapter {folder}: {SETTINGS} is damaged"):
        told: dict[str, Any] = dict(json.loads((folder / SETTINGS).read_text()))
    base, revision = told.get("base_model_name_or_path"), told.get("revision")
    if base and base not in (source.name, str(source.folder)):
        raise ModelError(f"the adapter {folder} was made for {base}, and backend.model is {source.name}")
    if revision and source.revision and revision != source.revision:
        raise ModelError(
            f"the adapter {folder} was made for revision {revision} of {base}, and this is {source.revision}"
        )


def learned_from(folder: Path) -> list[dict[str, Any]]:
    """The studies that an adapter was pretrained on, as ``simbench pretrain`` wrote beside it; none elsewhere."""
    path = folder / PRETRAINED
    if not path.exists():
        return []
    with reading(f"{path}, which says what the adapter was learned from, is damaged"):
        told = dict(json.loads(path.read_text()))
        return [dict(each) for each in told["studies"]]


def in_order(folder: Path) -> None:
    """Write an adapter's configuration so that one adapter has one text: peft lists sets in any order."""
    path = folder / SETTINGS
    told = json.loads(path.read_text())
    if isinstance(told.get("target_modules"), list):
        told["target_modules"].sort()
    path.write_text(json.dumps(told, indent=2, sort_keys=True))


def write_card(folder: Path, source: Source, log: Mapping[str, Any]) -> None:
    """Write the adapter's README."""
    (folder / "README.md").write_text(
        CARD.format(
            base=source.name,
            title=source.title,
            revision=source.revision or "a local folder",
            learned_from=log["learned_from"],
            watched=log["watched"],
            epochs=len(log["epochs"]),
            kept_epoch=log["kept_epoch"],
            loss=log["epochs"][-1]["loss"],
            seed=log["seed"],
            recipe=json.dumps(log["recipe"]),
        )
    )
