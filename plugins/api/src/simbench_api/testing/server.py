"""Run the stand-in: in a thread (:class:`LocalServer`), or as a process of its own.

``python -m simbench_api.testing.server --port 8765 --faults '{"rate_limit": 0.2}'`` prints one JSON line with
its two base URLs and serves until it is stopped, whatever becomes of its clients.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import threading
import urllib.request
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from simbench_api.testing._app import create_app
from simbench_api.testing._catalogue import MODELS
from simbench_api.testing._faults import Dice, Faults
from simbench_api.testing._state import SETTINGS, LoggedRequest, ModelSpec, State

__all__ = ["LocalServer", "RemoteServer", "main"]


class LocalServer:
    """The stand-in in a thread of this process, for the length of a ``with`` block.

    ``keys``: the API keys it takes (None: any). ``models`` are added to those it offers. ``latency``,
    ``job_seconds`` and ``batch_seconds`` are how long an answer, a finetuning job and a batch take.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        port: int = 0,
        keys: Iterable[str] | None = None,
        models: Iterable[ModelSpec] = (),
        latency: float = 0.0,
        job_seconds: float = 0.3,
        batch_seconds: float = 0.3,
    ) -> None:
        offered = {**MODELS, **{spec.id: spec for spec in models}}
        self._state = State(offered, faults or Faults(), keys=None if keys is None else frozenset(keys))
        self._state.latency = latency
        self._state.job_seconds = job_seconds
        self._state.batch_seconds = batch_seconds
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name="simbench-testing", daemon=True)
        self.port = port

    def __enter__(self) -> LocalServer:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:  # the port is taken: told to the caller of __enter__
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        self.port, runner = await start(self._state, self.port)
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @property
    def openai_url(self) -> str:
        """Base URL for a client of the OpenAI protocol."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for a client of the Anthropic protocol."""
        return f"http://127.0.0.1:{self.port}/anthropic"

    @property
    def log(self) -> list[LoggedRequest]:
        """Every request so far, oldest first."""
        return list(self._state.log)

    def summary(self) -> dict[str, Any]:
        """Counts of requests, faults, jobs, batches and files so far."""
        return self._state.summary()

    def set_faults(self, faults: Faults) -> None:
        """Make other faults from now on."""
        fresh = Dice(faults)
        fresh.seen, fresh.hits = self._state.dice.seen, self._state.dice.hits
        self._state.dice = fresh

    def set(self, **settings: float) -> None:
        """Change ``latency``, ``job_seconds``, ``batch_seconds``; ``list_lag``: seconds until lists hold what is new;
        ``batch_bytes`` and ``enqueued_tokens``: what is taken of one batch, and of all that are under way."""
        for name, value in settings.items():
            if name not in SETTINGS:
                raise ValueError(f"unknown setting {name}")
            setattr(self._state, name, value)


class RemoteServer:
    """A stand-in in another process, spoken to through its control paths."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.openai_url = f"http://127.0.0.1:{port}/v1"
        self.anthropic_url = f"http://127.0.0.1:{port}/anthropic"

    def _call(self, path: str, value: Any = None) -> Any:
        data = None if value is None else json.dumps(value).encode()
        url = f"http://127.0.0.1:{self.port}/_control/{path}"
        headers = {"content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
            return json.load(answer)

    @property
    def log(self) -> list[LoggedRequest]:
        """Every request so far, oldest first."""
        return [LoggedRequest(**row) for row in self._call("log")]

    def summary(self) -> dict[str, Any]:
        """Counts of requests, faults, jobs, batches and files so far."""
        return dict(self._call("summary"))

    def set_faults(self, faults: Faults) -> None:
        """Make other faults from now on."""
        self._call("faults", dataclasses.asdict(faults))

    def set(self, **settings: float) -> None:
        """Change settings, as :meth:`LocalServer.set` does."""
        self._call("settings", settings)


async def start(state: State, port: int) -> tuple[int, web.AppRunner]:
    """Serve ``state`` on a loopback port (0: any free one); returns the port and its runner."""
    runner = web.AppRunner(create_app(state), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
    await site.start()
    return int(runner.addresses[0][1]), runner


async def _process(arguments: argparse.Namespace) -> None:
    state = State(MODELS, Faults.of(json.loads(arguments.faults)), keys=None)
    state.latency = arguments.latency
    state.job_seconds, state.batch_seconds = arguments.job_seconds, arguments.batch_seconds
    port, runner = await start(state, arguments.port)
    urls = RemoteServer(port)
    print(json.dumps({"port": port, "openai": urls.openai_url, "anthropic": urls.anthropic_url}), flush=True)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
    await runner.cleanup()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A stand-in for the OpenAI and Anthropic APIs; not a model.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", default="{}", help="JSON object of rates, see simbench_api.testing.Faults")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--job-seconds", type=float, default=0.3)
    parser.add_argument("--batch-seconds", type=float, default=0.3)
    asyncio.run(_process(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
