"""From the cells of a row to an achievement as it would be posted, or to what is wrong at which cell. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from creditbank.codes import ListName, code_list
from creditbank.errors import Fault
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
from creditbank.imports.columns import FACTS, FIELDS, IDENTITIES, LEARNER, NEEDED
from creditbank.imports.domain import Cell, RowProblem

_FRAMEWORK: Final = "cn-lof"
_GRADES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("优秀", "良好", "中等", "及格", "不及格"), "five"),
    **dict.fromkeys(("合格", "不合格"), "two"),
}
_US_GRADE: Final = re.compile(r"[A-D][+-]?|F", re.ASCII)
_CHOICES_SHOWN: Final = 5
# What has more digits is no number that JSON can say; it is refused as a text where a number is wanted.
_DIGITS_MAX: Final = 15


class _Row:
    """One row while it is read: its cells by what they hold, and what is wrong so far."""

    def __init__(self, row: int, columns: Sequence[str], cells: Sequence[Cell]) -> None:
        self.row = row
        self.places = {name: place for place, name in enumerate(columns, 1) if name}
        self.cells = {name: cells[place - 1] for name, place in self.places.items() if place <= len(cells)}
        self.problems: list[RowProblem] = []

    def is_given(self, name: str) -> bool:
        return name in self.cells and not is_empty(self.cells[name])

    def refuse(self, name: str, code: str, says: str = "", terms: Mapping[str, str] | None = None) -> None:
        pointer = FIELDS[name].pointer if name in FIELDS else f"/{name.replace('.', '/')}"
        self.problems.append(RowProblem(self.row, self.places.get(name), pointer, code, says, terms or {}))

    def read(self, name: str) -> Any:
        """What the cell says, as JSON; None when nothing stands there or it cannot be taken."""
        if not self.is_given(name):
            return None
        cell = self.cells[name]
        try:
            match FIELDS[name].holds:
                case "day":
                    return day_of(cell)
                case "number":
                    return number_of(cell, *FIELDS[name].units)
                case "percent":
                    return percent_of(cell)
                case "words":
                    return words_of(cell)
                case "text":
                    return text_of(cell)
                case _:
                    return plain_of(cell)
        except Unreadable as wrong:
            self.refuse(name, wrong.code)
            return None

    def item(self, name: str, listed: ListName) -> str | None:
        """The code of an item of a list by its code or one of its names."""
        text = self.read(name)
        if text is None:
            return None
        items = code_list(listed).values()
        code = next((i.code for i in items if str(text).lower() in {i.code, i.zh.lower(), i.en.lower()}), None)
        if code is None:
            shown = ", ".join(f"{item.zh} / {item.code}" for item in list(items)[:_CHOICES_SHOWN])
            self.refuse(name, "not_one_of", "not_one_of_codes", {"choices": shown, "count": str(len(items))})
        return code


def read_row(
    row: int, columns: Sequence[str], cells: Sequence[Cell], *, opens_accounts: bool
) -> tuple[dict[str, Any], list[RowProblem]]:
    """The achievement that a row states, as it would be posted, and all that cannot be taken of it."""
    read = _Row(row, columns, cells)
    stated: dict[str, Any] = {
        name: read.read(name)
        for name in (
            *("external_id", "code", "unit", "credits", "hours", "attendance", "started", "completed", "submitted"),
            *("applied", "assurance", "language", "learning", "shelf_life", "tags", "provider"),
        )
    }
    for name in NEEDED:
        if not read.is_given(name):
            read.refuse(name, "required")
    stated["kind"] = read.item("kind", "kinds")
    stated["category"] = read.item("category", "categories")
    stated["title"] = _title(read)
    stated["grade"] = _grade(read)
    level = read.read("level")
    stated["level"] = None if level is None else {_FRAMEWORK: level}
    stated["facts"] = _facts(read, code_list("kinds")[stated["kind"]].facts if stated["kind"] else {})
    stated["learner"] = _learner(read)
    if opens_accounts and read.is_given("name"):
        account = {"name": read.read("name"), "birth_date": read.read("birth_date"), "region": read.read("region")}
        stated["open_account"] = {name: value for name, value in account.items() if value is not None}
    return {name: value for name, value in stated.items() if value is not None}, read.problems


def _title(read: _Row) -> Any:
    zh, en = read.read("title"), read.read("title_en")
    return {"zh": zh, "en": en} if zh is not None and en is not None else zh if zh is not None else en


def _grade(read: _Row) -> dict[str, str] | None:
    text, scale = read.read("grade"), read.read("grade_scale")
    if text is None:
        return None
    if scale is not None:
        return {str(scale).lower(): text}
    if text in _GRADES:
        return {_GRADES[text]: text}
    if _US_GRADE.fullmatch(text):
        return {"us": text}
    try:
        number = number_of(read.cells["grade"], *FIELDS["grade"].units)
    except Unreadable:
        read.refuse("grade", "grade_unclear")
        return None
    if not 0 <= Decimal(number) <= 100:
        read.refuse("grade", "number_too_large", "number_larger_than", {"most": "100"})
        return None
    return {"percent": number}


def _facts(read: _Row, types: Mapping[str, str]) -> dict[str, Any] | None:
    facts: dict[str, Any] = {}
    for column in read.cells:
        if not column.startswith(FACTS) or not read.is_given(column):
            continue
        name = column.removeprefix(FACTS)
        try:
            facts[name] = _fact(read.cells[column], types.get(name, "text"))
        except Unreadable as wrong:
            read.refuse(column, wrong.code)
    return facts or None


def _fact(cell: Cell, type_: str) -> str | int | bool:
    match type_:
        case "date":
            return day_of(cell)
        case "number":
            number = number_of(cell)
            return int(number) if number.lstrip("-").isdecimal() and len(number) <= _DIGITS_MAX else number
        case "boolean":
            truth = truth_of(plain_of(cell))
            if truth is None:
                raise Unreadable("not_yes_or_no")
            return truth
        case _:
            return text_of(cell)


def _learner(read: _Row) -> dict[str, Any] | None:
    for name in LEARNER:
        if not read.is_given(name):
            continue
        value = read.read(name)
        if value is None:
            return None
        if name in IDENTITIES:
            return {"identity": {"type": name, "value": value}}
        return {"id" if name == "learner_id" else name: value}
    column = next((name for name in LEARNER if name in read.places), None)
    read.problems.append(RowProblem(read.row, read.places[column] if column else None, "/learner", "learner_unnamed"))
    return None


def place_of(fault: Fault, row: int, columns: Sequence[str]) -> RowProblem:
    """A fault of an achievement as it would be posted, at the cell from which it came."""
    column = next(
        (
            place
            for place, name in enumerate(columns, 1)
            if name and _covers(FIELDS[name].pointer if name in FIELDS else f"/{name.replace('.', '/')}", fault.pointer)
        ),
        None,
    )
    return RowProblem(row, column, fault.pointer, fault.code, fault.says, fault.terms)


def _covers(own: str, pointer: str) -> bool:
    return pointer == own or pointer.startswith(f"{own}/") or (own.startswith("/learner/") and pointer == "/learner")
