"""Prices per million tokens: a shipped table, and a file of the user's that goes before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from simbench.errors import ConfigError
from simbench.experiments.sections import read_yaml
from simbench.files import as_path

__all__ = ["Price", "find_price", "shipped_prices"]

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens of one model at one host, and since when that is known.

    ``cached_input`` and ``cache_write`` are the parts of the prompt read from and written to the provider's
    prompt cache (None: as ``input``); ``batch`` is the factor that a batch costs; ``training`` is per
    million tokens trained on, epochs counted (None: unknown).
    """

    host: str
    model: str
    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    training: float | None = None
    batch: float = 0.5
    as_of: str = ""
    source: str = ""

    def cost(self, usage: Mapping[str, int], *, batch: bool = False) -> float:
        """US dollars for a reply's usage (``input``, ``cached``, ``cache_write``, ``output``)."""
        cached, written = usage.get("cached", 0), usage.get("cache_write", 0)
        plain = max(0, usage.get("input", 0) - cached - written)
        read = self.input if self.cached_input is None else self.cached_input
        write = self.input if self.cache_write is None else self.cache_write
        total = plain * self.input + cached * read + written * write + usage.get("output", 0) * self.output
        return total / MILLION * (self.batch if batch else 1.0)

    def most(self, input_tokens: int, output_tokens: int, *, batch: bool = False) -> float:
        """US dollars that a request cannot exceed: nothing cached, all of the prompt written to the cache."""
        dearest = max(self.input, self.cache_write or 0.0)
        total = input_tokens * dearest + output_tokens * self.output
        return total / MILLION * (self.batch if batch else 1.0)

    def training_cost(self, tokens: int) -> float | None:
        """US dollars for training on ``tokens``, or None where no price is known."""
        return None if self.training is None else tokens * self.training / MILLION


def find_price(host: str, model: str, path: str | None = None) -> Price | None:
    """The price of a model at a host, or None where nobody gave one.

    The rows of the user's file come before the shipped ones; within a file the first row whose patterns fit
    counts. Shipped rows name a provider's own host: another host of the same protocol has its own prices.
    """
    own = _rows(read_yaml(as_path(path), "backend.prices"), path) if path else ()
    rows = [*own, *shipped_prices()]
    fitting = (row for row in rows if fnmatchcase(host, row.host) and fnmatchcase(model, row.model))
    return next(fitting, None)


@cache
def shipped_prices() -> tuple[Price, ...]:
    """The rows of the shipped table."""
    import yaml

    text = files("simbench_api").joinpath("prices.yaml").read_text("utf-8")
    return tuple(_rows(yaml.safe_load(text), "prices.yaml"))


def _rows(stored: Mapping[Any, Any], source: str) -> list[Price]:
    rows = stored.get("prices")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{source}: expected 'prices:' with a list of rows")
    common = {name: str(stored[name]) for name in ("as_of", "source") if name in stored}
    return [_row({**common, **row}, f"{source}, row {number}") for number, row in enumerate(rows, 1)]


def _row(given: Mapping[str, Any], where: str) -> Price:
    known = {field.name for field in fields(Price)}
    if unknown := sorted(map(str, set(given) - known)):
        raise ConfigError(f"{where}: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {"host": "*", **given}
    for name in ("model", "input", "output"):
        if name not in values:
            raise ConfigError(f"{where}: {name} is missing")
    for name in ("host", "model"):
        if not isinstance(values[name], str):
            raise ConfigError(f"{where}: {name}: expected text, found {values[name]!r}")
    for name in ("input", "output", "cached_input", "cache_write", "training", "batch"):
        value = values.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ConfigError(f"{where}: {name}: expected US dollars of at least 0, found {value!r}")
    return Price(**values)
