"""What a run will take on this machine: before it is begun, and once more when the model is in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from simbench.backends.base import Estimate
from simbench.interview import Interview, Transcript
from simbench_local.answering import Before
from simbench_local.config import LocalConfig
from simbench_local.encode import Encoder, common_prefix
from simbench_local.loading import Loaded, Placement, load_tokenizer, outline, place
from simbench_local.passes import FOLDS, deal
from simbench_local.shots import Shots
from simbench_local.store import Source, already_here
from simbench_local.training import LONGEST, precision

__all__ = ["Work", "ahead", "forecast", "pass_time"]

# Time per token beside that of a plain forward pass, measured for a small model on two processor cores.
LEARNING, ANSWERING = 3.1, 1.25
# Ends of a range around that: the pass was timed, or only the matrix products that it consists of were.
TIMED, GUESSED = (0.8, 1.6), (0.9, 2.9)
SAMPLE = 6  # people per group whose tokens are counted
TOKENS = (64, 512)  # in the timed passes
PATIENCE = 1.0  # seconds that the first of them may take if there is to be a second
TRAINS, READS = ("finetune", "blend_finetuned"), ("calibrate", "head", "blend")
LONG = 60.0  # seconds from which on a run is announced

Span = tuple[float, float]


@dataclass(frozen=True)
class Work:
    """Tokens that go through the model (what a condition shares counts once), and tokens answered.

    ``looked_up``: real answers are looked up rather than questions answered; ``choice``: they can be, afterwards.
    ``folds``: in so many people are left out, to choose the number of passes or to calibrate. ``epochs`` are then the
    most passes over everybody that it takes with the final training, ``watched`` the tokens of those left out, and
    ``spared`` what of ``learned`` falls away where one pass is chosen.
    """

    how: str
    people: int
    epochs: int
    learned: int
    interviews: int
    asked: int
    said: int
    choice: bool = True
    looked_up: bool = False
    folds: int = 0
    watched: int = 0
    spared: int = 0

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        settings: LocalConfig,
        pilot: Sequence[Transcript],
        interviews: Sequence[Interview],
        before: Before,
        epochs: int | None = None,
        shared: bool = True,
    ) -> Work:
        """Count them. ``epochs``: those still ahead. ``shared``: whether the model can look at a shared prefix."""
        how = settings.adapt if pilot else "none"
        people, planned = [t.interview for t in pilot], settings.epochs or LONGEST
        once = _tokens(encoder, people, (settings.train_batch if how in TRAINS else len(pilot)) if shared else 1)
        folds = watched = spared = 0
        if how in TRAINS and (not settings.epochs or how == "blend_finetuned") and deal(pilot, 0) is not None:
            folds = FOLDS
            watched = (1 if settings.epochs else planned) * _tokens(encoder, people, len(pilot) if shared else 1)
            spared = 0 if settings.epochs else (planned - 1) * once
        passes = 1 if how in READS else 0
        if how in TRAINS:  # each of the folds is left out once, then nobody
            passes = planned * max(folds, 1) if epochs is None else epochs
        learned = passes * once
        together = shared and settings.decoding == "choice"
        asked = _tokens(encoder, interviews, len(interviews) if together else 1, before)
        if not shared and interviews:  # one pass per option
            asked *= sum(len(item.values) for item in interviews[0].items)
        said = sum(_answer_tokens(encoder, each) for each in interviews)
        choice = settings.decoding == "choice"
        return cls(
            how,
            len(pilot),
            passes,
            learned,
            len(interviews),
            asked,
            said,
            choice,
            folds=folds,
            watched=watched,
            spared=spared,
        )

    def seconds(self, per_token: float, ends: Span) -> tuple[Span, Span]:
        """Ranges for learning and for answering, where a plain pass takes ``per_token`` seconds per token."""
        learning = per_token * (self.learned * (LEARNING if self.how in TRAINS else ANSWERING))
        learning += per_token * self.watched * ANSWERING
        answering = per_token * self.asked * ANSWERING
        return (learning * ends[0], learning * ends[1]), (answering * ends[0], answering * ends[1])


def forecast(settings: LocalConfig, pilot: Sequence[Transcript], interviews: Sequence[Interview]) -> Estimate:
    """Count tokens, measure how fast this machine multiplies, and put the two together."""
    placement = place(settings.device, settings.dtype, settings.four_bit)
    source = already_here(settings.model, settings.revision or None)
    if source is None:
        note = f"{settings.model} is not on this machine yet and would be fetched first; no estimate before that"
        return Estimate(settings.model, cost=(0.0, 0.0), notes=(note,))
    weights = _weights(source)
    shots = Shots.of(pilot, settings.shots, 0).before if settings.adapt == "few_shot" and pilot else lambda _: ()
    work = Work.of(Encoder(load_tokenizer(source)), settings, pilot, interviews, shots)
    learning, answering = work.seconds(2 * weights / _rate(placement), GUESSED)
    return Estimate(
        source.title,
        adaptation_tokens=(work.learned + work.watched - work.spared, work.learned + work.watched),
        input_tokens=(work.asked, work.asked),
        output_tokens=(work.said, work.said),
        cost=(0.0, 0.0),
        seconds=(learning[0] + answering[0], learning[1] + answering[1]),
        notes=(
            f"{weights / 1e6:,.0f} million weights, {placement.dtype} on {placement.device}",
            f"memory about {_memory(weights, placement, work.how):.1f} GB",
            "tokens are those that go through the model: what a condition shares counts once",
            *(words for words in [_sooner(work, learning, answering)] if learning[1] + answering[1] > LONG),
        ),
    )


def ahead(loaded: Loaded, work: Work) -> list[str]:
    """Lines for the screen: what is ahead, how long it takes, what would make it shorter. None for a short run."""
    for count in TOKENS:  # a short pass first: it may be slow, or its answer enough
        started = time.perf_counter()
        learning, answering = work.seconds(pass_time(loaded, count), TIMED)
        whole = (learning[0] + answering[0], learning[1] + answering[1])
        if whole[1] < LONG:
            return []
        if time.perf_counter() - started > PATIENCE:
            break
    parts = []
    if work.how in TRAINS:
        many = f"{work.epochs} passes"
        many = f"at most {many} with {work.folds} folds to choose by" if work.folds else many
        parts.append(f"learning from {work.people} transcripts, {many}, {_spoken(learning)}")
    elif work.epochs:
        parts.append(f"reading the pilot's {work.people} transcripts, {_spoken(learning)}")
    doing = "looking up the real answers of {} people" if work.looked_up else "answering {} interviews"
    if work.interviews:
        parts.append(f"{doing.format(work.interviews)}, {_spoken(answering)}")
    where = f"{loaded.placement.device}, {loaded.placement.dtype}"
    return [
        f"about {_spoken(whole)} ahead on this machine ({where}): {'; '.join(parts)}",
        _sooner(work, learning, answering),
    ]


def _sooner(work: Work, learning: Span, answering: Span) -> str:
    if work.looked_up:
        return "sooner without it: likelihood=false"
    ways = []
    if learning[1] > answering[1] / 3 and work.how in TRAINS:
        if work.folds:
            ways += [f"backend.adapt=finetune backend.epochs={LONGEST} (a fixed number)"]
        elif work.epochs > 1:
            ways += [f"backend.epochs={max(1, work.epochs // 3)} (now {work.epochs})"]
        if not work.interviews:
            return f"sooner with: {', '.join([*ways, 'fewer people'])}"
        ways += [f"a smaller pilot, such as sampler.n={max(2, work.people // 2)}", "backend.adapt=calibrate"]
    if answering[1] > learning[1] / 3:
        ways.append("asking fewer people, such as evaluate=reserved reserve=0.1")
        again = (
            "likelihood=false (else people's real answers are looked up afterwards, for about as long as answering)"
        )
        ways += [again] if work.choice else []
    return f"sooner with: {', '.join([*ways, 'or no language model at all: backend=tabular'])}"


def _spoken(span: Span) -> str:
    """A range in the largest unit that keeps its low end a number of at least one."""
    size, unit = next(((s, u) for s, u in ((3600, "hours"), (60, "minutes")) if span[0] >= s), (1, "seconds"))
    low, high = round(span[0] / size), round(span[1] / size)
    return f"{low} to {high} {unit}" if low != high else f"{high} {unit}"


@torch.inference_mode()
def pass_time(loaded: Loaded, count: int) -> float:
    """Seconds per token of a plain forward pass over so many tokens, here and now."""
    count = max(1, min(count, loaded.context))  # a context that is no number of tokens is refused when answering
    tokens = torch.arange(count, device=loaded.device)[None] % loaded.model.config.get_text_config().vocab_size
    with loaded.plain() as model, precision(loaded):
        start = time.perf_counter()
        float(model(input_ids=tokens, use_cache=False).logits[0, -1, 0])  # waits until a graphics card is done
        return (time.perf_counter() - start) / count


def _weights(source: Source) -> int:
    return int(outline(source).num_parameters())


def _tokens(encoder: Encoder, interviews: Sequence[Interview], batch: int, before: Before = lambda _: ()) -> int:
    """Tokens through the model, from a few people of every group: the shared ones once per ``batch``."""
    groups: dict[str, list[Interview]] = {}
    for interview in interviews:
        groups.setdefault(interview.shared, []).append(interview)
    total = 0.0
    for members in groups.values():
        told = before(members[0])
        sample = [encoder.interview(each, told) for each in members[:SAMPLE]]
        shared = common_prefix(sample) if len(sample) > 1 else 0
        own = sum(len(prompt) - shared for prompt in sample) / len(sample)
        own += _answer_tokens(encoder, members[0])
        total += len(members) * own + shared * -(-len(members) // max(batch, 1))
    return round(total)


def _answer_tokens(encoder: Encoder, interview: Interview) -> int:
    return sum(len(plan.forced) + len(plan.tree.nodes) + 1 for plan in encoder.plan(interview.items))


def _rate(placement: Placement) -> float:
    """Floating-point operations per second of a matrix product here, the best of a few."""
    rows, width = (4096, 4096) if placement.device != "cpu" else (1024, 1024)
    left = torch.randn(rows, width).to(placement.device, placement.torch_dtype)
    right = torch.randn(width, width).to(placement.device, placement.torch_dtype)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits until a graphics card is done
        best = min(best, time.perf_counter() - start)
    return 2.0 * rows * width * width / best


def _memory(weights: int, placement: Placement, adapting: str) -> float:
    """Gigabytes: the weights, and a batch's activations as measured for a small model."""
    size = 0.6 if placement.four_bit else {"fp32": 4, "bf16": 2}[placement.dtype]
    if placement.device == "cpu" and adapting in TRAINS:
        size = 4
    return (weights * size * 1.1 + (2.5e9 if adapting in TRAINS else 1e9)) / 1e9
