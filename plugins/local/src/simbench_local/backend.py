"""``backend=local``: adapting and asking an open model on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simbench.backends.base import Answer, Backend, Estimate, Model, Workspace
from simbench.errors import ModelError
from simbench.interview import Interview, Transcript
from simbench_local.config import LocalConfig

if TYPE_CHECKING:
    from simbench_local.loading import Loaded
    from simbench_local.store import Source

__all__ = ["Local"]

ADAPTER = "adapter"
SHOTS = "few_shot.json"


class Local(Backend[LocalConfig]):
    """An open language model on this machine, adapted by LoRA and asked by exact option probabilities."""

    name = "local"
    Config = LocalConfig

    def __init__(self, config: LocalConfig) -> None:
        super().__init__(config)
        self._facts: dict[str, Any] = {}

    def check(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> None:
        """Refuse an adapter that is not there, before anything is loaded."""
        if self.config.adapter and not (Path(self.config.adapter) / "adapter_config.json").is_file():
            raise ModelError(
                f"backend.adapter: {self.config.adapter} holds no adapter (adapter_config.json is missing)"
            )

    def adapt(self, pilot: Sequence[Transcript], workspace: Workspace) -> Model:
        """Finetune, calibrate, or choose examples; an empty pilot gives the unadapted model."""
        settings, source = self.config, self._source(workspace)
        how = settings.adapt if pilot else "none"
        parameters: dict[str, Any] = {"adapt": how, "revision": source.revision, "title": source.title}
        adapter, digest = self._given_adapter(source)
        if how == "finetune" and adapter is None:
            adapter = ADAPTER
            digest, learned = self._finetune(source, pilot, workspace)
            parameters |= learned
        elif how == "calibrate":
            parameters["calibration"] = self._calibrate(source, adapter, pilot, workspace)
        elif how == "few_shot":
            from simbench_local.shots import Shots

            Shots.of(pilot, settings.shots, workspace.seed).save(workspace.folder / SHOTS)
            parameters["shots"] = min(settings.shots, len(pilot))
        return Model(self.name, source.name, adapter, digest, parameters)

    def respond(self, model: Model, interviews: Sequence[Interview], workspace: Workspace) -> Iterator[Answer]:
        """Answer batch by batch."""
        from simbench_local.answering import Chooser, answer_by_choice
        from simbench_local.encode import Encoder
        from simbench_local.shots import Shots

        how = model.parameters["adapt"]
        loaded = self._load(self._source(workspace), self._adapter_path(model.adapter, workspace))
        encoder = Encoder(loaded.tokenizer)
        shots = Shots.load(workspace.folder / SHOTS) if how == "few_shot" else None
        before = shots.before if shots else lambda _: ()
        if self.config.elicitation == "generate":
            from simbench_local.generation import answer_by_writing

            yield from answer_by_writing(loaded, encoder, interviews, self.config, workspace, before)
            return
        chooser = Chooser(workspace.seed, self.config.temperature, model.parameters.get("calibration"))
        yield from answer_by_choice(loaded, encoder, interviews, chooser, workspace, before, self.config.batch_size)

    def estimate(self, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
        """Tokens, time and memory, from the model's shape and a short measurement of this machine."""
        from simbench_local.forecast import forecast

        return forecast(self.config, pilot, interviews)

    def record(self) -> Mapping[str, Any]:
        """Device, number format and versions, once a model was loaded."""
        return dict(self._facts)

    def _source(self, workspace: Workspace) -> Source:
        from simbench_local.store import resolve

        return resolve(self.config.model, self.config.revision or None, workspace.progress.say)

    def _load(self, source: Source, adapter: Path | None, learning: bool = False) -> Loaded:
        from simbench_local.loading import describe, load, place

        placement = place(self.config.device, self.config.dtype, self.config.four_bit)
        loaded = load(source, placement, adapter, learning)
        self._facts = {**describe(placement), "prefix_sharing": loaded.shared}
        return loaded

    def _given_adapter(self, source: Source) -> tuple[str | None, str | None]:
        if not self.config.adapter:
            return None, None
        from simbench_local.adapters import adapter_digest, check_base

        path = Path(self.config.adapter).resolve()
        check_base(path, source)
        return str(path), adapter_digest(path)

    def _adapter_path(self, adapter: str | None, workspace: Workspace) -> Path | None:
        return None if adapter is None else workspace.folder / adapter

    def _finetune(
        self, source: Source, pilot: Sequence[Transcript], workspace: Workspace
    ) -> tuple[str, dict[str, Any]]:
        from simbench_local.adapters import adapter_digest, write_card
        from simbench_local.answering import check_lengths
        from simbench_local.encode import Encoder
        from simbench_local.scoring import Request
        from simbench_local.training import recipe_for, summary, train

        folder = workspace.folder / ADAPTER
        loaded = self._load(source, None, learning=True)
        recipe = recipe_for(len(pilot), self.config)
        encoder = Encoder(loaded.tokenizer)
        asked = [transcript.interview for transcript in pilot]
        check_lengths(loaded, encoder, [Request(tuple(encoder.interview(each)), each) for each in asked])
        log = train(loaded, pilot, recipe, workspace.seed, folder, workspace.progress)
        write_card(folder, source, log)
        workspace.progress.say(f"learned from {summary(log)}")
        return adapter_digest(folder), {"recipe": log["recipe"], "learned_from": log["learned_from"]}

    def _calibrate(
        self, source: Source, adapter: str | None, pilot: Sequence[Transcript], workspace: Workspace
    ) -> dict[str, Any]:
        from simbench_local.calibration import calibrate
        from simbench_local.encode import Encoder

        stored = workspace.folder / "calibration.json"
        if stored.is_file():
            found: dict[str, Any] = json.loads(stored.read_text())
            return found
        loaded = self._load(source, self._adapter_path(adapter, workspace))
        fitted = calibrate(loaded, Encoder(loaded.tokenizer), pilot, workspace, self.config.batch_size)
        scratch = stored.with_suffix(".tmp")
        scratch.write_text(json.dumps(fitted))
        scratch.replace(stored)
        return fitted
