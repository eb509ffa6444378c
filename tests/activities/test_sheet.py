"""Sheets of who was there: numbers with their check digit, times as people write them, every wrong row by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from creditbank.activities.sheet import read_sheet
from creditbank.web.sheets import TableRefused
from tests.bank import ZONE

GOOD = "CQ1000000013"
AT = datetime(2025, 3, 1, 1, 5, tzinfo=UTC)

TIMES = [
    "2025-03-01 09:05",
    "2025/3/1 9:05",
    "2025年3月1日 09:05",
    "2025.03.01 09:05:00",
    "2025-03-01T09:05",
    "2025-03-01T09:05:00+08:00",
    "2025-03-01T01:05:00Z",
]
NO_TIMES = ["", "09:05", "2025-03-01", "2025-13-01 09:05", "2025-02-30 09:05", "2025-03-01 25:00", "0001-01-01 00:00",
            "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:00-08:00", "9999-12-31 23:59", "yesterday"]  # fmt: skip


def read(
    *rows: str, head: str = "number,time"
) -> tuple[list[tuple[int, str, datetime]], list[tuple[int | None, str, str]]]:
    sheet = read_sheet("\n".join([head, *rows]).encode(), "CQ", ZONE)
    signed = [(one.row, one.number, one.at.astimezone(UTC)) for one in sheet.signed]
    return signed, [(fault.row, fault.pointer, fault.code) for fault in sheet.faults]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("head", ["number,time", "账号,签到时间"])
def test_a_time_is_taken_as_people_write_it(time: str, head: str) -> None:
    assert read(f"{GOOD},{time}", head=head) == ([(2, GOOD, AT)], [])


@pytest.mark.parametrize("time", NO_TIMES)
def test_what_is_no_time_is_a_fault_of_its_row(time: str) -> None:
    signed, faults = read(f"{GOOD},{time}", "", f"{GOOD},{TIMES[0]}")
    assert (signed, faults) == ([(4, GOOD, AT)], [(2, "/time", "not_a_time")])


@pytest.mark.parametrize("number", ["", "CQ1000000014", "1000000013", "SH1000000013", "CQ１000000013", "张三"])
def test_what_is_no_number_is_a_fault_of_its_row(number: str) -> None:
    assert read(f"{number},{TIMES[0]}") == ([], [(2, "/number", "wrong_form")])


@pytest.mark.parametrize("text", ["", "number\n", "number,time,name\n", "time,time,number\n"])
def test_what_has_other_headings_is_no_sheet(text: str) -> None:
    with pytest.raises(TableRefused):
        read_sheet(text.encode(), "CQ", ZONE)
