"""What is damaged in a run's folder, and what can stand all the same."""

from __future__ import annotations

from collections.abc import Sequence

from simbench.backends.base import Progress
from simbench.errors import StorageError
from simbench.files import storage
from simbench.harness.config import Plan
from simbench.harness.journal import Journal
from simbench.harness.responses import AGAIN, JOURNAL
from simbench.harness.store import MANIFEST, RunFolder

__all__ = ["accept_loss", "answered", "damage"]


def damage(folder: RunFolder) -> list[str]:
    """The files of a run's folder that are not what was written."""
    try:
        return folder.damaged()
    except StorageError:
        return [MANIFEST]


def answered(folder: RunFolder, plan: Plan, damaged: Sequence[str]) -> bool:
    """Whether the run was done, its answers are whole, and nobody is to be asked again."""
    if {MANIFEST, "responses.parquet"} & set(damaged):
        return False
    manifest = folder.manifest
    if manifest.get("status") != "done":
        return False
    again = plan.settings.retry_failed and any(manifest["outcomes"]["all"].get(status) for status in AGAIN)
    return not again


def accept_loss(folder: RunFolder, progress: Progress) -> None:
    """Go on with what is left of a damaged journal: the answers are whole in their frame, nobody is asked again."""
    path = folder / JOURNAL
    words = f"{path} is damaged: lines are gone"
    if path.is_dir():
        words = f"{path} is damaged: a folder is in its place, and is left to you"
    else:
        with storage(path):
            if not path.exists():
                path.unlink(missing_ok=True)  # a link that leads nowhere
                path.touch()
        words = Journal(path).set_aside_damage() or words
        folder.made(JOURNAL)
        folder.update(journal_lost=words)
    progress.say(f"{words}. The answers themselves are whole in responses.parquet; what is lost are raw texts")
