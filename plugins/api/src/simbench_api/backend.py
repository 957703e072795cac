"""The base of every backend behind an API: a provider's plugin adds the provider, and no more."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from simbench.backends.base import Answer, Backend, Estimate, Model, Workspace
from simbench.errors import ConfigError, CredentialsError, DataError, ModelError, Problem, UnsupportedError
from simbench.files import read_object, write_json
from simbench.interview import Interview, Message, Transcript
from simbench_api.capabilities import Declared
from simbench_api.config import ApiConfig
from simbench_api.terms import Terms
from simbench_api.tokens import ORDINARY

if TYPE_CHECKING:
    from simbench_api.session import Session
    from simbench_api.wire import Ask, Provider

__all__ = ["ApiBackend"]

A = TypeVar("A", bound=ApiConfig)
EXAMPLES = "few_shot.json"
PROBED = "probed.json"
ONE_BY_ONE = (
    "backend.elicitation=turns and backend.logprobs=true, or backend.elicitation=choice at a server that scores"
)
ITEM_BY_ITEM = (
    f"how likely the model finds real answers can be asked item by item only: it takes {ONE_BY_ONE}, and a model "
    "that gives probabilities"
)


class ApiBackend(Backend[A]):
    """Answers interviews through an API: cached, retried, paid for once, and recorded.

    A subclass sets ``name``, ``Config`` (a subclass of :class:`ApiConfig`) and ``table`` (what is declared
    of the provider's models), and implements :meth:`provider`; one whose provider finetunes also
    :meth:`finetune`. ``own_host`` is the provider's, where the shutdown dates of the table hold.
    """

    scores_for_money: ClassVar[bool] = True
    table: ClassVar[Sequence[Declared]] = ()
    own_host: ClassVar[str] = ""

    def __init__(self, config: A) -> None:
        super().__init__(config)
        self._record: dict[str, Any] = {}
        self._found_out: dict[str, bool] = {}
        self._looked_up = not config.check_model
        self._met = False
        self._say: Callable[[str], None] = lambda _: None

    @property
    def version(self) -> str:
        """The version of the API that is spoken, where a provider has several."""
        return ""

    @abstractmethod
    def provider(self, key: str) -> Provider:
        """The API, spoken to with this key. Called where something is about to be sent; may import an SDK."""

    @abstractmethod
    def body(self, ask: Ask) -> dict[str, Any]:
        """The JSON body of a request. Needs no library of the provider's."""

    @property
    def writes(self) -> bool:
        """Answers are text; with probabilities of their tokens they are options."""
        return not self.config.logprobs and self.config.elicitation != "choice"

    @property
    def terms(self) -> Terms:
        """What is known before anything is sent."""
        config, found = self.config, self._found_out
        per_piece = self.tokens_per_piece() if config.host == self.own_host else ORDINARY
        table, unmet = self.declared(), self.meets() and not self._met
        return Terms(self.name, config, self.version, table, self.own_host, self.body, found, per_piece, unmet)

    def declared(self) -> Sequence[Declared]:
        """What is declared of the models at this address: the provider's table."""
        return self.table

    def meets(self) -> bool:
        """Whether a server is asked what it is before anything else, for free: see :meth:`meet`."""
        return False

    def meet(self, workspace: Workspace) -> None:
        """Settle what the server is, once per run: by what is known, or by asking it."""

    def tokens_per_piece(self) -> tuple[float, float]:
        """Fewest and most tokens that the provider's own model makes of a piece (see :mod:`simbench_api.tokens`)."""
        return ORDINARY

    def finetune(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Finetune on the pilot and return the handle of what came of it."""
        raise UnsupportedError(f"backend {self.name!r} cannot finetune; use backend.adapt=few_shot")

    def check_pilot(self, pilot: Sequence[Transcript]) -> None:
        """Refuse a pilot that the provider's finetuning would refuse. Local and free."""

    # -- what is known before anything is sent

    def check(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> None:
        """Refuse settings the model does not take, and a pilot that cannot be used. Local and free."""
        self.terms.settled()
        if self.config.adapt == "blend" and self.cannot_score():
            raise ConfigError(
                f"backend.adapt=blend pools the probabilities of the options, which are asked item by item: it takes "
                f"{ONE_BY_ONE}"
            )
        if self.config.mode == "batch" and self.config.elicitation in ("turns", "choice"):
            raise ConfigError(
                f"backend.mode=batch and elicitation={self.config.elicitation} do not go together: use "
                "elicitation=json or lines"
            )
        pilot_ids = {each.interview.participant_id for each in pilot}
        leaked = pilot_ids & {each.participant_id for each in interviews}
        if leaked and leaked != pilot_ids:
            some = ", ".join(sorted(leaked)[:5])
            raise DataError("pilot", [Problem("participant_id", "pilot and people asked apart, or all asked", some)])
        if self.config.adapt == "finetune" and pilot:
            self.check_pilot(pilot)
        if self.config.adapt == "blend" and pilot:
            from simbench.backends.blend import check_offered

            check_offered(pilot, interviews, "backend.adapt=blend", "few_shot")

    def estimate(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
        """Ranges of tokens and cost for adapting and answering. Local and free."""
        from simbench_api.estimate import estimate

        return estimate(self.terms, pilot, interviews, self.check)

    # -- at the point of sending

    def key(self) -> str:
        """The API key, without white space around it. CredentialsError names its variable, never its value."""
        name = self.config.key_env
        key = os.environ.get(name, "").strip()
        if not key:
            raise CredentialsError(f"backend {self.name!r} needs an API key in the environment variable {name}")
        if any(not "!" <= character <= "~" for character in key):
            raise CredentialsError(
                f"the environment variable {name} holds no key that can be sent: expected plain ASCII without white "
                f"space or line breaks inside, found another character. Set it again, the key alone"
            )
        return key

    def ready(self, model: str | None = None) -> Provider:
        """The provider, after the free checks that need the network: key, model, shutdown date."""
        from simbench_api.preflight import look_up
        from simbench_api.redact import Redactor, guarded

        key = self.key()
        provider = guarded(self.provider(key), Redactor(key))
        if not self._looked_up:
            try:
                self._record["model_found"] = look_up(provider, model or self.config.model, self.terms, self._say)
            except BaseException:
                provider.close()
                raise
            self._looked_up = True
        return provider

    def find_out(self, workspace: Workspace) -> None:
        """Meet a server, and probe an unknown model once per run, where the user allowed it."""
        if not self._met:
            self.meet(workspace)
            self._met = True
        if not self.config.probe or self._found_out:
            return
        path = workspace.folder / PROBED
        found = read_object(path)
        if found is None:
            from simbench.ledger import SPEND, Ledger
            from simbench_api.budget import Purse
            from simbench_api.preflight import probe

            provider, ledger = self.ready(), Ledger(workspace.folder / SPEND, workspace.spent)
            try:
                found = probe(provider, self.terms, Purse(workspace.budget, ledger=ledger))
            finally:
                ledger.close()
                provider.close()
            write_json(path, found)
        self._found_out = found

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """The unadapted model, also with what it is pooled with, examples for its prompt, or a finetuned model."""
        config = self.config
        self._say = workspace.progress.say
        self.find_out(workspace)
        self.terms.settled()
        parameters: dict[str, Any] = {"adapt": config.adapt if pilot else "none", "base_url": config.base_url}
        if not pilot or config.adapt == "none":
            return Model(self.name, config.model, parameters=parameters | {"adapt": "none"})
        if config.adapt == "finetune":
            from simbench_api.redact import Redactor

            redact = Redactor(self.key())
            with redact.cleaning():
                return self.finetune(pilot, replace(workspace, progress=redact.progress(workspace.progress)))
        if config.adapt == "blend":
            return self._blend(pilot, workspace, parameters)
        from simbench_api.fewshot import choose, example_messages

        chosen = choose(pilot, config.form, config.few_shot_tokens, workspace.seed)
        if not chosen:
            raise ConfigError(
                f"backend.few_shot_tokens: {config.few_shot_tokens} tokens hold not one transcript of the pilot"
            )
        text = json.dumps(example_messages(chosen, config.form), ensure_ascii=False)
        (workspace.folder / EXAMPLES).write_text(text, "utf-8")
        counts: dict[str, int] = {}
        for each in chosen:
            counts[each.interview.condition] = counts.get(each.interview.condition, 0) + 1
        parameters |= {"examples": len(chosen), "of": len(pilot), "by_condition": counts}
        return Model(self.name, config.model, EXAMPLES, _sha256(text), parameters)

    def _blend(self, pilot: Sequence[Transcript], workspace: Workspace, parameters: dict[str, Any]) -> Model:
        """Ask about the pilot's own answers, and learn how far the model is to be believed."""
        from simbench_api.blending import learn

        session = self._session(Model(self.name, self.config.model), workspace)
        usage: Counter[str] = Counter()

        def heard() -> Generator[Answer]:
            for answer in session.likelihoods(pilot):
                usage.update(answer.usage)
                yield answer

        answers = heard()
        try:
            parameters |= learn(pilot, answers, workspace)
        finally:
            answers.close()
            self._record |= {"adapting": session.record()}
        return Model(self.name, self.config.model, parameters=parameters | {"usage": dict(usage)})

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Yield an Answer per interview: from the cache, then live or by batches."""
        self._say = workspace.progress.say
        self.find_out(workspace)
        session = self._session(model, workspace)
        try:
            yield from session.answers(interviews)
        finally:
            self._record |= session.record()

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """Asked item by item behind the person's own answers, as participants are with ``turns`` and ``choice``."""
        self.find_out(workspace)
        sent = self.terms.settled(self.called(model)).sent
        if self.cannot_score() or not {"logprobs", "choice"} & set(sent):
            raise UnsupportedError(ITEM_BY_ITEM)
        return self._likelihoods(self._session(model, workspace), transcripts)

    def cannot_score(self) -> str:
        """What the settings lack; whether the model gives probabilities shows when it is asked."""
        one_by_one = self.config.elicitation == "turns" and self.config.logprobs
        return "" if one_by_one or self.config.elicitation == "choice" else ITEM_BY_ITEM

    def _session(self, model: Model, workspace: Workspace) -> Session:
        from simbench_api.blending import pool_of
        from simbench_api.session import Session

        called = self.called(model)
        examples, ready = self._examples(model, workspace), partial(self.ready, called)
        return Session(self.terms, called, model, workspace, examples, ready, pool_of(model))

    def _likelihoods(self, session: Session, transcripts: Sequence[Transcript]) -> Iterator[Answer]:
        try:
            yield from session.likelihoods(transcripts)
        finally:
            self._record |= {"likelihood": session.record()}

    def called(self, model: Model) -> str:
        """The name under which the model is called."""
        return model.base if model.adapter in (None, EXAMPLES) else str(model.adapter)

    def record(self) -> Mapping[str, Any]:
        """Requested, sent and dropped settings, capabilities, and what happened on the wire."""
        if "sent" in self._record or self.terms.unmet or (self.config.probe and not self._found_out):
            return self._record
        settled = self.terms.settled()  # nobody was asked: all had answered in an earlier attempt
        parts = {"requested": settled.requested, "sent": settled.sent, "dropped": settled.dropped}
        told = {name: {key: each for key, each in part.items() if key != "finetune"} for name, part in parts.items()}
        return {**told, **self._record}

    def _examples(self, model: Model, workspace: Workspace) -> list[Message]:
        if model.adapter != EXAMPLES:
            return []
        text = (workspace.folder / EXAMPLES).read_text("utf-8")
        if _sha256(text) != model.sha256:
            raise ModelError(f"{workspace.folder / EXAMPLES} is not what the run began with; start it anew")
        examples: list[Message] = json.loads(text)
        return examples


def _sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
