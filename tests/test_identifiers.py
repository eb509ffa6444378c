"""Ids that sort by time, numbers with a check digit, paths of trees."""

from __future__ import annotations

import pytest

from creditbank.identifiers import code_of, is_number, is_under, lineage, new_code, new_id, new_number, parent_of


def test_ids_rise_even_within_a_millisecond() -> None:
    made = [new_id() for _ in range(2000)]

    assert made == sorted(made)
    assert len(set(made)) == 2000
    assert {one.version for one in made} == {7}


def test_every_slip_of_one_digit_is_seen() -> None:
    number = new_number("CQ", 9)
    body = number.removeprefix("CQ")

    assert is_number(number, "CQ")
    assert len(body) == 10
    slips = [body[:i] + digit + body[i + 1 :] for i in range(10) for digit in "0123456789" if digit != body[i]]
    assert len(slips) == 90
    assert not any(is_number("CQ" + slip, "CQ") for slip in slips)


def test_the_number_in_the_architecture_is_one() -> None:
    assert is_number("CQ1000000013", "CQ")


NO_NUMBERS = ["", "CQ", "1000000013", "XX1000000013", "cq1000000013", "CQ100000001X", "CQ10000000 13", "CQ１000000013"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number(text: str) -> None:
    assert not is_number(text, "CQ")


def test_a_number_has_as_many_digits_as_were_asked_for() -> None:
    numbers = {new_number("CQ", digits) for digits in (6, 9, 15) for _ in range(50)}

    assert {len(number) for number in numbers} == {9, 12, 18}
    assert len(numbers) == 150
    assert not any(number.startswith("CQ0") for number in numbers)


UNDER = [("cn/cq", "cn/cq", True), ("cn/cq/yz", "cn/cq", True), ("cn/cqx", "cn/cq", False), ("cn", "cn/cq", False)]


@pytest.mark.parametrize(("path", "top", "expected"), UNDER)
def test_a_path_is_under_itself_and_those_above(path: str, top: str, expected: bool) -> None:
    assert is_under(path, top) is expected
    assert (top in lineage(path)) is expected


def test_the_way_up() -> None:
    assert list(lineage("cn/cq/yz")) == ["cn/cq/yz", "cn/cq", "cn"]
    assert (parent_of("cn/cq"), parent_of("cn")) == ("cn", None)


def test_code_is_read_however_it_is_typed_and_no_slip_passes() -> None:
    letters = iter("7KQ2M9XD4T0VR1H")
    code = new_code(lambda _: next(letters))
    assert code[:-1] == "7KQ2-M9XD-4T0V-R1H"
    plain = code.replace("-", "")
    for typed in (code, plain.lower(), code.replace("0", "o").replace("1", "l"), f" {code} ", code.replace("1", "I")):
        assert code_of(typed) == plain
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for at, right in enumerate(plain):
        for wrong in alphabet.replace(right, ""):
            assert code_of(plain[:at] + wrong + plain[at + 1 :]) is None
    for nothing in ("", plain[:-1], plain + "0", "U" * 16, "７" * 15):
        assert code_of(nothing) is None
