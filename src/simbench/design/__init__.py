"""The design of a study and the people in it: the words every other part speaks."""

from simbench.design.design import PARTICIPANT, Design
from simbench.design.people import People
from simbench.design.record import design_from_json, design_to_json
from simbench.design.words import Factor, Item, Option, Profile, Regression, Value

__all__ = [
    "PARTICIPANT",
    "Design",
    "Factor",
    "Item",
    "Option",
    "People",
    "Profile",
    "Regression",
    "Value",
    "design_from_json",
    "design_to_json",
]
