"""What a table's columns hold, by their headings in Chinese or English or by a mapping that was saved. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from creditbank.errors import Fault
from creditbank.imports.cells import Unreadable, text_of
from creditbank.imports.domain import Cell

Holds = Literal["text", "plain", "day", "number", "percent", "words", "item", "grade", "nothing"]

FACTS: Final = "facts."
"""A column that begins so holds a fact of the achievement's kind, such as `facts.proctored`."""

PASSED_OVER: Final = ""
"""What a column holds that is not read."""

_HEADINGS_ENOUGH: Final = 3
_HEADING_ROWS: Final = 20
_FACT: Final = re.compile(r"facts\.[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """What a column can hold: where it stands in an achievement as it is posted, how it is read, how it is headed."""

    pointer: str
    holds: Holds
    # The first is what templates are headed with.
    zh: tuple[str, ...]
    en: str
    units: tuple[str, ...] = ()


FIELDS: Final[Mapping[str, Field]] = {
    "external_id": Field("/external_id", "plain", ("记录编号", "编号", "成果编号", "流水号", "外部编号"), "Record id"),
    "number": Field("/learner/number", "plain", ("学习账号", "账号", "学习者账号", "学习账户"), "Account number"),
    "learner_id": Field("/learner/id", "plain", ("学习者标识",), "Learner id"),
    "id_card": Field(
        "/learner/identity", "plain", ("身份证号", "身份证", "身份证号码", "证件号码", "公民身份号码"), "Identity card"
    ),
    "student_number": Field("/learner/identity", "plain", ("学号", "学籍号"), "Student number"),
    "passport": Field("/learner/identity", "plain", ("护照号", "护照", "护照号码"), "Passport"),
    "phone": Field("/learner/identity", "plain", ("手机号", "手机", "手机号码", "电话", "联系电话"), "Phone"),
    "name": Field("/open_account/name", "text", ("姓名", "学员姓名", "学生姓名"), "Name"),
    "birth_date": Field("/open_account/birth_date", "day", ("出生日期", "生日", "出生年月日"), "Birth date"),
    "region": Field("/open_account/region", "plain", ("行政区划", "行政区划代码"), "Region"),
    "kind": Field("/kind", "item", ("成果类型", "类型", "学习成果类型"), "Kind"),
    "code": Field("/code", "plain", ("课程代码", "代码", "课程编号", "课程号"), "Course code"),
    "title": Field("/title", "text", ("名称", "课程名称", "成果名称", "课程", "中文名称"), "Title"),
    "title_en": Field("/title", "text", ("英文名称", "课程英文名称"), "Title in English"),
    "category": Field("/category", "item", ("类别", "学习领域", "分类"), "Category"),
    "unit": Field("/unit", "plain", ("单元", "学习单元"), "Unit"),
    "credits": Field("/credits", "number", ("学分",), "Credits", ("学分", "分")),
    "hours": Field("/hours", "number", ("学时", "课时"), "Hours", ("学时", "课时", "小时", "h")),
    "attendance": Field("/attendance", "percent", ("出勤率", "到课率"), "Attendance"),
    "grade": Field("/grade", "grade", ("成绩", "分数", "总评成绩", "考试成绩"), "Grade", ("分",)),
    "grade_scale": Field("/grade", "plain", ("成绩制", "等级制"), "Grade scale"),
    "level": Field("/level", "plain", ("等级", "框架等级", "资历等级"), "Level"),
    "started": Field("/started", "day", ("开始日期", "开课日期", "起始日期"), "Started"),
    "completed": Field("/completed", "day", ("完成日期", "结业日期", "考试日期", "取得日期", "发证日期"), "Completed"),
    "submitted": Field("/submitted", "day", ("提交日期",), "Submitted"),
    "applied": Field("/applied", "day", ("申请日期",), "Applied"),
    "assurance": Field("/assurance", "plain", ("保证等级",), "Assurance"),
    "language": Field("/language", "plain", ("授课语言", "语言"), "Language"),
    "learning": Field("/learning", "plain", ("学习标识",), "Learning"),
    "shelf_life": Field("/shelf_life", "plain", ("有效期",), "Shelf life"),
    "tags": Field("/tags", "words", ("标签",), "Tags"),
    "provider": Field("/provider", "plain", ("机构代码", "提供机构", "办学机构代码"), "Provider"),
}
"""What columns can hold, by name, in the order of a template."""

IDENTITIES: Final = ("id_card", "passport", "phone", "student_number")
LEARNER: Final = ("learner_id", "number", *IDENTITIES)
"""By what a learner is named. Where a row has several, the first of these is taken."""

NEEDED: Final = ("external_id", "kind", "completed")

# What offices put in their sheets and no bank reads; and the column of errors that the bank itself adds.
ERRORS: Final = "错误 / Errors"
_ERRORS: Final = frozenset({"errors", "错误", "错误/errors"})
_IGNORED: Final = ("序号", "备注", "班级", "年级", "专业", "性别", "no.", "remarks", *_ERRORS)


def key_of(heading: str) -> str:
    """A heading as it is looked for: without width, case, spaces, stars, and what stands in brackets behind it."""
    text = unicodedata.normalize("NFKC", heading).strip().lower()
    text = re.sub(r"\([^()]*\)\s*\*?$", "", text)
    return re.sub(r"[\s*:_]+", "", text)


_KNOWN: Final[Mapping[str, str]] = {
    **{key_of(ignored): PASSED_OVER for ignored in _IGNORED},
    **{key_of(text): name for name, one in FIELDS.items() for text in (name, one.en, *one.zh)},
}


def name_of(heading: Cell, mapping: Mapping[str, str]) -> str | None:
    """What a column with this heading holds; None when nobody knows. A saved mapping comes before what is known."""
    try:
        text = text_of(heading)
    except Unreadable:
        return None
    key = key_of(text)
    if key in mapping:
        return mapping[key]
    if _FACT.fullmatch(text.lower()):
        return text.lower()
    return _KNOWN.get(key)


def is_errors(heading: Cell) -> bool:
    """Whether the column is the one of errors, which a report added."""
    return isinstance(heading, str) and key_of(heading) in _ERRORS


def is_field(name: str) -> bool:
    """Whether a column can hold this."""
    return name == PASSED_OVER or name in FIELDS or _FACT.fullmatch(name) is not None


def find_headings(rows: Sequence[tuple[int, Sequence[Cell]]], mapping: Mapping[str, str]) -> int:
    """Which of the first rows has the headings: above them a sheet may bear its title, and who made it when.

    The first with three headings that are known, or else the one with the most.
    """
    known = [
        sum(name_of(cell, mapping) not in {None, PASSED_OVER} for cell in cells) for _, cells in rows[:_HEADING_ROWS]
    ]
    for place, count in enumerate(known):
        if count >= _HEADINGS_ENOUGH:
            return place
    return max(range(len(known)), key=known.__getitem__, default=0)


def read_headings(row: int, cells: Sequence[Cell], mapping: Mapping[str, str]) -> tuple[list[str], list[Fault]]:
    """What each column holds, and what is wrong with the headings.

    ``mapping`` names columns by the keys of their headings.
    """
    names: list[str] = []
    faults: list[Fault] = []
    for column, cell in enumerate(cells, 1):
        text = "" if isinstance(cell, float | bool | None) else text_of(cell)
        name = name_of(cell, mapping) if text else PASSED_OVER
        pointer = f"/columns/{column}"
        if name is None:
            faults.append(Fault(pointer, "unknown_column", "", row))
        elif name and name in names:
            faults.append(Fault(pointer, "given_twice", "", row))
        names.append(name or PASSED_OVER)
    faults += [Fault(f"/{name}", "column_missing", "", row) for name in NEEDED if name not in names]
    if not set(LEARNER) & set(names):
        faults.append(Fault("/learner", "column_missing", "", row))
    return names, faults
