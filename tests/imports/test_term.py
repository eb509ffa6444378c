"""A term's results of an office, with faults of twenty-five kinds: each is named at its cell, and the rest is recorded.

The sheet is as offices make them: titles over the headings, columns that nobody asked for, days and digits written
in every way. Corrected and handed in again it records exactly what was left out.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
import xlsxwriter

from creditbank.imports.domain import Format, letters
from tests.api.world import World, opened
from tests.imports.results import TYPES

ROWS: Final = 2_000
FAULTS_EACH: Final = 2
FIRST: Final = 5
"""The row of the first result: three of titles and one of headings are above."""

COLUMNS: Final = (
    "序号", "记录编号*", "身份证号", "学号", "姓名", "出生日期", "成果类型*", "课程代码", "课程名称", "类别", "学分",
    "学时", "出勤率（%）", "成绩", "开始日期", "完成日期*", "标签", "facts.proctored", "备注",
)  # fmt: skip

# A fault: the column, what stands there instead, and the code under which it is named.
FAULTS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("记录编号*", "", "required"),
    ("记录编号*", "长" * 201, "too_long"),
    ("学号", "", "learner_unnamed"),
    ("身份证号", "110105194912310021", "no_such_identity"),
    ("身份证号", 110105194912310021, "digits_lost"),
    ("成果类型*", "", "required"),
    ("成果类型*", "上课", "not_one_of"),
    ("类别", "杂项", "not_one_of"),
    ("学分", "三", "not_a_number"),
    ("学分", "-2", "number_negative"),
    ("学分", "1001", "number_too_large"),
    ("学分", "2.12345", "not_a_number"),
    ("学时", "五十四", "not_a_number"),
    ("学时", "200000", "number_too_large"),
    ("出勤率（%）", 0.92, "percent_unclear"),
    ("出勤率（%）", "120", "number_too_large"),
    ("成绩", "还可以", "grade_unclear"),
    ("成绩", "860", "number_too_large"),
    ("完成日期*", "", "required"),
    ("完成日期*", "2025年2月", "day_missing"),
    ("完成日期*", "20/02/2025", "date_unclear"),
    ("完成日期*", "2025-02-30", "no_such_day"),
    ("完成日期*", "上学期末", "not_a_date"),
    ("完成日期*", "2031-01-01", "date_in_future"),
    ("facts.proctored", "也许", "not_yes_or_no"),
)  # fmt: skip


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank with a college."""
    async with opened(database_url) as served:
        yield served


def wide(text: str) -> str:
    """Digits as a Chinese keyboard gives them."""
    return text.translate({ord(str(digit)): chr(ord("０") + digit) for digit in range(10)})


def well(number: int, days: random.Random) -> list[Any]:
    """A row that is as it should be, each in another of the ways in which people write."""
    day = date(2024, 9, 1) + timedelta(days=days.randrange(150))
    written: list[Any] = [
        day.isoformat(), f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日",
        f"{day:%Y.%m.%d}", f"{day:%Y%m%d}", wide(day.isoformat()), (day - date(1899, 12, 30)).days,
    ]  # fmt: skip
    return [
        number, f"2024Q-{number:05}", "", f"{20240000 + number}" if number % 2 else 20240000 + number, f"学员{number}",
        "2001-02-03" if number % 5 == 0 else "", ("课程", "course", "考试")[number % 3], f"ENG{number % 40}",
        "大学英语", ("语言", "", "arts/languages")[number % 3], (3, "2.5", wide("2"), "3学分")[number % 4],
        (54, "32学时")[number % 2],
        ("92", "88%", wide("95"), 100)[number % 4], (86, "优秀", "B+", "76.5分")[number % 4],
        "2024-08-30" if number % 7 == 0 else "", written[number % len(written)],
        "夜校；线上" if number % 9 == 0 else "",
        ("是", "否", "")[number % 3], "补录" if number % 11 == 0 else "",
    ]  # fmt: skip


