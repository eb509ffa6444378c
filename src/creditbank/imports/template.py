"""A workbook to fill in: headings with notes, drop-downs where there are codes, days that are held to be days."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import xlsxwriter

from creditbank.codes import Item, code_list
from creditbank.imports.columns import FIELDS, NEEDED
from creditbank.web.sentences import Language

_ROWS: Final = 10_000

NOTES: Final[Mapping[str, tuple[str, str]]] = {
    "external_id": (
        "本机构内唯一的编号；更正后再次提交时请保持不变。",
        "Your own id of the record, unique at your institution; keep it when you correct a row and hand it in again.",
    ),
    "number": (
        "学习账号、身份证号、学号任填一项。",
        "One of account number, identity card, and student number is enough.",
    ),
    "id_card": (
        "18 位；请保持文本格式，否则末尾数字会丢失。",
        "18 characters; keep the column as text, or the last are lost.",
    ),
    "student_number": ("本机构的学号。", "The number that your institution gave."),
    "name": ("仅在允许开户时使用。", "Used only where the import may open accounts."),
    "birth_date": ("例如 2001-02-03；有身份证号时可不填。", "Such as 2001-02-03; the identity card says it too."),
    "kind": ("从下拉列表中选择，或填写代码。", "Choose from the list, or enter the code."),
    "code": ("贵机构的课程代码。", "Your code of the course."),
    "title": ("课程或成果名称。", "What the course or achievement is called."),
    "category": ("从下拉列表中选择，或填写代码。", "Choose from the list, or enter the code."),
    "credits": ("例如 2.5，至多三位小数。", "Such as 2.5, with at most three decimals."),
    "hours": ("例如 54。", "Such as 54."),
    "attendance": ("百分数，例如 92。", "Percent, such as 92."),
    "grade": (
        "百分制分数，或：优秀、良好、中等、及格、不及格、合格、不合格。",
        "Out of a hundred, or a letter such as B+.",
    ),
    "started": ("例如 2026-03-01。", "Such as 2026-03-01."),
    "completed": ("例如 2026-06-20；不得晚于今天。", "Such as 2026-06-20, and not after today."),
    "tags": ("多个标签用分号隔开。", "Several are set apart by semicolons."),
}
"""The columns of a template in their order, and what is noted at each in Chinese and in English."""


def template(language: Language) -> bytes:
    """The workbook in a language. It is the same whenever it is made."""
    is_chinese = language == "zh-Hans"
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    book.set_properties({"created": datetime(2000, 1, 1)})
    sheet = book.add_worksheet("学习成果" if is_chinese else "Achievements")
    codes = book.add_worksheet("代码" if is_chinese else "Codes")
    head, needed = book.add_format({"bold": True}), book.add_format({"bold": True, "bg_color": "#FFEB9C"})
    text, day = book.add_format({"num_format": "@"}), book.add_format({"num_format": "yyyy-mm-dd"})
    for place, (name, notes) in enumerate(NOTES.items()):
        field = FIELDS[name]
        sheet.set_column(place, place, 20, day if field.holds == "day" else text)
        heading = field.zh[0] if is_chinese else field.en
        is_needed = name in NEEDED
        sheet.write_string(0, place, f"{heading}*" if is_needed else heading, needed if is_needed else head)
        sheet.write_comment(0, place, notes[0] if is_chinese else notes[1])
        if field.holds == "day":
            span = {
                "validate": "date",
                "criteria": "between",
                "minimum": date(1930, 1, 1),
                "maximum": date(2099, 12, 31),
            }
            sheet.data_validation(1, place, _ROWS, place, span)
    sheet.freeze_panes(1, 0)
    columns = list(NOTES)
    lists: Mapping[str, list[Item]] = {
        "kind": list(code_list("kinds").values()),
        "category": list(code_list("categories").values()),
    }
    for number, (name, items) in enumerate(lists.items()):
        named, coded = 2 * number, 2 * number + 1
        codes.set_column(named, coded, 30)
        codes.write_string(0, named, FIELDS[name].zh[0] if is_chinese else FIELDS[name].en, head)
        for row, item in enumerate(items, 1):
            codes.write_string(row, named, item.zh if is_chinese else item.en)
            codes.write_string(row, coded, item.code)
        letter, place = chr(ord("A") + named), columns.index(name)
        source = f"='{codes.get_name()}'!${letter}$2:${letter}${len(items) + 1}"
        sheet.data_validation(1, place, _ROWS, place, {"validate": "list", "source": source})
    book.close()
    return made.getvalue()
