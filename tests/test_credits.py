"""Amounts of credit are exact, whatever is done with them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditbank.credits import ZERO, Credits

TEXTS = {
    "0": 0,
    "3": 3000,
    "2.5": 2500,
    "0.125": 125,
    "0.001": 1,
    "-1.5": -1500,
    "12.340": 12340,
    "999999999999": 999999999999000,
}
REFUSED = ["", "1.", ".5", "01", "1.2345", "1e3", "+1", " 1", "1 ", "1,5", "٣", "NaN", "--1", "1" * 13, "1\n"]


@pytest.mark.parametrize(("text", "milli"), TEXTS.items())
def test_a_decimal_text_is_read_exactly(text: str, milli: int) -> None:
    assert Credits.parse(text) == Credits(milli)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        Credits.parse(text)


@given(milli=st.integers(-(10**14), 10**14))
def test_what_is_written_is_read_back(milli: int) -> None:
    text = str(Credits(milli))

    assert Credits.parse(text) == Credits(milli)
    assert "." not in text or text[-1] != "0"


@given(one=st.integers(-(10**9), 10**9), other=st.integers(-(10**9), 10**9))
def test_arithmetic_is_that_of_whole_thousandths(one: int, other: int) -> None:
    assert Credits(one) + Credits(other) == Credits(one + other)
    assert Credits(one) - Credits(other) == Credits(one) + -Credits(other)
    assert (Credits(one) < Credits(other)) is (one < other)
    assert bool(Credits(one)) is (one != 0)


def test_a_fraction_finer_than_a_thousandth_is_no_amount() -> None:
    assert Credits.of(Fraction(5, 8)) == Credits(625)
    assert Credits.of(0) == ZERO
    with pytest.raises(ValueError, match="finer"):
        Credits.of(Fraction(1, 3))
