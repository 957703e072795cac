"""What a model takes: declared per provider, model and API version, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from simbench.errors import ConfigError, UnsupportedError, closest

__all__ = ["CAPABILITIES", "ESSENTIAL", "Capabilities", "Declared", "Settled", "settle"]

CAPABILITIES = (
    "temperature",
    "top_p",
    "seed",
    "logprobs",
    "json_schema",
    "choice",
    "batch",
    "finetune",
    "thinking",
)
ESSENTIAL = ("finetune", "choice")  # without which it would be another experiment: never left out


@dataclass(frozen=True)
class Declared:
    """A row of a provider's table: what models of this name take under this version of the API.

    ``model`` and ``version`` are patterns as of a shell. Capabilities not named are unknown. ``shutdown`` is the
    ISO date at which the provider said that it stops serving the model itself. ``source`` says who declares it
    (default: the row of this pattern).
    """

    model: str
    takes: Mapping[str, bool]
    version: str = "*"
    shutdown: str | None = None
    source: str = ""

    def __post_init__(self) -> None:
        _known(self.takes)

    def covers(self, model: str, version: str) -> bool:
        """Whether the row speaks of this model."""
        return fnmatchcase(model, self.model) and fnmatchcase(version, self.version)


def _known(names: Mapping[str, bool]) -> None:
    for name in names:
        if name not in CAPABILITIES:
            raise ConfigError(f"there is no capability {name!r}{closest(name, CAPABILITIES)}")


@dataclass(frozen=True)
class Capabilities:
    """What one model takes, and who says so: ``{capability: (taken, source)}``."""

    model: str
    known: Mapping[str, tuple[bool, str]]

    @classmethod
    def of(cls, model: str, version: str, table: Sequence[Declared], user: Mapping[str, bool]) -> Capabilities:
        """From the provider's table (the first row that names a capability counts) and the user's word."""
        _known(user)
        known: dict[str, tuple[bool, str]] = {name: (value, "user") for name, value in user.items()}
        for row in table:
            if row.covers(model, version):
                for name, value in row.takes.items():
                    known.setdefault(name, (value, row.source or f"declared for {row.model}"))
        return cls(model, known)

    def with_known(self, found: Mapping[str, bool], source: str) -> Capabilities:
        """The same, completed by what was found where nothing was known."""
        added = {name: (value, source) for name, value in found.items() if name not in self.known}
        return Capabilities(self.model, {**self.known, **added})

    def takes(self, name: str) -> bool | None:
        """True, False, or None where nobody knows."""
        return self.known[name][0] if name in self.known else None

    def unknown(self, wanted: Sequence[str]) -> list[str]:
        """Those of ``wanted`` that nobody declared."""
        return [name for name in wanted if name not in self.known]

    def to_json(self) -> dict[str, Any]:
        """As recorded in the manifest."""
        return {name: {"takes": value, "source": source} for name, (value, source) in sorted(self.known.items())}


@dataclass(frozen=True)
class Settled:
    """The settings asked for, those that are sent, and those that were left out.

    ``seeded``: a seed is sent with every request, since the model takes one.
    """

    requested: Mapping[str, Any]
    sent: Mapping[str, Any]
    dropped: Mapping[str, Any]
    seeded: bool = False


def settle(requested: Mapping[str, Any], capabilities: Capabilities, on_unsupported: str) -> Settled:
    """Decide which of the requested settings are sent.

    ``requested`` maps capabilities to the value asked for (a value of None is not asked for). Raises
    UnsupportedError for a setting that is unknown, or that the model does not take unless ``on_unsupported``
    is ``drop``.
    """
    wanted = {name: value for name, value in requested.items() if value is not None}
    if unknown := capabilities.unknown(list(wanted)):
        example = " ".join(f"backend.capabilities.{name}=true" for name in unknown)
        raise UnsupportedError(
            f"nothing is declared about {', '.join(unknown)} for the model {capabilities.model!r}. Declare it "
            f"({example}), or let simbench find out by a few tiny paid requests (backend.probe=true)"
        )
    refused = [name for name in wanted if not capabilities.takes(name)]
    if refused and on_unsupported != "drop":
        who = "; ".join(f"{name} ({capabilities.known[name][1]})" for name in refused)
        way = (
            ", or set backend.on_unsupported=drop to have it left out and recorded"
            if not set(refused) & set(ESSENTIAL)
            else ""
        )
        raise UnsupportedError(f"the model {capabilities.model!r} does not take: {who}. Leave it out{way}")
    sent = {name: value for name, value in wanted.items() if capabilities.takes(name)}
    dropped = {name: wanted[name] for name in wanted if name not in sent}
    return Settled(wanted, sent, dropped, capabilities.takes("seed") is True)