def results() -> tuple[list[list[Any]], list[list[Any]], dict[str, str]]:
    """The rows with their faults, the rows as they should be, and the code of each fault by its cell."""
    sound = [well(number, random.Random(number)) for number in range(ROWS)]
    faulty = [list(cells) for cells in sound]
    named: dict[str, str] = {}
    places = random.Random(7).sample(range(ROWS), len(FAULTS) * FAULTS_EACH)
    for place, (column, instead, code) in zip(places, [*FAULTS] * FAULTS_EACH, strict=True):
        faulty[place][COLUMNS.index(column)] = instead
        # A card comes before a number; where neither is, the first column in which one could be is named.
        at = "身份证号" if code == "learner_unnamed" else column
        named[f"{letters(COLUMNS.index(at) + 1)}{FIRST + place}"] = code
    return faulty, sound, named


TITLES: Final[tuple[list[str], ...]] = (
    ["重庆市渝中区社区学院2024年秋季学期学习成果汇总表"],
    ["填表单位：教务处", "", "填表日期：2025年1月15日"],
    [],
)


def as_xlsx(rows: list[list[Any]]) -> bytes:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    cover, sheet = book.add_worksheet("填表说明"), book.add_worksheet("成果")
    cover.write_column(0, 0, ["一、请勿改动表头。", "二、日期填写到日。"])
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.merge_range(0, 0, 0, len(COLUMNS) - 1, TITLES[0][0])
    sheet.write_row(1, 0, TITLES[1])
    sheet.write_row(FIRST - 2, 0, COLUMNS)
    for place, cells in enumerate(rows, FIRST - 1):
        for column, cell in enumerate(cells):
            if column == COLUMNS.index("开始日期") and cell:
                sheet.write_datetime(place, column, datetime.fromisoformat(cell), day)
            elif isinstance(cell, int | float):
                sheet.write_number(place, column, cell)
            else:
                sheet.write_string(place, column, cell)
    book.close()
    return made.getvalue()


def as_csv(rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t")
    writer.writerows([*TITLES, COLUMNS, *rows])
    return text.getvalue().encode("gb18030")


async def hand_in(world: World, format_: Format, content: bytes) -> dict[str, Any]:
    taken = await world.partner.post(
        "/v1/imports?open_accounts=true", content=content, headers={"Content-Type": TYPES[format_]}
    )
    assert taken.status_code == 202, taken.text
    await world.work()
    found: dict[str, Any] = (await world.partner.get(taken.headers["location"])).json()
    return found


async def problems(world: World, imported: dict[str, Any], language: str) -> dict[str, tuple[str, str]]:
    at = f"/v1/imports/{imported['id']}/problems?limit=500"
    found = (await world.partner.get(at, headers={"Accept-Language": language})).json()["items"]
    named = {one["cell"]: (one["code"], one["message"]) for one in found}
    assert len(named) == len(found)
    return named


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["xlsx", "csv"])
async def test_every_fault_of_a_term_is_named_and_the_rest_recorded(world: World, format_: Format) -> None:
    faulty, sound, named = results()
    if format_ == "csv":
        # A text has no numbers: what a sheet would have rounded is a card whose sum is wrong.
        named = {cell: "no_such_identity" if code == "digits_lost" else code for cell, code in named.items()}
    write = as_xlsx if format_ == "xlsx" else as_csv
    wrong = len(FAULTS) * FAULTS_EACH

    imported = await hand_in(world, format_, write(faulty))

    assert (imported["state"], imported["rows"]) == ("done", ROWS)
    english, chinese = [await problems(world, imported, language) for language in ("en", "zh")]
    assert {cell: code for cell, (code, _) in english.items()} == named
    assert all(any("一" <= letter <= "鿿" for letter in message) for _, message in chinese.values())
    assert imported["counts"] == {"recorded": ROWS - wrong, "unchanged": 0, "refused": wrong}

    again = await hand_in(world, format_, write(sound))

    assert again["counts"] == {"recorded": wrong, "unchanged": ROWS - wrong, "refused": 0}


def test_the_faults_are_of_as_many_kinds_as_is_said() -> None:
    assert len(FAULTS) == 25
    assert len(results()[2]) == 50
