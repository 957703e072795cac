"""What a model says at every item of people who really answered: once through it, given their own answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simbench.backends.base import Workspace
from simbench.interview import Transcript
from simbench_local.answering import check_lengths, score_group
from simbench_local.encode import Encoder
from simbench_local.loading import Loaded
from simbench_local.scoring import Request, Scored

__all__ = ["look_up"]


def look_up(
    loaded: Loaded,
    encoder: Encoder,
    transcripts: Sequence[Transcript],
    workspace: Workspace,
    title: str,
    batch_size: int = 0,
) -> list[Scored]:
    """One Scored per transcript, in their order; every item is asked given the person's own answers before."""
    groups: dict[tuple[str, Any], list[Request]] = {}
    answers: dict[Request, Mapping[str, Any]] = {}
    for transcript in transcripts:
        interview = transcript.interview
        request = Request(tuple(encoder.interview(interview)), interview)
        groups.setdefault((interview.shared, interview.items), []).append(request)
        answers[request] = transcript.answers
    check_lengths(loaded, encoder, list(answers))
    found: dict[Request, Scored] = {}
    with workspace.progress.task(title, len(transcripts), "transcripts") as task:
        for (_, items), requests in groups.items():

            def said(request: Request, position: int, *_: Any, items: Any = items) -> int:
                item = items[position]
                return int(item.code(answers[request][item.name]))

            for _, batch in score_group(loaded, encoder.plan(items), requests, said, batch_size):
                task.advance(len(batch))
                found |= {one.request: one for one in batch}
    return [found[request] for request in answers]
