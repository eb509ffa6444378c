"""An exact amount of credit: whole thousandths inside, a decimal text outside, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MILLI = 1000
_TEXT = re.compile(r"^-?(0|[1-9]\d{0,11})(\.\d{1,3})?$", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Credits:
    """An amount in thousandths of a credit. Which unit of credit it counts is told by what holds it."""

    milli: int

    @classmethod
    def parse(cls, text: str) -> Credits:
        """Read a decimal text such as ``"2.5"``. Raises ValueError for more than three decimals, signs, exponents."""
        if not _TEXT.fullmatch(text):
            raise ValueError(f"not an amount of credits: {text!r}")
        sign = -1 if text.startswith("-") else 1
        whole, _, part = text.lstrip("-").partition(".")
        return cls(sign * (int(whole) * MILLI + int(part.ljust(3, "0") or 0)))

    @classmethod
    def of(cls, value: Fraction | int) -> Credits:
        """An exact number of credits. Raises ValueError when it has a part finer than a thousandth."""
        milli = Fraction(value) * MILLI
        if milli.denominator != 1:
            raise ValueError(f"finer than a thousandth of a credit: {value}")
        return cls(milli.numerator)

    def __str__(self) -> str:
        whole, part = divmod(abs(self.milli), MILLI)
        sign = "-" if self.milli < 0 else ""
        return f"{sign}{whole}" + (f".{part:03d}".rstrip("0") if part else "")

    def __add__(self, other: Credits) -> Credits:
        return Credits(self.milli + other.milli)

    def __sub__(self, other: Credits) -> Credits:
        return Credits(self.milli - other.milli)

    def __neg__(self) -> Credits:
        return Credits(-self.milli)

    def __bool__(self) -> bool:
        return self.milli != 0


ZERO = Credits(0)
