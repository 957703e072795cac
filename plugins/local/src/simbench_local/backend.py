"""``backend=local``: adapting and asking an open model on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Answer, Backend, Estimate, Model, Workspace
from simbench.design import Value
from simbench.errors import UnsupportedError
from simbench.interview import Interview, Transcript
from simbench_local.adapters import adapter_digest
from simbench_local.config import LocalConfig
from simbench_local.quiet import quiet, quietly

if TYPE_CHECKING:
    from simbench_local.answering import Before
    from simbench_local.encode import Encoder
    from simbench_local.loading import Loaded, Placement
    from simbench_local.store import Source
    from simbench_local.training import Recipe

__all__ = ["Local"]

ADAPTER = "adapter"
FOLDS = "folds"
SHOTS = "few_shot.json"


class Local(Backend[LocalConfig]):
    """An open language model on this machine, adapted by LoRA and asked by exact option probabilities."""

    name = "local"
    Config = LocalConfig

    def __init__(self, config: LocalConfig) -> None:
        super().__init__(config)
        self._facts: dict[str, Any] = {}
        self._found: Source | None = None
        self._asked: Sequence[Interview] = ()
        self._announced = False

    @property
    def writes(self) -> bool:
        """Whether answers are generated text, and not choices among options."""
        return self.config.decoding == "generate"

    def check(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> None:
        """Refuse a model's name or an adapter that cannot be, before anything is imported or loaded."""
        from simbench_local.store import check_name

        self._asked = interviews
        check_name(self.config.model, self.config.revision or None)
        if self.config.adapter:
            self._own_adapter()
        if pilot and self.config.adapt in ("head", "blend", "blend_finetuned"):
            from simbench.backends.blend import check_offered

            check_offered(pilot, interviews, "backend.adapt=head or blend", "calibrate or finetune")

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Finetune, calibrate, or choose examples; an empty pilot gives the unadapted model."""
        with quiet():
            return self._adapt(pilot, workspace)

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Answer batch by batch."""
        return quietly(self._respond(model, interviews, workspace))

    def score(self, model: Model, transcripts: Sequence[Transcript], workspace: Workspace) -> Iterator[Answer]:
        """The very probabilities that answers are drawn from, calibration and temperature included."""
        if refused := self.cannot_score():
            raise UnsupportedError(refused)
        own = {each.interview.key: each.answers for each in transcripts}
        return quietly(self._respond(model, [each.interview for each in transcripts], workspace, own))

    def cannot_score(self) -> str:
        """Only answers that are chosen among the options have probabilities."""
        if self.config.decoding == "choice":
            return ""
        return (
            "with backend.decoding=generate answers are parsed from free text, whose probabilities are not "
            "known; decoding=choice knows them"
        )

    def _adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        settings = self.config
        self._place()
        source = self._source(settings.model, settings.revision, workspace)
        how = settings.adapt if pilot else "none"
        parameters: dict[str, Any] = {"adapt": how, "revision": source.revision, "title": source.title}
        adapter = start = None
        if settings.adapter:
            from simbench_local.adapters import check_base

            start, files = self._own_adapter()
            check_base(start, source)
            adapter, parameters["adapter_files"] = str(start), files
        if how in ("finetune", "blend_finetuned"):
            adapter = ADAPTER
            parameters |= self._finetune(source, start, pilot, workspace)
        elif how == "calibrate":
            parameters["calibration"] = self._calibrate(source, adapter, pilot, workspace)
        elif how in ("head", "blend"):
            parameters |= self._learn(source, adapter, pilot, workspace, how)
        elif how == "few_shot":
            from simbench_local.shots import Shots

            parameters["shots"] = min(settings.shots, len(pilot))
            shots = Shots.of(pilot, settings.shots, workspace.seed)
            parameters["shots_sha256"] = shots.save(workspace.folder / SHOTS)
        digest = adapter_digest(parameters["adapter_files"]) if adapter else None
        return Model(self.name, source.name, adapter, digest, parameters)

    def _respond(
        self,
        model: Model,
        interviews: Sequence[Interview],
        workspace: Workspace,
        own: Mapping[tuple[str, int], Mapping[str, Value]] | None = None,
    ) -> Iterator[Answer]:
        from simbench_local.answering import Chooser, answer_by_choice
        from simbench_local.encode import Encoder
        from simbench_local.shots import Shots
        from simbench_local.voices import voice_of

        how = model.parameters["adapt"]
        shots = (
            Shots.load(workspace.folder / SHOTS, model.parameters.get("shots_sha256")) if how == "few_shot" else None
        )
        before = shots.before if shots else lambda _: ()
        self._place()
        source = self._source(model.base, model.parameters["revision"], workspace)
        voice = voice_of(model, workspace.folder)
        loaded = self._load(source, self._pinned_adapter(model, workspace), workspace)
        loaded = replace(loaded, watched=voice.watched)
        encoder = Encoder(loaded.tokenizer)
        if not self._announced or own is not None:
            self._announce(loaded, encoder, (), interviews, workspace, before=before, looked_up=own is not None)
        if self.config.decoding == "generate":
            from simbench_local.generation import answer_by_writing

            yield from answer_by_writing(loaded, encoder, interviews, self.config, workspace, before)
            return
        chooser = Chooser(workspace.seed, self.config.temperature, voice.forecast)
        size = self.config.batch_size
        yield from answer_by_choice(loaded, encoder, interviews, chooser, workspace, before, size, own)

    def estimate(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
        """Tokens, time and memory, from the model's shape and a short measurement of this machine."""
        self.check(pilot, interviews)
        with quiet():
            from simbench_local.estimate import forecast

            return forecast(self.config, pilot, interviews)

    def learned_before(self) -> Sequence[Mapping[str, Any]]:
        """What stands beside the adapter that ``backend.adapter`` names."""
        from simbench_local.adapters import learned_from

        return learned_from(self._own_adapter()[0]) if self.config.adapter else ()

    def record(self) -> Mapping[str, Any]:
        """Device, number format and versions, once a model was loaded."""
        return dict(self._facts)

    def _place(self) -> Placement:
        from simbench_local.loading import place

        return place(self.config.device, self.config.dtype, self.config.four_bit)

    def _source(self, model: str, revision: str | None, workspace: Workspace) -> Source:
        """The model on this machine; found, and what is in its folder verified, once."""
        from simbench_local.store import resolve

        if self._found is None or (self._found.name, self._found.revision) != (model, revision):
            self._found = resolve(model, revision or None, workspace.progress.say)
        return self._found

    def _load(self, source: Source, adapter: Path | None, workspace: Workspace, learning: bool = False) -> Loaded:
        from simbench_local.loading import describe, load

        placement = self._place()
        workspace.progress.say(f"loading {source.title} on {placement.device} in {placement.dtype}")
        loaded = load(source, placement, adapter, learning)
        self._facts = {**describe(placement), "prefix_sharing": loaded.shared}
        return loaded

    def _announce(
        self,
        loaded: Loaded,
        encoder: Encoder,
        pilot: Sequence[Transcript],
        interviews: Sequence[Interview],
        workspace: Workspace,
        epochs: int | None = None,
        before: Before = lambda _: (),
        looked_up: bool = False,
    ) -> None:
        """Say what is ahead and how long it will take, where that is long."""
        from simbench_local.estimate import Work, ahead

        self._announced = bool(interviews)
        work = Work.of(encoder, self.config, pilot, interviews, before, epochs, loaded.shared)
        for line in ahead(loaded, replace(work, looked_up=looked_up)):
            workspace.progress.say(line)

    def _own_adapter(self) -> tuple[Path, dict[str, str]]:
        """The folder that ``backend.adapter`` names, and the digests of its files."""
        from simbench_local.adapters import adapter_files
        from simbench_local.reading import reading

        with reading(f"backend.adapter: {self.config.adapter!r} is no folder"):
            path = Path(self.config.adapter).expanduser().resolve()
            return path, adapter_files(path)

    def _pinned_adapter(self, model: Model, workspace: Workspace) -> Path | None:
        """The adapter of a handle, refused unless it is byte for byte what the handle was made for."""
        from simbench_local.adapters import check_files

        if model.adapter is None:
            return None
        path = workspace.folder / model.adapter
        check_files(path, model)
        return path

    def _finetune(
        self, source: Source, start: Path | None, pilot: Sequence[Transcript], workspace: Workspace
    ) -> dict[str, Any]:
        from simbench_local.adapters import PRETRAINED, adapter_files, write_card
        from simbench_local.answering import check_lengths
        from simbench_local.encode import Encoder
        from simbench_local.loading import check_targets
        from simbench_local.scoring import Request
        from simbench_local.training import recipe_for, summary, train

        folder, recipe = workspace.folder / ADAPTER, recipe_for(len(pilot), self.config, start)
        if start is None:
            check_targets(source, self.config.target_names)
        loaded = self._load(source, None, workspace, learning=True)
        encoder = Encoder(loaded.tokenizer)
        asked = [transcript.interview for transcript in pilot]
        check_lengths(loaded, encoder, [Request(tuple(encoder.interview(each)), each) for each in asked])
        found: dict[str, Any] = {}
        tuned = not self.config.epochs or self.config.adapt == "blend_finetuned"
        if tuned:
            self._announce(loaded, encoder, pilot, self._asked, workspace)
            del loaded  # every training has a model of its own
            recipe, found = self._tuned(source, recipe, start, pilot, workspace)
            loaded = self._load(source, None, workspace, learning=True)

        def begin(epochs: int) -> None:
            if not tuned:
                self._announce(loaded, encoder, pilot, self._asked, workspace, epochs)

        log = train(loaded, pilot, recipe, workspace.seed, folder, workspace.progress, begin, start)
        write_card(folder, source, log)
        if start is not None and (start / PRETRAINED).exists():
            shutil.copy(start / PRETRAINED, folder / PRETRAINED)
        workspace.progress.say(f"learned from {summary(log)}")
        shutil.rmtree(workspace.folder / FOLDS, ignore_errors=True)
        facts = {name: log[name] for name in ("recipe", "learned_from")}
        return found | facts | {"adapter_files": adapter_files(folder)}

    def _tuned(
        self, source: Source, recipe: Recipe, start: Path | None, pilot: Sequence[Transcript], workspace: Workspace
    ) -> tuple[Recipe, dict[str, Any]]:
        """The recipe with its number of passes, and what a handle holds of how it was chosen and calibrated."""
        from simbench_local import passes
        from simbench_local.loading import load
        from simbench_local.voices import OWN, pooled

        pools, folds = self.config.adapt == "blend_finetuned", passes.deal(pilot, workspace.seed)
        if folds is None:
            workspace.progress.say(
                f"a pilot of {len(pilot)} is too small to choose passes and to calibrate in it: {recipe.epochs} "
                f"passes, as the model says it ({passes.TOO_SMALL})"
            )
            return recipe, pooled(pilot, {}, workspace) if pools else {}
        recipe = replace(recipe, validation=0.0)
        chosen = passes.choose(
            lambda: load(source, self._place(), learning=True),
            pilot,
            folds,
            recipe,
            range(self.config.epochs or 1, recipe.epochs + 1),
            replace(workspace, folder=workspace.folder / FOLDS),
            start,
            self.config.batch_size,
        )
        workspace.progress.say(chosen.in_words())
        found = {"passes": chosen.facts(), "calibration": chosen.calibration()}
        if pools:
            found |= pooled(pilot, {OWN: chosen.forecasts}, workspace)
        return replace(recipe, passes=chosen.passes), found

    def _learn(
        self, source: Source, adapter: str | None, pilot: Sequence[Transcript], workspace: Workspace, how: str
    ) -> dict[str, Any]:
        from simbench_local.encode import Encoder
        from simbench_local.voices import learn

        loaded = self._load(source, Path(adapter) if adapter else None, workspace)
        encoder = Encoder(loaded.tokenizer)
        self._announce(loaded, encoder, pilot, self._asked, workspace)
        return learn(loaded, encoder, pilot, workspace, how, adapter is not None, self.config.batch_size)

    def _calibrate(
        self, source: Source, adapter: str | None, pilot: Sequence[Transcript], workspace: Workspace
    ) -> dict[str, Any]:
        from simbench_local.calibration import calibrate
        from simbench_local.encode import Encoder

        loaded = self._load(source, Path(adapter) if adapter else None, workspace)
        encoder = Encoder(loaded.tokenizer)
        self._announce(loaded, encoder, pilot, self._asked, workspace)
        return calibrate(loaded, encoder, pilot, workspace, self.config.batch_size)
