"""Free text, parsed: what API models do, for comparison with answering by choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from simbench.backends.base import Answer, Workspace
from simbench.interview import Interview, read
from simbench.stats.rng import generator
from simbench_local.answering import Before, check_lengths
from simbench_local.batches import fitting, halving
from simbench_local.config import LocalConfig
from simbench_local.encode import FORM, Encoder
from simbench_local.loading import Loaded
from simbench_local.reading import reading
from simbench_local.scoring import Request

__all__ = ["answer_by_writing"]


def answer_by_writing(
    loaded: Loaded,
    encoder: Encoder,
    interviews: Sequence[Interview],
    settings: LocalConfig,
    workspace: Workspace,
    before: Before = lambda _: (),
) -> Iterator[Answer]:
    """Yield one Answer per interview: ``ok``, ``invalid``, or ``truncated`` where the text was cut off."""
    requests = [Request(tuple(encoder.interview(each, before(each))), each) for each in interviews]
    check_lengths(loaded, encoder, requests)
    requests.sort(key=lambda request: len(request.prompt), reverse=True)
    writer = _Writer(loaded, encoder, settings, workspace.seed)

    def size(rest: Sequence[Request]) -> int:
        interview: Any = rest[0].key
        return settings.batch_size or fitting(loaded, len(rest[0].prompt), 0, encoder.plan(interview.items))

    with workspace.progress.task("answering", len(interviews), "participants") as task:
        for batch in halving(requests, size, writer.write):
            task.advance(len(batch))
            yield from batch


class _Writer:
    """Lets the model write, drawing every token from a stream of the participant's own."""

    def __init__(self, loaded: Loaded, encoder: Encoder, settings: LocalConfig, seed: int) -> None:
        self.loaded, self.encoder, self.settings, self.seed = loaded, encoder, settings, seed
        told = loaded.model.generation_config.eos_token_id
        with reading(f"{loaded.source.name}: the eos_token_id {told!r} of its generation_config.json is no number"):
            self.ends = {
                int(end) for end in (encoder.end, *(told if isinstance(told, list) else [told])) if end is not None
            }

    @torch.inference_mode()
    def write(self, batch: Sequence[Request]) -> list[Answer]:
        """Answers of one batch."""
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(len(request.prompt) for request in batch)
        tokens = torch.full((len(batch), width), self.encoder.end)
        mask = torch.zeros((len(batch), width), dtype=torch.int64)
        for row, request in enumerate(batch):
            tokens[row, width - len(request.prompt) :] = torch.tensor(request.prompt)
            mask[row, width - len(request.prompt) :] = 1
        longest = self.settings.max_new_tokens or max(map(self._room, batch))
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=longest,
            eos_token_id=sorted(self.ends),
            pad_token_id=self.encoder.end,
        )
        with self.loaded.plain() as model:
            out = model.generate(
                input_ids=tokens.to(self.loaded.device),
                attention_mask=mask.to(self.loaded.device),
                generation_config=config,
                logits_processor=LogitsProcessorList(self._drawing(batch, longest)),
            )
        return [self._answer(request, row) for request, row in zip(batch, out[:, width:].tolist(), strict=True)]

    def _room(self, request: Request) -> int:
        """Tokens for half as much again as the longest valid answer."""
        interview: Any = request.key
        plans = self.encoder.plan(interview.items)
        return int(1.5 * sum(len(plan.forced) + int(plan.tree.lengths.max()) for plan in plans)) + 8

    def _drawing(self, batch: Sequence[Request], longest: int) -> list[Any]:
        if self.settings.temperature == 0:
            return []
        points = []
        for request in batch:
            interview: Any = request.key
            rng = generator(self.seed, "local-text", interview.participant_id, interview.replicate)
            points.append(torch.from_numpy(rng.random(longest)))
        return [_Draws(torch.stack(points).to(self.loaded.device), self.settings.temperature)]

    def _answer(self, request: Request, written: Sequence[int]) -> Answer:
        interview: Any = request.key
        stop = next((i for i, token in enumerate(written) if token in self.ends), None)
        text = self.encoder.tokenizer.decode(written[:stop], skip_special_tokens=True)
        reading = read(text, interview.items, FORM)
        status = "ok" if reading.ok else "truncated" if stop is None else "invalid"
        return Answer(
            interview.participant_id,
            interview.replicate,
            status,
            answers=reading.answers,
            numbers=reading.numbers if reading.ok else {},
            text=text,
            error="; ".join(reading.problems) or None,
            usage={"input": len(request.prompt), "output": len(written[:stop])},
        )


class _Draws:
    """A logits processor that leaves one token: where row i's own number falls among the probabilities.

    ``generate``'s own sampling draws from one stream for the whole batch, so that a participant's words
    would depend on who else is in it.
    """

    def __init__(self, points: Tensor, temperature: float) -> None:
        self.points, self.temperature, self.step = points, temperature, 0

    def __call__(self, tokens: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) with all but the drawn token at minus infinity."""
        reached = torch.softmax(scores.float() / self.temperature, dim=-1).double().cumsum(dim=-1)
        wanted = self.points[:, self.step, None] * reached[:, -1:]
        self.step += 1
        drawn = torch.searchsorted(reached, wanted, right=True).clamp(max=scores.shape[1] - 1)
        return torch.full_like(scores, float("-inf")).scatter(1, drawn, 0.0)
