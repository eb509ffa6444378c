"""Exact numbers: how documents and traces write them, and how people read them (rules/v1 sections 2 and 14)."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import Final

_NUMBER = re.compile(r"-?\d{1,12}(?:\.\d{1,9}|/\d{1,9})?", re.ASCII)
_SPAN = re.compile(r"(\d{1,6})-(\d{1,6})", re.ASCII)

MOST: Final = 10**9
"""No number of a document or a fact is larger; so no product of two outgrows what a database can hold."""


@lru_cache(maxsize=4096)
def read_number(text: str) -> Fraction:
    """Read ``"3"``, ``"1.5"`` or ``"2/3"`` exactly. Raises ValueError for anything else, exponents and ``+`` too.

    The last few thousand are remembered: a document of many rules says the same few numbers again and again.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text!r}")
    try:
        value = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"a fraction over nothing: {text!r}") from None
    if abs(value) > MOST:
        raise ValueError(f"too large: {text!r}")
    return value


def is_number(text: str) -> bool:
    """Whether ``read_number`` takes the text."""
    try:
        read_number(text)
    except ValueError:
        return False
    return True


def ratio_text(numerator: int, denominator: int) -> str:
    """The normalised fraction, as canonical JSON and traces write it: ``"3"``, ``"19/6"``."""
    common = gcd(numerator, denominator)
    if common == denominator:
        return str(numerator // denominator)
    return f"{numerator // common}/{denominator // common}"


def decimal_text(number: Fraction | str) -> str:
    """A number for people: at most three decimals, half even, no trailing zeros (section 14)."""
    if isinstance(number, str):
        if number.isdecimal():
            # Most numbers of most traces are whole, and written as people write them.
            return number
        number = Fraction(number)
    milli = round(number * 1000)
    whole, part = divmod(abs(milli), 1000)
    return f"{'-' if milli < 0 else ''}{whole}" + (f".{part:03d}".rstrip("0") if part else "")


def span_of(grade: str) -> tuple[int, int] | None:
    """The whole numbers from and to of a grade such as ``18-21``; None for another grade (section 5.4)."""
    found = _SPAN.fullmatch(grade)
    return (int(found[1]), int(found[2])) if found else None
