"""Money spent and promised, against the run's budget."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from simbench.errors import BudgetError, ConfigError
from simbench.ledger import Ledger

__all__ = ["Claim", "Purse"]

CENT = 0.01  # US dollars


@dataclass(eq=False)
class Claim:
    """One request's claim on the purse: at most ``most`` US dollars (None: unknown) for each sending.

    ``held``: the amount is promised now. ``number`` is that of a sending in the ledger whose end is open.
    """

    request: str
    most: float | None
    held: bool = False
    number: int | None = None


class Purse:
    """Keeps what is spent plus the most that what is under way can cost within a budget.

    ``limit`` None: no limit, and costs may be unknown. All amounts in US dollars. What is set aside for a request
    whose end is never heard of counts as spent. May be used from several threads.
    """

    def __init__(self, limit: float | None, spent: float = 0.0, ledger: Ledger | None = None) -> None:
        self.limit = limit
        self.ledger = ledger
        self.spent = spent + (ledger.spent if ledger else 0.0)
        self.doubtful = ledger.doubtful if ledger else 0.0
        self.promised = 0.0
        self.unknown = False
        self._lock = threading.RLock()

    def reserve(self, most: float | None) -> bool:
        """Promise ``most``, unless the budget could then be passed.

        Raises ConfigError for an unknown amount under a budget.
        """
        with self._lock:
            if most is None:
                if self.limit is not None:
                    raise ConfigError(
                        "a budget needs a price, and none is known for this model: give one in a YAML file "
                        "(backend.prices=FILE), or leave the budget out"
                    )
                return True
            if self.limit is not None and self.spent + self.promised + most > self.limit:
                return False
            self.promised += most
            return True

    def hold(self, claim: Claim) -> bool:
        """Promise what one sending of a request may cost, unless the budget could then be passed."""
        if not claim.held:
            claim.held = self.reserve(claim.most)
        return claim.held

    def sent(self, claim: Claim) -> None:
        """A request is about to be sent, perhaps again. BudgetError where the budget does not allow for it."""
        with self._lock:
            if not self.hold(claim):
                raise self.stop("another try of a request", claim.most)
            if self.ledger is not None:
                claim.number = self.ledger.asked(claim.request, claim.most)

    def free(self, claim: Claim) -> None:
        """What was sent costs nothing, as the provider said; the promise stays for another try."""
        with self._lock:
            self._end(claim, 0.0)

    def lost(self, claim: Claim) -> None:
        """Nobody knows how what was sent ended: what was promised counts as spent."""
        with self._lock:
            amount = self._release(claim)
            self.spent += amount
            self.doubtful += amount
            self.unknown = self.unknown or claim.most is None
            claim.number = None  # its end stays open in the ledger

    def adopt(self, claim: Claim) -> None:
        """Take over a sending of an earlier attempt whose end can still be learned, as in a batch."""
        with self._lock:
            if self.ledger is None or claim.held or (number := self.ledger.unended(claim.request)) is None:
                return
            claim.number, claim.held = number, True
            claim.most = self.ledger.set_aside(number)
            amount = claim.most or 0.0
            self.spent, self.doubtful = self.spent - amount, self.doubtful - amount
            self.promised += amount

    def settle(self, claim: Claim, cost: float | None) -> None:
        """Replace a promise by what it came to (None: unknown)."""
        with self._lock:
            self._release(claim)
            self._end(claim, cost)
            self.spent += cost or 0.0
            self.unknown = self.unknown or cost is None

    def _release(self, claim: Claim) -> float:
        amount = (claim.most or 0.0) if claim.held else 0.0
        claim.held = False
        self.promised = max(0.0, self.promised - amount)
        return amount

    def _end(self, claim: Claim, cost: float | None) -> None:
        number, claim.number = claim.number, None
        if self.ledger is not None and number is not None:
            self.ledger.ended(number, cost)

    def stop(self, what: str, most: float | None = None) -> BudgetError:
        """The error that ends a run at its budget."""
        way = f", up to ${self.promised:.4f} is under way" if self.promised >= CENT / 100 else ""
        need = f"may take up to ${most:.4f}" if most else "is next"
        return BudgetError(
            f"the budget of ${self.limit or 0:.2f} could be passed: ${self.spent:.4f} is spent{self._doubt()}{way} "
            f"and {what} {need}. Nothing is lost: run the same command with a higher budget to go on from here"
        )

    def _doubt(self) -> str:
        if not self.doubtful:
            return ""
        return f" (${self.doubtful:.4f} of it for requests whose end is unknown: they may have been charged)"

    def __str__(self) -> str:
        spent = f"${self.spent:.4f}" if self.spent < 1 else f"${self.spent:.2f}"
        limit = "" if self.limit is None else f" of ${self.limit:.2f}"
        lost = f", {self.doubtful / self.spent:.0%} of it for lost replies" if self.doubtful else ""
        return ("price unknown" if self.unknown and not self.spent else spent) + limit + lost
