"""Credits of one unit become credits of another (rules/v1 section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from creditbank.credits import ZERO, Credits

if TYPE_CHECKING:
    from creditbank.rules.language.programmes import UnitConversion


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion gives in the new unit, what it uses up of the old one, and what stays there."""

    gives: Credits
    uses: Credits
    rest: Credits


def convert(amount: Credits, conversion: UnitConversion) -> Converted:
    """Convert an amount: whole steps of the new unit, at a cost rounded up to a thousandth, so that no cycle gains."""
    steps = amount.milli * conversion.factor // (conversion.step * 1000)
    gives = Credits.of(steps * conversion.step)
    if conversion.remainder == "drop":
        return Converted(gives, amount, ZERO)
    uses = Credits(ceil(gives.milli / conversion.factor))
    return Converted(gives, uses, amount - uses)
