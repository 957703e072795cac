"""What the whole harness costs per request, beside a provider's bare library and its peers.

    python benchmarks/api_overhead.py
    python benchmarks/api_overhead.py --peers DIR

DIR holds the virtual environments ``inspect`` (inspect-ai, openai) and ``edsl`` (edsl, openai).

A local server answers after 50 ms. Each contestant is a process of its own on one core, with 100 requests in
flight at once, and asks the same number of participants the same question with the same JSON schema. The
figure is the *marginal* CPU time per request: (CPU at N - CPU at N/6) / (N - N/6), so that start-up and
imports do not count, and peak memory at N. simbench runs whole: interviews, cache, journal, frames, scores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONCURRENT = 100
LATENCY = 0.05
CLAUDE = "claude-haiku-5-5"
LABELS = ("Nothing", "Half of it", "All of it")
ITEMS = {"expected": LABELS, "trust": ("Never", "Sometimes", "Always"), "sent": tuple(map(str, range(11)))}
SHARED = "A game of trust.\n\nQuestions:\n" + "\n".join(
    f"{name}: What do you say? Options: {' | '.join(labels)}" for name, labels in ITEMS.items()
)
SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string", "enum": list(labels)} for name, labels in ITEMS.items()},
    "required": list(ITEMS),
    "additionalProperties": False,
}


def messages(number: int) -> list[dict[str, str]]:
    """The chat messages of one participant."""
    return [
        {"role": "system", "content": SHARED},
        {"role": "user", "content": f"About you:\n- Age: {18 + number % 60}\n- Number: {number}"},
    ]


def body(number: int) -> dict[str, Any]:
    """One request of the bare clients."""
    wanted = {"type": "json_schema", "json_schema": {"name": "answers", "schema": SCHEMA, "strict": True}}
    return {"model": "gpt-4.1", "messages": messages(number), "response_format": wanted, "seed": number}


async def _pool(ask: Callable[[int], Any], people: int) -> None:
    numbers = iter(range(people))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    await asyncio.gather(*(worker() for _ in range(CONCURRENT)))


def openai_sdk(url: str, people: int) -> None:
    """AsyncOpenAI, as its documentation shows it."""
    from openai import AsyncOpenAI

    async def main() -> None:
        async with AsyncOpenAI(base_url=url, api_key="k") as client:

            async def ask(number: int) -> None:
                answer = await client.chat.completions.create(**body(number))
                json.loads(answer.choices[0].message.content or "")

            await _pool(ask, people)

    asyncio.run(main())


def anthropic_sdk(url: str, people: int) -> None:
    """AsyncAnthropic, as its documentation shows it."""
    from anthropic import AsyncAnthropic

    form: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}

    async def main() -> None:
        async with AsyncAnthropic(base_url=claude(url), api_key="k") as client:

            async def ask(number: int) -> None:
                system, user = messages(number)
                said: Any = [user]
                answer = await client.messages.create(
                    model=CLAUDE, max_tokens=200, system=system["content"], messages=said, output_config=form
                )
                json.loads("".join(block.text for block in answer.content if block.type == "text"))

            await _pool(ask, people)

    asyncio.run(main())


def aiohttp_bare(url: str, people: int) -> None:
    """aiohttp without any library around it: the floor."""
    import aiohttp

    async def main() -> None:
        connector = aiohttp.TCPConnector(limit=CONCURRENT)
        async with aiohttp.ClientSession(connector=connector, headers={"authorization": "Bearer k"}) as session:

            async def ask(number: int) -> None:
                async with session.post(f"{url}/chat/completions", json=body(number)) as answer:
                    json.loads((await answer.json())["choices"][0]["message"]["content"])

            await _pool(ask, people)

    asyncio.run(main())


def simbench(url: str, people: int) -> None:
    """A whole simbench run behind the OpenAI protocol."""
    known = {"json_schema": True, "seed": True, "thinking": False}
    _whole_run({"name": "openai", "base_url": url, "capabilities": known}, people)


def simbench_anthropic(url: str, people: int) -> None:
    """A whole simbench run behind the Anthropic protocol."""
    known = {"json_schema": True, "thinking": False}
    _whole_run({"name": "anthropic", "base_url": claude(url), "model": CLAUDE, "capabilities": known}, people)


def claude(url: str) -> str:
    """The stand-in's base URL for the Anthropic protocol."""
    return url.removesuffix("v1") + "anthropic"


