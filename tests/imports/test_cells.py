"""What offices write in cells, and what the bank takes it for."""

from __future__ import annotations

import pytest

from creditbank.imports.cells import (
    Unreadable,
    day_of,
    is_empty,
    number_of,
    percent_of,
    plain_of,
    text_of,
    truth_of,
    words_of,
)
from creditbank.imports.domain import Cell, letters

DAYS: list[tuple[Cell, str]] = [
    (["2025-06-20"], "2025-06-20"),
    (["2025-06-20T09:30:00"], "2025-06-20"),
    ("2025-06-20", "2025-06-20"),
    ("2025/6/20", "2025-06-20"),
    ("2025.6.20", "2025-06-20"),
    ("2025年6月20日", "2025-06-20"),
    ("2025 年 6 月 20 号", "2025-06-20"),
    ("２０２５年６月２０日", "2025-06-20"),
    ("２０２５／６／２０", "2025-06-20"),
    ("2025-06-20 09:30:00", "2025-06-20"),
    ("2025-06-20T09:30:00Z", "2025-06-20"),
    ("20250620", "2025-06-20"),
    (20250620.0, "2025-06-20"),
    (45828, "2025-06-20"),
    (45828.5, "2025-06-20"),
    ("45828", "2025-06-20"),
    ("二〇二五年六月二十日", "2025-06-20"),
    ("二○二五年十二月三十一日", "2025-12-31"),
    ("二零二五年十月十日", "2025-10-10"),
    ("2024-02-29", "2024-02-29"),
]

NO_DAYS: list[tuple[Cell, str]] = [
    ("2025年6月", "day_missing"),
    ("2025-06", "day_missing"),
    ("20/6/2025", "date_unclear"),
    ("6/20/25", "date_unclear"),
    ("2025-02-29", "no_such_day"),
    ("20250631", "no_such_day"),
    ("2025年13月1日", "no_such_day"),
    ("二〇二五年十三月一日", "no_such_day"),
    ("二〇二五年二三月一日", "no_such_day"),
    ("去年六月", "not_a_date"),
    ("19999", "not_a_date"),
    (True, "not_a_date"),
    (1e300, "digits_lost"),
]


@pytest.mark.parametrize(("cell", "day"), DAYS)
def test_a_day_is_read_as_offices_write_it(cell: Cell, day: str) -> None:
    assert day_of(cell) == day


@pytest.mark.parametrize(("cell", "code"), NO_DAYS)
def test_what_is_no_day_is_named(cell: Cell, code: str) -> None:
    with pytest.raises(Unreadable) as wrong:
        day_of(cell)
    assert wrong.value.code == code


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("3", "3"),
        ("3.50", "3.5"),
        ("３．５", "3.5"),
        (0.1 + 0.2, "0.3"),
        (54.0, "54"),
        (54, "54"),
        ("1,200", "1200"),
        ("54学时", "54"),
        ("54 学时", "54"),
        (".5", "0.5"),
        ("-1", "-1"),
    ],
)
def test_a_number_is_exact(cell: Cell, number: str) -> None:
    assert number_of(cell, "学时") == number


@pytest.mark.parametrize("cell", ["三", "3学分", "1,20", "3-4", "", True, ["2025-06-20"], "1e3", "∞"])
def test_what_is_no_number_is_named(cell: Cell) -> None:
    with pytest.raises(Unreadable) as wrong:
        number_of(cell, "学时")
    assert wrong.value.code == "not_a_number"


@pytest.mark.parametrize(("cell", "number"), [("92%", "92"), ("92％", "92"), (92.0, "92"), ("0.5%", "0.5"), (0, "0")])
def test_a_percentage_is_of_a_hundred(cell: Cell, number: str) -> None:
    assert percent_of(cell) == number


def test_a_percentage_that_a_sheet_stores_as_a_fraction_is_not_guessed_at() -> None:
    with pytest.raises(Unreadable) as wrong:
        percent_of(0.92)
    assert wrong.value.code == "percent_unclear"


@pytest.mark.parametrize(
    ("cell", "text"),
    [(20260017.0, "20260017"), ("  张三\u3000", "张三"), ("\u00a0Li\u00a0Wei", "Li Wei"), (True, "true"), (None, "")],
)
def test_a_text_is_what_is_seen(cell: Cell, text: str) -> None:
    assert text_of(cell) == text


def test_digits_of_full_width_are_digits_and_names_keep_their_letters() -> None:
    assert plain_of("２０２６－００１７Ａ") == "2026-0017A"
    assert text_of("ＡＢ大学") == "ＡＢ大学"


def test_an_identity_card_typed_as_a_number_has_lost_its_digits() -> None:
    with pytest.raises(Unreadable) as wrong:
        text_of(1.1010519491231e17)
    assert wrong.value.code == "digits_lost"


def test_words_of_yes_and_no_and_several_words() -> None:
    assert [truth_of(word) for word in ("是", "Yes", "否", "×", "也许")] == [True, True, False, False, None]
    assert words_of("1+X；社区、线上, 夜校") == ["1+X", "社区", "线上", "夜校"]
    assert [is_empty(cell) for cell in (None, " \u3000", 0, False, "x")] == [True, True, False, False, False]


@pytest.mark.parametrize(("column", "named"), [(1, "A"), (26, "Z"), (27, "AA"), (52, "AZ"), (703, "AAA")])
def test_columns_have_letters(column: int, named: str) -> None:
    assert letters(column) == named
