"""Money spent and promised, against the run's budget."""

from __future__ import annotations

from simbench.errors import BudgetError, ConfigError

__all__ = ["Purse"]


class Purse:
    """Keeps what is spent plus the most that what is under way can cost within a budget.

    ``limit`` None: no limit, and costs may be unknown. All amounts in US dollars.
    """

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self.promised = 0.0
        self.unknown = False

    def reserve(self, most: float | None) -> bool:
        """Promise ``most`` for a request, unless the budget could then be passed.

        Raises ConfigError for an unknown amount under a budget.
        """
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

    def settle(self, most: float | None, cost: float | None) -> None:
        """Replace a promise by what it came to (None: unknown)."""
        self.promised = max(0.0, self.promised - (most or 0.0))
        self.spent += cost or 0.0
        self.unknown = self.unknown or cost is None

    def stop(self, what: str, most: float | None = None) -> BudgetError:
        """The error that ends a run at its budget."""
        need = f"may take up to ${most:.4f}" if most else "is next"
        return BudgetError(
            f"the budget of ${self.limit or 0:.2f} could be passed: ${self.spent:.4f} is spent and {what} {need}. "
            f"Nothing is lost: run the same command with a higher budget to go on from here"
        )

    def __str__(self) -> str:
        spent = f"${self.spent:.4f}" if self.spent < 1 else f"${self.spent:.2f}"
        limit = "" if self.limit is None else f" of ${self.limit:.2f}"
        return ("price unknown" if self.unknown and not self.spent else spent) + limit
