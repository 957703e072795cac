"""The design of a study: everything about an experiment except its people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from simbench.design.words import Factor, Item, Profile, Regression, Value
from simbench.errors import PluginError, closest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PARTICIPANT", "Design"]

PARTICIPANT = "participant_id"


@dataclass(frozen=True)
class Design:
    """Factors, profile, items and regressions of one experiment.

    ``main_subgroup`` is the profile variable that samplers balance over by default. ``person`` names the
    column that says which human a row belongs to, for designs in which one human answers several
    conditions; None where every row is another human. ``cluster`` names the column of what humans were sampled or
    treated in together (villages, classes, sessions); None where each is on their own. ``weight`` names the column
    of survey weights: how many people of the population a row stands for, up to a factor; None where all count alike.
    """

    name: str
    factors: tuple[Factor, ...]
    profile: tuple[Profile, ...]
    items: tuple[Item, ...]
    regressions: tuple[Regression, ...] = ()
    main_subgroup: str | None = None
    person: str | None = None
    cluster: str | None = None
    weight: str | None = None

    def __post_init__(self) -> None:
        names = [f.name for f in self.factors] + [p.name for p in self.profile] + [i.name for i in self.items]
        names += (*self.ids, *self._weights)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PluginError(f"experiment {self.name!r} uses a column name twice: {', '.join(twice)}")
        if not self.items:
            raise PluginError(f"experiment {self.name!r} has no items")
        if not self.conditions or len(set(self.conditions)) != len(self.conditions):
            raise PluginError(
                f"experiment {self.name!r}: every factor needs levels, and every condition words of its own; "
                f"found {', '.join(self.conditions) or 'no condition'}"
            )
        levels = {factor.name: factor.words for factor in self.factors}
        for item in self.items:
            wanted = [(f, v) for option in item.options for f, values in option.when for v in values]
            for factor, value in wanted:
                if value not in levels.get(factor, {}):
                    raise PluginError(
                        f"experiment {self.name!r}: item {item.name!r} has an option for {factor}={value!r} only, "
                        "which is no level of a factor"
                    )
        if self.main_subgroup is not None and self.main_subgroup not in [p.name for p in self.profile]:
            raise PluginError(
                f"experiment {self.name!r}: main_subgroup {self.main_subgroup!r} is no profile variable"
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that say who and where a row is of: participant, person, cluster."""
        return (PARTICIPANT, *(name for name in (self.person, self.cluster) if name))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the frame of people must have."""
        profile = (variable.name for variable in self.profile)
        factors = (factor.name for factor in self.factors)
        return (*self.ids, *profile, *factors, *(item.name for item in self.items), *self._weights)

    @property
    def _weights(self) -> tuple[str, ...]:
        return (self.weight,) if self.weight else ()

    @property
    def orders(self) -> dict[str, tuple[Value, ...]]:
        """The values of every column that declares them, in declared order."""
        levels = {variable.name: tuple(variable.words) for variable in self.profile if variable.words}
        factors = {factor.name: tuple(factor.words) for factor in self.factors}
        return levels | factors | {item.name: item.values for item in self.items}

    def roles(self, *roles: str) -> tuple[Item, ...]:
        """Items with one of these roles, in order."""
        return tuple(item for item in self.items if item.role in roles)

    @property
    def beliefs(self) -> tuple[Item, ...]:
        """Items with role ``belief``."""
        return self.roles("belief")

    @property
    def main_items(self) -> tuple[Item, ...]:
        """What answer structures and mean distances rest on: the beliefs, or all items where there are none."""
        return self.beliefs or self.items

    @property
    def subgroups(self) -> tuple[Profile, ...]:
        """Profile variables that subgroup comparisons use."""
        return tuple(variable for variable in self.profile if variable.subgroup)

    @property
    def default_subgroup(self) -> str | None:
        """The main subgroup variable: the declared one, else the first."""
        return self.main_subgroup or (self.subgroups[0].name if self.subgroups else None)

    def item(self, name: str) -> Item:
        """The item of this name; PluginError with the closest one if there is none."""
        for item in self.items:
            if item.name == name:
                return item
        raise PluginError(f"no item {name!r} in {self.name!r}{closest(name, [i.name for i in self.items])}")

    def variable(self, name: str) -> Profile:
        """The profile variable of this name; PluginError with the closest one if there is none."""
        for variable in self.profile:
            if variable.name == name:
                return variable
        known = [each.name for each in self.profile]
        raise PluginError(f"no profile variable {name!r} in {self.name!r}{closest(name, known)}")

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Names of all treatment groups, in the order of the factors' levels."""
        cells = product(*(factor.words.values() for factor in self.factors))
        return tuple("/".join(cell) or "all" for cell in cells)

    def condition(self, frame: pd.DataFrame) -> pd.Series:
        """Treatment group (n,) of each row, as a name among ``conditions``."""
        if not self.factors:
            import pandas as pd

            return pd.Series("all", index=frame.index, dtype=object)
        parts = [frame[factor.name].map(factor.words).astype(str) for factor in self.factors]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined + "/" + part
        return joined.astype(object)

    def treatment(self, row: Mapping[Any, Any]) -> dict[str, Value]:
        """The factor values of one row."""
        return {factor.name: row[factor.name] for factor in self.factors}

    @property
    def given(self) -> Design:
        """The design as it was declared, without variables that were worked out for a comparison."""
        return replace(self, profile=tuple(variable for variable in self.profile if not variable.derived))
