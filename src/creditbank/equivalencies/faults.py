"""The sentences about tables: what is wrong with a cell, and what a table leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from creditbank.equivalencies.domain import Remark


@dataclass(frozen=True, slots=True)
class CellFault:
    """What is wrong with one cell. ``row`` counts from 1 as spreadsheets do; ``column`` is the heading."""

    sheet: str
    row: int
    column: str
    code: str
    terms: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> Mapping[str, str]:
        """The sentence in English and Chinese."""
        return _told(FAULTS[self.code], self.terms)


class TableRefused(Exception):
    """The table cannot become rule sets; ``faults`` says where and why, never empty."""

    def __init__(self, faults: list[CellFault]) -> None:
        super().__init__("; ".join(f"{f.sheet}!{f.column}{f.row}: {f.message['en']}" for f in faults[:5]))
        self.faults = faults


def remark_sentence(remark: Remark) -> Mapping[str, str]:
    """The sentence in English and Chinese."""
    return _told(REMARKS[remark.code], remark.terms)


def _told(sentences: tuple[str, str], terms: Mapping[str, str]) -> Mapping[str, str]:
    return {"en": sentences[0].format_map(terms), "zh": sentences[1].format_map(terms)}


FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "no_sheet": ("There is no sheet named {name}.", "没有名为 {name} 的工作表。"),
    "no_rows": ("The sheet has no rows.", "工作表没有数据行。"),
    "unknown_column": ("There is no column named {name}.", "没有名为 {name} 的列。"),
    "repeated_column": ("The column {name} stands twice.", "列 {name} 出现了两次。"),
    "missing_column": ("The column {name} is missing.", "缺少列 {name}。"),
    "empty": ("The cell must not be empty.", "单元格不能为空。"),
    "bad_text": (
        "The text is longer than 1000 characters or holds one that cannot be stored.",
        "文本超过 1000 个字符，或含有无法存储的字符。",
    ),
    "not_a_path": (
        "{value} is not a provider's code: small letters, digits, - and _, parts joined by /.",
        "{value} 不是机构代码：应为小写字母、数字、- 和 _，各部分以 / 连接。",
    ),
    "not_an_id": (
        "{value} is not an id: small letters, digits, - and _, at most 64.",
        "{value} 不是编号：应为小写字母、数字、- 和 _，最多 64 个字符。",
    ),
    "not_a_number": ("{value} is not a number of credits.", "{value} 不是学分数。"),
    "not_an_integer": ("{value} is not a whole number.", "{value} 不是整数。"),
    "not_a_date": ("{value} is not a date such as 2025-09-01.", "{value} 不是日期，如 2025-09-01。"),
    "not_yes_or_no": ("{value} is neither yes nor no.", "{value} 既不是“是”也不是“否”。"),
    "not_one_of": ("It must be one of {choices}.", "只能是以下之一：{choices}。"),
    "off_step": ("{value} is not a multiple of the step {step}.", "{value} 不是步长 {step} 的整数倍。"),
    "too_many_courses": ("A group has at most 12 courses.", "一组最多 12 门课程。"),
    "scale_unknown": ("There is no scale named {name}.", "不存在名为 {name} 的等级制。"),
    "scale_missing": (
        "Name the scale of the grade {value}: it stands on {found} of the known scales.",
        "请写明成绩 {value} 的等级制：已知等级制中有 {found} 个含有它。",
    ),
    "grade_unknown": ("The scale {scale} has no grade {value}.", "等级制 {scale} 没有成绩 {value}。"),
    "empty_grades": ("The grades from {min} up to below {below} are none.", "从 {min} 到低于 {below} 没有成绩。"),
    "no_sending": ("The group needs no course: name the sending course.", "该组没有所需课程：请填写来源课程。"),
    "no_receiving": (
        "The group gives nothing: name the receiving course, or mark it as no credit or for review.",
        "该组没有授予内容：请填写接收课程，或标为不予学分或人工审核。",
    ),
    "credit_and_no_credit": (
        "A group without credit, or for review, names no receiving course and no credits.",
        "不予学分或人工审核的组不能填写接收课程和学分。",
    ),
    "contradiction": ("The rows of the group {group} differ here.", "组 {group} 的各行在此处不一致。"),
    "start_missing": (
        "The sheet rulesets has no row for {id}, and no first day was named.",
        "工作表 rulesets 中没有 {id}，也没有指定起始日期。",
    ),
    "repeated_row": ("{value} stands in an earlier row already.", "{value} 已在前面的行中出现。"),
    "not_readable": ("The file cannot be read: {problem}.", "无法读取文件：{problem}。"),
}
"""By code: what is wrong with a cell, in English and Chinese."""

REMARKS: Final[Mapping[str, tuple[str, str]]] = {
    "several_outcomes": (
        "{courses} has several outcomes ({outcomes}); a person decides which.",
        "{courses} 有多种结果（{outcomes}）；由人工决定。",
    ),
    "contained": (
        "Of several outcomes {rule} gives all ({awards}), so all of them hold.",
        "多种结果中 {rule} 已包含全部（{awards}），因此都成立。",
    ),
    "repeated": ("{courses} is listed more than once with one outcome.", "{courses} 以相同结果重复列出。"),
    "order_decides": (
        "With {courses} the rule that comes first gives {given}; {lost} would be possible too.",
        "对于 {courses}，先适用的规则授予 {given}；也可能授予 {lost}。",
    ),
    "larger_set_first": (
        "With {courses} the combination gives {given}; a part of it alone would give {lost}.",
        "对于 {courses}，组合授予 {given}；其中一部分单独可授予 {lost}。",
    ),
    "any_grade": (
        "No minimum grade is stated: {count} rules take any grade.",
        "未写明最低成绩：{count} 条规则接受任何成绩。",
    ),
    "number_as_code": (
        "The code {value} is a number in the spreadsheet: zeros in front may be lost.",
        "课程代码 {value} 在表格中是数字：前面的零可能已丢失。",
    ),
    "cannot_be_said": (
        "A table cannot say what stands at {pointer}; it is not in the spreadsheet.",
        "表格无法表达 {pointer} 处的内容；电子表格中没有这一项。",
    ),
    "tests_are_made": (
        "{count} tests of the document are not kept: tests are made from the table.",
        "文档中的 {count} 个测试不予保留：测试由表格生成。",
    ),
}
"""By code: what a person should look at, in English and Chinese."""
