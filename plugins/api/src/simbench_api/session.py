"""One run's asking: the settings worked out once, live or by batches, and the record of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from simbench.backends.base import Answer, Model, Task, Workspace
from simbench.interview import Interview, Message, Transcript
from simbench.ledger import SPEND, Ledger
from simbench_api.batches import Batches, BatchLimits
from simbench_api.blending import Pool
from simbench_api.budget import Purse
from simbench_api.desk import Desk, Pending
from simbench_api.engine import Limits, Traffic
from simbench_api.intents import Intents
from simbench_api.live import Live
from simbench_api.notices import Notices
from simbench_api.talk import Manner, Talk
from simbench_api.terms import Terms
from simbench_api.wire import Provider

__all__ = ["Session"]


class Session:
    """Everything between a backend's settings and the answers to one run's interviews."""

    def __init__(
        self,
        terms: Terms,
        called: str,
        model: Model,
        workspace: Workspace,
        examples: Sequence[Message],
        ready: Callable[[], Provider],
        pool: Pool | None = None,
    ) -> None:
        self.terms = terms
        self.config = terms.config
        self.workspace = workspace
        self.called = called
        self.ready = ready
        self.settled = terms.settled(called)
        self.pool = pool
        self.manner = self._manner(examples)
        self.traffic = Traffic()
        adapted = float(model.parameters.get("cost") or 0.0)
        self.ledger = Ledger(workspace.folder / SPEND, workspace.spent, by_request=True)
        self.desk = Desk(
            terms.request,
            {"backend": terms.name, "base_url": self.config.base_url, "version": terms.version},
            self.config.form,
            workspace.seed,
            terms.price(called),
            Purse(workspace.budget, adapted, self.ledger),
            workspace.cache,
            notices=Notices(workspace.progress.say),
            most_per_piece=max(1.0, terms.per_piece[1]),
            batched="batch" in self.settled.sent,
        )

    def _manner(self, examples: Sequence[Message]) -> Manner:
        sent = self.settled.sent
        return Manner(
            model=self.called,
            form=self.config.form,
            settings={name: sent[name] for name in ("temperature", "top_p", "logprobs") if name in sent},
            enforce="json_schema" in sent,
            reask=self.config.reask,
            seed=self.workspace.seed,
            seeded=self.settled.seeded,
            limit=self.terms.answer_limit,
            examples=examples,
            pool=self.pool,
            exact="choice" in sent,
            temperature=1.0 if self.config.temperature is None else self.config.temperature,
        )

    def answers(self, interviews: Sequence[Interview]) -> Iterator[Answer]:
        """Yield an Answer per interview: from the cache, then live or by batches."""
        talks = (Talk(interview, self.manner) for interview in interviews)
        yield from self._answers(talks, len(interviews), f"asking {self.called}")

    def likelihoods(self, transcripts: Sequence[Transcript]) -> Iterator[Answer]:
        """Yield, per transcript, the probabilities of every item behind the person's own answers before it."""
        talks = (Talk(each.interview, self.manner, each.answers) for each in transcripts)
        yield from self._answers(talks, len(transcripts), f"asking {self.called} about real answers")

    def _answers(self, talks: Iterator[Talk], count: int, title: str) -> Iterator[Answer]:
        outcomes = self.desk.begin(talks)
        ask = self._in_batches if "batch" in self.settled.sent else self._live
        with self.workspace.progress.task(title, count, "participants") as task:
            try:
                for answer in ask(outcomes, task):
                    task.advance()
                    yield answer
            finally:
                self.ledger.close()

    def _live(self, outcomes: Iterator[Answer | Pending], task: Task) -> Iterator[Answer]:
        config = self.config
        limits = Limits(
            config.concurrency,
            config.requests_per_minute,
            config.request_timeout,
            config.give_up_after,
            config.retry_after_cap,
        )
        live = Live(self.desk, self.ready, limits, task, self.workspace.progress.say)
        try:
            yield from live.answers(outcomes)
        finally:
            self.traffic = live.traffic

    def _in_batches(self, outcomes: Iterator[Answer | Pending], task: Task) -> Iterator[Answer]:
        waiting: list[Pending] = []
        for outcome in outcomes:
            if isinstance(outcome, Pending):
                waiting.append(outcome)
            else:
                yield outcome
        if not waiting:
            return
        config, provider = self.config, self.ready()
        batches = Batches(
            self.desk,
            provider,
            Intents(self.workspace.folder),
            self.workspace.run_id,
            self.workspace.progress,
            self.terms.patience(self.workspace.progress.say),
            BatchLimits(
                config.batch_size,
                config.batch_tokens,
                config.batch_rounds,
                config.poll_seconds,
                config.doubt_seconds,
            ),
        )
        try:
            for answer in batches.answers(waiting):
                task.note(str(self.desk.purse))
                yield answer
        finally:
            provider.close()

    def record(self) -> dict[str, Any]:
        """What the manifest should hold of this session."""
        price = self.desk.price
        return {
            "model": self.called,
            "base_url": self.config.base_url,
            "api_version": self.terms.version or None,
            "requested": dict(self.settled.requested),
            "sent": dict(self.settled.sent),
            "dropped": dict(self.settled.dropped),
            "seeded": self.settled.seeded,
            "max_tokens": self.manner.limits_used(),
            "capabilities": self.terms.capabilities(self.called).to_json(),
            "served": dict(self.desk.served),
            "from_cache": self.desk.from_cache,
            "traffic": self.traffic.to_json(),
            "spent": None if self.desk.purse.unknown else round(self.desk.purse.spent, 6),
            "doubtful": round(self.desk.purse.doubtful, 6),
            "price": None if price is None else {"as_of": price.as_of, "source": price.source, "model": price.model},
        }