def _whole_run(backend: dict[str, Any], people: int) -> None:
    """People, interviews, requests, cache, journal, frames, scores."""
    os.environ |= {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    Path("simbench_plugins.py").write_text(PLUGIN)
    import simbench as package

    run = package.run(
        {"name": "crowd", "people": people},
        backend={**backend, "concurrency": CONCURRENT},
        sampler="none",
        metric=["js_distance"],
        scoring={"resamples": 10, "splits": 1, "floors": 1},
    )
    assert run.manifest["outcomes"]["all"] == {"ok": people}
    print(json.dumps({"respond_seconds": run.manifest["respond_seconds"]}))


def inspect_ai(url: str, people: int) -> None:
    """Inspect AI: one sample per participant."""
    os.environ |= {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": url, "INSPECT_DISPLAY": "none"}
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser, GenerateConfig, ResponseSchema
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate
    from inspect_ai.util import JSONSchema

    choices = {name: JSONSchema(type="string", enum=list(labels)) for name, labels in ITEMS.items()}
    schema = JSONSchema(type="object", properties=choices, required=list(ITEMS), additionalProperties=False)
    asked = [
        [ChatMessageSystem(content=m[0]["content"]), ChatMessageUser(content=m[1]["content"])]
        for m in map(messages, range(people))
    ]
    config = GenerateConfig(
        max_connections=CONCURRENT,
        seed=1,
        response_schema=ResponseSchema(name="answers", json_schema=schema, strict=True),
    )
    samples = [Sample(input=each, target="sent") for each in asked]
    task = Task(dataset=samples, solver=[generate()], scorer=includes(), config=config)
    log = eval(
        task, model="openai/gpt-4.1", max_samples=CONCURRENT, model_args={"responses_api": False}, log_dir="logs"
    )[0]
    assert log.status == "success", log.error


def edsl(url: str, people: int) -> None:
    """EDSL: one agent per participant, the same questions in one survey step each."""
    os.environ |= {
        "OPENAI_API_KEY": "k",
        "OPENAI_COMPATIBLE_API_KEY": "k",
        "EDSL_SERVICE_RPM_OPENAI_COMPATIBLE": "1000000",
        "EDSL_SERVICE_TPM_OPENAI_COMPATIBLE": "1000000000",
    }
    from edsl import Agent, AgentList, Model, QuestionMultipleChoice

    question = QuestionMultipleChoice(
        question_name="sent", question_text=SHARED, question_options=list(ITEMS["sent"])
    )
    agents = AgentList([Agent(traits={"age": 18 + n % 60, "number": n}) for n in range(people)])
    model = Model("gpt-4.1", service_name="openai_compatible", base_url=url)
    results = (
        question.by(agents)
        .by(model)
        .run(disable_remote_inference=True, disable_remote_cache=True, progress_bar=False, cache=False, fresh=True)
    )
    assert len(results) == people


PLUGIN = f'''
import pandas as pd
from dataclasses import dataclass
from simbench import Experiment, Factor, Item, Profile, hookimpl, setting

ITEMS = {ITEMS!r}


@dataclass(frozen=True)
class CrowdConfig:
    people: int = setting(200, "how many")


class Crowd(Experiment[CrowdConfig]):
    """A crowd that is made up."""

    name = "crowd"
    Config = CrowdConfig
    factors = (Factor("stake", ("low", "high")),)
    profile = (Profile("age", bins=(18, 30, 45, 60, 78)), Profile("number", subgroup=False))
    items = tuple(Item(name, "belief", "What do you say?", labels) for name, labels in ITEMS.items())
    synthetic = True

    def load(self):
        n = self.config.people
        frame = {{"participant_id": [f"p{{i}}" for i in range(n)], "age": [18 + i % 60 for i in range(n)]}}
        frame |= {{"number": range(n), "stake": [("low", "high")[i % 2] for i in range(n)]}}
        frame |= {{name: [labels[i % len(labels)] for i in range(n)] for name, labels in ITEMS.items()}}
        return pd.DataFrame(frame)


@hookimpl
def simbench_experiments():
    return (Crowd,)
'''

CONTESTANTS: dict[str, tuple[str, Callable[[str, int], None]]] = {
    "aiohttp, bare": ("", aiohttp_bare),
    "openai SDK, bare": ("", openai_sdk),
    "simbench, whole run": ("", simbench),
    "anthropic SDK, bare": ("", anthropic_sdk),
    "simbench, anthropic": ("", simbench_anthropic),
    "Inspect AI": ("inspect", inspect_ai),
    "EDSL": ("edsl", edsl),
}


def served(url: str) -> int:
    """Chat completions and messages that the server has answered so far."""
    with urllib.request.urlopen(url.removesuffix("v1") + "_control/summary", timeout=30) as answer:  # noqa: S310
        counts: dict[str, int] = json.load(answer)["by_path"]
    return counts.get("POST /v1/chat/completions", 0) + counts.get("POST /anthropic/v1/messages", 0)


def measure(python: str, name: str, url: str, people: int, folder: Path, core: int) -> dict[str, float]:
    """CPU seconds, wall seconds and peak megabytes of one contestant's process."""
    words = [python, str(Path(__file__).resolve()), "--worker", name, "--url", url, "--people", str(people)]
    before, began = served(url), time.perf_counter()
    with (folder / "out.txt").open("w+") as out:
        process = subprocess.Popen(words, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        os.sched_setaffinity(process.pid, {core})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            out.seek(0)
            raise RuntimeError(out.read()[-1500:])
    wall = time.perf_counter() - began
    asked = served(url) - before
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "mb": usage.ru_maxrss / 1024, "asked": asked}


def rerun_cached(url: str, people: int, core: int) -> None:
    """Time a run whose every answer is in the cache."""
    import shutil

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure(sys.executable, "simbench, whole run", url, people, folder, core)
        for run in (folder / "runs").glob("crowd-*"):
            shutil.rmtree(run)
        again = measure(sys.executable, "simbench, whole run", url, people, folder, core)
        asked = json.loads((folder / "out.txt").read_text().splitlines()[-1])["respond_seconds"]
        print(
            f"\nfully cached rerun of {people} answers: {again['cpu']:.2f} s of CPU, {again['wall']:.2f} s in all, "
            f"{asked:.2f} s of them for the answers, {again['asked']:.0f} requests"
        )


def compare(arguments: argparse.Namespace, url: str, cores: list[int]) -> None:
    """Print the table."""
    few, many = arguments.people // 6, arguments.people
    print(f"{'client':<22}{'CPU ms/request':>16}{'x bare SDK':>12}{'peak MB':>10}{'wall s':>9}")
    base = None  # of the SDK above
    for name, (venv, _) in CONTESTANTS.items():
        if arguments.only and name not in arguments.only:
            continue
        python = sys.executable if not venv else f"{arguments.peers}/{venv}/bin/python"
        if venv and (arguments.peers is None or not Path(python).exists()):
            print(f"{name:<22}{'not installed (--peers)':>38}")
            continue
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            try:
                small = measure(python, name, url, few, Path(one), cores[-1])
                large = measure(python, name, url, many, Path(two), cores[-1])
            except RuntimeError as error:
                print(f"{name:<22} failed: {str(error).strip().splitlines()[-1][:90]}")
                continue
        if large["asked"] < many:
            print(f"{name:<22} did not ask: the server saw {large['asked']:.0f} of {many} requests")
            continue
        each = 1000 * (large["cpu"] - small["cpu"]) / (many - few)
        base = each if name.endswith("SDK, bare") else base
        share = f"{each / base:.2f}" if base else "-"
        print(f"{name:<22}{each:>16.2f}{share:>12}{large['mb']:>10.0f}{large['wall']:>9.1f}", flush=True)


def main() -> None:
    """Start the server on one core, the contestants one after another on another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--peers", help="folder with virtual environments 'inspect' and 'edsl'")
    parser.add_argument("--only", nargs="*", help="names of contestants")
    parser.add_argument("--cached", type=int, default=10_000, help="answers of the cached rerun; 0: leave it out")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        CONTESTANTS[arguments.worker][1](arguments.url, arguments.people)
        return
    cores = sorted(os.sched_getaffinity(0))
    words = [sys.executable, "-m", "simbench_api.testing.server", "--latency", str(LATENCY)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        os.sched_setaffinity(server.pid, {cores[0]})
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["openai"]
        try:
            compare(arguments, url, cores)
            if arguments.cached:
                rerun_cached(url, arguments.cached, cores[-1])
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
