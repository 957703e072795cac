"""Conformance: a part held against the contract of its kind, check by check, as a run would hold it.

In the manner of scikit-learn's ``check_estimator`` and ``parametrize_with_checks``::

    from simbench.testing import checks

    @checks.parametrize("sampler", MySampler, n=20)
    def test_contract(check):
        check()

``simbench check KIND NAME`` runs the same. Where a run has a validator, the check asks that one: both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from simbench.testing.checks._check import Check, Fault, Part, Unfit

__all__ = ["Check", "Fault", "Unfit", "checks_of", "parametrize"]

F = TypeVar("F", bound=Callable[..., Any])


def checks_of(kind: str, part: str | type[Any], settings: Mapping[str, Any] | None = None) -> list[Check]:
    """The checks of a part: of a class, or of what plugins offer under a name.

    Raises ConfigError for an unknown name, kind or setting.
    """
    from simbench.testing.checks import _backend, _experiment, _metric, _sampler

    made = Part.of(kind, part, settings or {})
    return {
        "experiment": _experiment.checks,
        "sampler": _sampler.checks,
        "backend": _backend.checks,
        "metric": _metric.checks,
    }[kind](made)


def parametrize(kind: str, part: str | type[Any], **settings: Any) -> Callable[[F], F]:
    """Decorate a test that takes ``check`` and calls it: it becomes one test per check."""
    import pytest

    found = checks_of(kind, part, settings)
    decorate: Callable[[F], F] = pytest.mark.parametrize(
        "check", [pytest.param(each, id=each.name) for each in found]
    )
    return decorate
