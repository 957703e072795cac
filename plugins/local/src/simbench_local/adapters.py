"""Adapter folders: what pins them, what they fit, and the card that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simbench.errors import ModelError
from simbench_local.store import Source

__all__ = ["adapter_digest", "check_base", "write_card"]

WEIGHTS = "adapter_model.safetensors"

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


def adapter_digest(folder: Path) -> str:
    """sha256 of an adapter's weights."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{folder} holds no adapter in safetensors ({WEIGHTS} is missing)")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_base(folder: Path, source: Source) -> None:
    """ModelError if the adapter says that it was made for another model or another revision of it."""
    told: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
    base, revision = told.get("base_model_name_or_path"), told.get("revision")
    if base and base not in (source.name, str(source.folder)):
        raise ModelError(f"the adapter {folder} was made for {base}, and backend.model is {source.name}")
    if revision and source.revision and revision != source.revision:
        raise ModelError(
            f"the adapter {folder} was made for revision {revision} of {base}, and this is {source.revision}"
        )


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
