"""Numbers as people and models write them: one strict way to read them, and one to write them."""

from __future__ import annotations

import math
import re

from simbench.design.numbers import LARGEST

__all__ = ["read_number", "say_number"]

SPACES = " \u00a0\u2009\u202f"
CURRENCIES = "$€£¥"
CODES = "USD|EUR|GBP|CHF|JPY"
UNITS = r"%|percent|per cent|dollars?|euros?|pounds?|years?|points?|tokens?"
DIGITS = "|".join([r"\d{1,16}", *(rf"\d{{1,3}}(?:[{mark}]\d{{3}})+" for mark in (",", SPACES, "'’", "_"))])
NUMBER = re.compile(
    rf"(?P<sign>[-+\u2212]?)(?:(?P<before>[{CURRENCIES}]|{CODES})[{SPACES}]?)?(?P<whole>{DIGITS})"
    rf"(?P<part>\.\d{{1,12}})?"
    rf"(?:[{SPACES}]?(?P<after>[{CURRENCIES}]|{CODES}|{UNITS}))?",
    re.ASCII | re.IGNORECASE,
)
LONGEST = 60


def read_number(text: str, percent: bool = False) -> float | None:
    """The one number that ``text`` is, or None.

    The point is the decimal mark. Thousands may be set apart by a comma, a space, an apostrophe or ``_``, the same
    one throughout, in groups of three. A currency or a unit of a short list may stand on one side; a percent sign
    only where ``percent`` (the scale is one of percent), since 0.5 % is no 0.5. Quotes, ``*`` and a final full stop
    around it are forgiven. All else is no number: ranges, about, 20k, 1,5, exponents, words.
    """
    bare = text.strip().strip("\"'`*").strip()
    if bare.endswith("."):
        bare = bare[:-1].rstrip()
    found = NUMBER.fullmatch(bare) if len(bare) <= LONGEST else None
    if found is None or (found["before"] and found["after"]):
        return None
    if (found["after"] or "").casefold() in ("%", "percent", "per cent") and not percent:
        return None
    number = float(re.sub(r"\D", "", found["whole"]) + (found["part"] or ""))
    number = -number if found["sign"] in ("-", "\u2212") else number
    return number if math.isfinite(number) and abs(number) <= LARGEST else None


def say_number(number: float) -> str:
    """A number in digits, as :func:`read_number` reads it: ``25``, ``12.5``, without exponent."""
    plain = f"{number:.12f}".rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain
