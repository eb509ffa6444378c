"""From the cells of a spreadsheet to equivalencies; ``listing`` is the way back.

Three sheets: ``equivalencies`` has a line for each course that is needed and each that is given, ``rulesets`` the head
of each rule set, ``scales`` the grades. Headings are English or Chinese.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Final

from creditbank.equivalencies.domain import (
    BLANKET,
    MOST_SLOTS,
    Award,
    Course,
    Effect,
    Equivalency,
    Grade,
    Remark,
    Scheme,
    number_text,
)
from creditbank.equivalencies.faults import CellFault, TableRefused
from creditbank.rules.numbers import read_number
from creditbank.rules.source import clean_text

Cell = str | int | float | bool | date | None
Book = Mapping[str, Sequence[Sequence[Cell]]]
"""The rows of each sheet, the first of them the headings."""

EQUIVALENCIES: Final = "equivalencies"
RULE_SETS: Final = "rulesets"
SCALES: Final = "scales"

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    EQUIVALENCIES: {
        "receiving": "接收机构",
        "group": "组",
        "alternative": "备选",
        "sending_provider": "来源机构",
        "sending_kind": "来源类型",
        "sending_code": "来源课程代码",
        "sending_title": "来源课程名称",
        "scale": "等级制",
        "minimum_grade": "最低成绩",
        "below_grade": "低于成绩",
        "receiving_code": "接收课程代码",
        "receiving_title": "接收课程名称",
        "credits": "学分",
        "no_credit": "不予学分",
        "review": "人工审核",
        "elective": "选修",
        "priority": "优先级",
        "remark": "备注",
    },
    RULE_SETS: {
        "id": "编号",
        "version": "版本",
        "from": "起始日期",
        "until": "截止日期",
        "unit": "学分制式",
        "step": "步长",
        "round": "取整",
        "title": "名称",
    },
    SCALES: {"scale": "等级制", "grade": "成绩", "position": "位置"},
}
"""By sheet: its headings in English, with the Chinese ones."""

_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    EQUIVALENCIES: ("receiving", "sending_provider", "sending_code", "receiving_code", "credits"),
    RULE_SETS: ("id", "from", "unit"),
    SCALES: ("scale", "grade", "position"),
}

_YES: Final = frozenset({"yes", "y", "true", "1", "x", "是"})
_NO: Final = frozenset({"", "no", "n", "false", "0", "否"})
_NATIVE: Final = frozenset({"native", "原学分"})
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PATH: Final = re.compile(rf"{_ID.pattern}(/{_ID.pattern}){{0,7}}")
_LONGEST: Final = 1000
_ROUNDINGS: Final = ("down", "half_up", "half_even")


def _letters(*names: str) -> dict[str, Fraction]:
    """Letter grades, with + and - a third of a step away."""
    places = {"A": 4, "B": 3, "C": 2, "D": 1}
    signs = {"+": Fraction(3, 10), "": Fraction(0), "-": Fraction(-3, 10)}
    return {name: places[name[0]] + signs[name[1:]] if name != "F" else Fraction(0) for name in names}


KNOWN_SCALES: Final[Mapping[str, Mapping[str, Fraction]]] = {
    "pct": {},
    "us": _letters("A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "D-", "F"),
    "five": {"优秀": Fraction(4), "良好": Fraction(3), "中等": Fraction(2), "及格": Fraction(1), "不及格": Fraction(0)},
    "two": {"合格": Fraction(1), "不合格": Fraction(0)},
}
"""Scales that a table may name without a sheet of its own: numbers, letters, and the two usual Chinese ones."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The head of a rule set for which the sheet ``rulesets`` has no row; without a first day it is refused."""

    start: date | None = None
    unit: str = "CR"
    step: Fraction = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule set of a table before it is composed."""

    scheme: Scheme
    equivalencies: tuple[Equivalency, ...]
    remarks: tuple[Remark, ...]


def read_book(book: Book, defaults: Defaults) -> list[Listed]:
    """The rule sets of the table, in the order of their first rows. Raises TableRefused with every fault found."""
    return _Reader(book, defaults).read()


class _Line:
    """One row of a sheet, its cells by heading."""

    def __init__(self, sheet: str, row: int, cells: Mapping[str, Cell], faults: list[CellFault]) -> None:
        self.sheet = sheet
        self.row = row
        self.cells = cells
        self.faults = faults

    def refuse(self, column: str, code: str, **terms: object) -> None:
        self.faults.append(CellFault(self.sheet, self.row, column, code, {k: str(v) for k, v in terms.items()}))

    def text(self, column: str, *, required: bool = False) -> str:
        try:
            text = clean_text(_cell_text(self.cells.get(column)))
        except ValueError:
            self.refuse(column, "bad_text")
            return ""
        if len(text) > _LONGEST:
            self.refuse(column, "bad_text")
        if required and not text:
            self.refuse(column, "empty")
        return text

    def matching(self, column: str, form: re.Pattern[str], code: str, *, required: bool = True) -> str:
        text = self.text(column, required=required)
        if text and not form.fullmatch(text):
            self.refuse(column, code, value=text)
        return text

    def flag(self, column: str) -> bool:
        text = self.text(column).lower()
        if text not in _YES | _NO:
            self.refuse(column, "not_yes_or_no", value=text)
        return text in _YES

    def number(self, column: str, default: Fraction | None = None) -> Fraction | None:
        text = self.text(column, required=default is None)
        if not text:
            return default
        try:
            number = read_number(text)
        except ValueError:
            self.refuse(column, "not_a_number", value=text)
            return default
        if number < 0:
            self.refuse(column, "not_a_number", value=text)
        return number

    def integer(self, column: str, default: int | None) -> int | None:
        text = self.text(column)
        if text and not re.fullmatch(r"-?\d{1,6}", text, re.ASCII):
            self.refuse(column, "not_an_integer", value=text)
            return default
        return int(text) if text else default

    def day(self, column: str, *, required: bool = False) -> date | None:
        cell = self.cells.get(column)
        if isinstance(cell, datetime):
            return cell.date()
        if isinstance(cell, date):
            return cell
        text = self.text(column, required=required)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.refuse(column, "not_a_date", value=text)
            return None


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


class _Reader:
    def __init__(self, book: Book, defaults: Defaults) -> None:
        self.book = book
        self.defaults = defaults
        self.faults: list[CellFault] = []
        self.remarks: dict[str, list[Remark]] = defaultdict(list)

    def read(self) -> list[Listed]:
        lines = list(self.lines(EQUIVALENCIES, required=True))
        scales = self.scales()
        schemes = self.schemes(scales)
        groups: dict[str, dict[str, list[_Line]]] = {}
        for line in lines:
            receiving = line.matching("receiving", _PATH, "not_a_path").replace("/", "-")
            group = line.matching("group", _ID, "not_an_id", required=False)
            groups.setdefault(receiving, {}).setdefault(group or f"\0{line.row}", []).append(line)
        listed = []
        for id_, by_group in groups.items():
            scheme = schemes.get(id_) or self.default_scheme(id_, next(iter(by_group.values()))[0], scales)
            named = {group for group in by_group if not group.startswith("\0")}
            equivalencies = [
                self.equivalency(self.name_of(group, rows, named), rows, scheme) for group, rows in by_group.items()
            ]
            listed.append(Listed(scheme, tuple(equivalencies), tuple(self.remarks[id_])))
        if self.faults:
            # A cell that is read for two purposes is wrong once.
            raise TableRefused(list({(f.sheet, f.row, f.column, f.code): f for f in self.faults}.values()))
        return listed

    def lines(self, sheet: str, *, required: bool = False) -> Iterator[_Line]:
        rows = self.book.get(sheet)
        if rows is None:
            if required:
                raise TableRefused([CellFault(sheet, 1, "", "no_sheet", {"name": sheet})])
            return
        headings = self.headings(sheet, rows[0] if rows else ())
        count = 0
        for number, row in enumerate(rows[1:], 2):
            cells = {name: row[index] for index, name in headings.items() if index < len(row)}
            if any(_cell_text(cell) for cell in cells.values()):
                count += 1
                yield _Line(sheet, number, cells, self.faults)
        if required and not count:
            raise TableRefused([CellFault(sheet, 1, "", "no_rows")])

    def headings(self, sheet: str, row: Sequence[Cell]) -> dict[int, str]:
        known = COLUMNS[sheet]
        names = {name: name for name in known} | {chinese: name for name, chinese in known.items()}
        found: dict[int, str] = {}
        faults = []
        for index, cell in enumerate(row):
            text = _cell_text(cell)
            name = names.get(text.lower().replace(" ", "_"))
            if not text:
                continue
            if name is None:
                faults.append(CellFault(sheet, 1, text, "unknown_column", {"name": text}))
            elif name in found.values():
                faults.append(CellFault(sheet, 1, text, "repeated_column", {"name": text}))
            else:
                found[index] = name
        faults += [
            CellFault(sheet, 1, name, "missing_column", {"name": name})
            for name in _REQUIRED[sheet]
            if name not in found.values()
        ]
        if faults:
            raise TableRefused(faults)
        return found

    def scales(self) -> Mapping[str, Mapping[str, Fraction]]:
        own: dict[str, dict[str, Fraction]] = {}
        for line in self.lines(SCALES):
            scale, grade = line.matching("scale", _ID, "not_an_id"), line.text("grade")
            grades = own.setdefault(scale, {})
            # A scale whose only line names no grade has numbers for grades.
            if grade:
                if grade in grades:
                    line.refuse("grade", "repeated_row", value=grade)
                grades[grade] = line.number("position") or Fraction(0)
        return {**KNOWN_SCALES, **own}

    def schemes(self, scales: Mapping[str, Mapping[str, Fraction]]) -> dict[str, Scheme]:
        schemes: dict[str, Scheme] = {}
        for line in self.lines(RULE_SETS):
            id_ = line.matching("id", _ID, "not_an_id")
            start = line.day("from", required=True)
            rounding = line.text("round") or "down"
            if rounding not in _ROUNDINGS:
                line.refuse("round", "not_one_of", choices=", ".join(_ROUNDINGS))
            if id_ in schemes:
                line.refuse("id", "repeated_row", value=id_)
            step = line.number("step", Fraction(1, 2)) or Fraction(0)
            if step <= 0 or (step * 1000).denominator != 1:
                line.refuse("step", "not_a_number", value=line.text("step"))
                step = Fraction(1, 2)
            schemes[id_] = Scheme(
                id=id_,
                start=start or date.min,
                unit=line.text("unit", required=True),
                version=line.integer("version", 1) or 1,
                until=line.day("until"),
                step=step,
                round=rounding,
                title=line.text("title") or None,
                scales=scales,
            )
        return schemes

    def default_scheme(self, id_: str, line: _Line, scales: Mapping[str, Mapping[str, Fraction]]) -> Scheme:
        if self.defaults.start is None:
            line.refuse("receiving", "start_missing", id=id_)
        if len(id_) > 64 and _PATH.fullmatch(line.text("receiving")):
            line.refuse("receiving", "not_an_id", value=id_)
        return Scheme(id_, self.defaults.start or date.min, self.defaults.unit, step=self.defaults.step, scales=scales)

    def name_of(self, group: str, rows: Sequence[_Line], named: set[str]) -> str:
        """The id of a rule: the group's, or one after the first course that it needs."""
        if not group.startswith("\0"):
            return group
        base = slug(rows[0].text("sending_code")) or f"row-{rows[0].row}"
        return base if base not in named else f"{base[:50]}-row-{rows[0].row}"

    def equivalency(self, id_: str, rows: Sequence[_Line], scheme: Scheme) -> Equivalency:
        alternatives: dict[str, list[Course]] = {}
        awards: list[Award] = []
        for line in rows:
            # Many tables repeat a course on each line of its group: it is the one course, needed or given once.
            course = self.course(line, scheme)
            if course is not None:
                courses = alternatives.setdefault(line.text("alternative"), [])
                if course not in courses:
                    courses.append(course)
            award = self.award(line, scheme)
            if award is not None and award not in awards:
                if award.unit in {other.unit for other in awards}:
                    line.refuse("credits", "contradiction", group=line.text("group"))
                awards.append(award)
        first = rows[0]
        effect = self.effect(rows)
        if not alternatives:
            first.refuse("sending_code", "no_sending")
        if any(len(courses) > MOST_SLOTS for courses in alternatives.values()):
            first.refuse("sending_code", "too_many_courses")
        if effect == "grant" and not awards:
            first.refuse("receiving_code", "no_receiving")
        if effect != "grant" and awards:
            first.refuse("receiving_code", "credit_and_no_credit")
        return Equivalency(
            id_,
            tuple(tuple(courses) for courses in alternatives.values()) or ((Course("none"),),),
            effect,
            tuple(awards) if effect == "grant" else (),
            self.agreed_priority(rows),
            next((text for line in rows if (text := line.text("remark"))), None),
            f"row {first.row}" if len(rows) == 1 else f"rows {first.row}-{rows[-1].row}",
        )

    def effect(self, rows: Sequence[_Line]) -> Effect:
        denied = [line.flag("no_credit") for line in rows]
        reviewed = [line.flag("review") for line in rows]
        if any(denied) and any(reviewed):
            rows[0].refuse("review", "contradiction", group=rows[0].text("group"))
        if any(denied):
            return "deny"
        return "review" if any(reviewed) else "grant"

    def agreed_priority(self, rows: Sequence[_Line]) -> int | None:
        found = {priority for line in rows if (priority := line.integer("priority", None)) is not None}
        if len(found) > 1:
            rows[0].refuse("priority", "contradiction", group=rows[0].text("group"))
        return next(iter(found), None)

    def course(self, line: _Line, scheme: Scheme) -> Course | None:
        columns = ("sending_provider", "sending_kind", "sending_code", "minimum_grade", "below_grade")
        if not any(line.text(column) for column in columns):
            return None
        code = line.text("sending_code")
        if isinstance(line.cells.get("sending_code"), int | float):
            self.remarks[scheme.id].append(Remark("number_as_code", f"row {line.row}", {"value": code}))
        return Course(
            line.matching("sending_provider", _PATH, "not_a_path"),
            code or None,
            line.text("sending_kind") or None,
            self.grade(line, scheme),
            line.text("sending_title") or None,
        )

    def grade(self, line: _Line, scheme: Scheme) -> Grade | None:
        low, below = line.text("minimum_grade"), line.text("below_grade")
        if not low and not below:
            return None
        name = line.text("scale") or self.scale_of(line, low or below, scheme)
        if name is None:
            return None
        grades = scheme.scales.get(name)
        if grades is None:
            line.refuse("scale", "scale_unknown", name=name)
            return None
        bounds = [self.position(line, column, name, grades) for column in ("minimum_grade", "below_grade")]
        if bounds[0] is not None and bounds[1] is not None and bounds[1] <= bounds[0]:
            line.refuse("below_grade", "empty_grades", min=low, below=below)
        return Grade(name, *bounds)

    def scale_of(self, line: _Line, grade: str, scheme: Scheme) -> str | None:
        found = [name for name, grades in scheme.scales.items() if grade in grades]
        if len(found) == 1:
            return found[0]
        line.refuse("scale", "scale_missing", value=grade, found=len(found))
        return None

    def position(self, line: _Line, column: str, scale: str, grades: Mapping[str, Fraction]) -> Fraction | None:
        text = line.text(column)
        if not text or text in grades:
            return grades.get(text)
        if not grades:
            return line.number(column)
        line.refuse(column, "grade_unknown", scale=scale, value=text)
        return None

    def award(self, line: _Line, scheme: Scheme) -> Award | None:
        code, amount, elective = line.text("receiving_code"), line.text("credits"), line.flag("elective")
        if not code and not elective and amount in {"", "0"}:
            return None
        if not code and not elective:
            line.refuse("receiving_code", "empty")
        credits: Fraction | None = None
        if amount.lower() not in _NATIVE:
            credits = line.number("credits")
            if credits is not None and (credits / scheme.step).denominator != 1:
                line.refuse("credits", "off_step", value=amount, step=number_text(scheme.step))
        unit = f"{BLANKET}{code or 'elective'}" if elective else code
        return Award(unit, credits, line.text("receiving_title") or None)


def slug(text: str) -> str:
    """An id after a text: small letters and digits, the rest joined by ``-``; empty when there are none."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].rstrip("-")
