"""From what stands in a cell to what the API takes: days, numbers and texts as offices in China write them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from creditbank.imports.domain import Cell

# Of a number that a spreadsheet stores fifteen digits are right, and it says nothing of the others.
_DIGITS_SURE: Final = 15
# Day 0 of spreadsheets, which hold 1900 to have been a leap year: right from March 1900 on.
_EPOCH: Final = date(1899, 12, 30)
_SERIALS: Final = range(20_000, 80_000)

_DAY: Final = re.compile(
    r"(\d{4})\s*(?:年|[-/.])\s*(\d{1,2})\s*(?:月|[-/.])\s*(\d{1,2})\s*(?:日|号)?(?:[T\s]\s*\d{1,2}:\d{2}(?::\d{2})?.*)?"
)
_MONTH: Final = re.compile(r"(\d{4})\s*(?:年|[-/.])\s*(\d{1,2})\s*月?")
_YEAR_LAST: Final = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})")
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_GROUPED: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_NUMERALS: Final[Mapping[str, int]] = {
    **{numeral: digit for digit, numeral in enumerate("〇一二三四五六七八九")},
    "零": 0,
    "○": 0,
    "两": 2,
}
_CHINESE_DAY: Final = re.compile(
    r"([〇○零一二三四五六七八九]{4})年([一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})[日号]"
)
_TRUTHS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "y", "是", "对", "√"), True),
    **dict.fromkeys(("false", "no", "n", "否", "×"), False),
}


class Unreadable(Exception):
    """What stands in the cell cannot be taken; ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def text_of(cell: Cell) -> str:
    """The text of a cell as it is written, trimmed. Raises Unreadable for a number whose last digits are lost."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        return cell[0]
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, float):
        return _float_text(cell)
    # NFC and not NFKC: a name keeps the letters that it is written with. Spreadsheets give non-breaking spaces freely.
    return unicodedata.normalize("NFC", cell).replace("\u00a0", " ").replace("\u3000", " ").strip()


def _float_text(number: float) -> str:
    if not abs(number) < 10**_DIGITS_SURE:
        # An identity card's number typed as a number: the sheet has rounded it, whatever it shows.
        raise Unreadable("digits_lost")
    # As many digits as the sheet itself shows: 0.1 + 0.2 is 0.3.
    text = format(Decimal(format(number, f".{_DIGITS_SURE}g")), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain_of(cell: Cell) -> str:
    """The text of a cell with letters and digits of full width taken as the usual ones. Raises Unreadable."""
    return unicodedata.normalize("NFKC", text_of(cell)).strip()


def is_empty(cell: Cell) -> bool:
    """Whether nothing stands in a cell, or nothing but spaces."""
    return cell is None or (isinstance(cell, str) and not cell.strip("\u00a0\u3000 \t\r\n"))


def day_of(cell: Cell) -> str:
    """The ISO text of a day: a day of the sheet's own, its number, or a text with the year first. Raises Unreadable."""
    if isinstance(cell, list):
        return cell[0][:10]
    if isinstance(cell, bool):
        raise Unreadable("not_a_date")
    text = plain_of(cell)
    if text.isascii() and text.isdecimal() and len(text) == 8:
        return _iso(int(text[:4]), int(text[4:6]), int(text[6:]))
    serial = re.fullmatch(r"(\d{5})(\.\d+)?", text, re.ASCII)
    if serial and int(serial[1]) in _SERIALS:
        return (_EPOCH + timedelta(days=int(serial[1]))).isoformat()
    if found := re.fullmatch(_DAY, text):
        return _iso(*(int(part) for part in found.groups()))
    if found := _CHINESE_DAY.fullmatch(text):
        year = int("".join(str(_NUMERALS[numeral]) for numeral in found[1]))
        return _iso(year, _numeral(found[2]), _numeral(found[3]))
    if _MONTH.fullmatch(text):
        raise Unreadable("day_missing")
    if _YEAR_LAST.fullmatch(text):
        # 3/4/2025 is a day in March to some and in April to others.
        raise Unreadable("date_unclear")
    raise Unreadable("not_a_date")


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError as wrong:
        raise Unreadable("no_such_day") from wrong


def _numeral(text: str) -> int:
    """A number below a hundred in Chinese numerals, such as 二十一."""
    tens, is_ten, ones = text.partition("十")
    if not is_ten:
        return _NUMERALS[text] if len(text) == 1 else 0
    if len(tens) > 1 or len(ones) > 1:
        return 0
    return (_NUMERALS[tens] if tens else 1) * 10 + (_NUMERALS[ones] if ones else 0)


def number_of(cell: Cell, *units: str) -> str:
    """A decimal text, without the unit that some write behind the number. Raises Unreadable."""
    if isinstance(cell, bool | list):
        raise Unreadable("not_a_number")
    text = plain_of(cell)
    for unit in units:
        text = text.removesuffix(unit).rstrip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if not _NUMBER.fullmatch(text):
        raise Unreadable("not_a_number")
    try:
        written = format(Decimal(text), "f")
    except InvalidOperation as wrong:
        raise Unreadable("not_a_number") from wrong
    return written.rstrip("0").rstrip(".") if "." in written else written


def percent_of(cell: Cell) -> str:
    """A part of a hundred. Raises Unreadable for 0.92, which is what a sheet stores where it shows 92%."""
    number = number_of(cell, "%")
    if "%" not in plain_of(cell) and 0 < Decimal(number) < 1:
        raise Unreadable("percent_unclear")
    return number


def truth_of(text: str) -> bool | None:
    """What a word of yes or no says; None for any other word."""
    return _TRUTHS.get(text.lower())


def words_of(cell: Cell) -> list[str]:
    """The words of a cell that holds several, whichever comma stands between."""
    return [word.strip() for word in re.split(r"[,，;；、\n]+", text_of(cell)) if word.strip()]
