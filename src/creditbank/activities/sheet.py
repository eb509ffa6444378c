"""A sheet of who was there, kept where there was no network: account number and time, a row a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from creditbank.clock import is_within_time
from creditbank.errors import Fault
from creditbank.identifiers import is_number
from creditbank.web.sheets import columns_of, read_rows, refuse

_HEADINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("number", "账号", "学习账号", "学习者账号"), "number"),
    **dict.fromkeys(("time", "时间", "签到时间"), "time"),
}
_NEEDED: Final = ("number", "time")
_TIME: Final = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[ T]+(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Signed:
    """A row of the sheet: whose account number, and when."""

    row: int
    number: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows that can be taken, and what is wrong with the others."""

    signed: Sequence[Signed]
    faults: Sequence[Fault]


def read_sheet(content: bytes, prefix: str, zone: ZoneInfo) -> Sheet:
    """The sheet in a CSV text. Times without an offset are those of ``zone``; numbers begin with ``prefix``.

    A row that is wrong harms no other. Raises TableRefused where the text or its headings are no sheet.
    """
    rows = read_rows(content)
    wrong: list[Fault] = []
    columns = columns_of(*next(rows, (1, [])), _HEADINGS, _NEEDED, wrong)
    refuse(wrong)
    signed: list[Signed] = []
    faults: list[Fault] = []
    for row, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        said = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
        number, at = said.get("number", ""), _instant(said.get("time", ""), zone)
        if not is_number(number, prefix):
            faults.append(Fault("/number", "wrong_form", "", row))
        elif at is None:
            faults.append(Fault("/time", "not_a_time", "", row))
        else:
            signed.append(Signed(row, number, at))
    return Sheet(signed, faults)


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    found = _TIME.fullmatch(text)
    try:
        if found is not None:
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
            given = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        else:
            given = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Without an offset only the form above is taken.
    return given if given.tzinfo is not None and is_within_time(given) else None
