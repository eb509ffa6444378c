"""The file comes back with what is wrong in it, is corrected, and is handed in again; a template to begin with."""

from __future__ import annotations

import csv as csv_module
import io
import json

import pytest
from python_calamine import CalamineWorkbook

from creditbank.imports import report
from creditbank.imports.columns import ERRORS
from tests.api.world import World
from tests.imports.results import HEADINGS, TERM, TYPES, csv, hand_in, row, told, xlsx

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def term(world: World) -> str:
    """What the ids of a test's rows begin with, so that none meets another's."""
    TERM["is"] = world.fresh("R")
    return TERM["is"]


def cells(content: bytes) -> list[list[object]]:
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    return [list(line) for line in sheet.to_python(skip_empty_area=False)]


async def test_a_workbook_comes_back_with_its_errors_and_goes_in_again(world: World) -> None:
    rows = [row(1), row(2, 学分="三", 完成日期="2025-02-30"), row(3)]
    imported = await hand_in(world, "xlsx", xlsx(*rows))
    given = await world.partner.get(f"/v1/imports/{imported['id']}/report", headers={"Accept-Language": "zh"})

    assert given.headers["content-type"] == TYPES["xlsx"]
    shown = cells(given.content)
    assert shown[0][0] == "2025年春季学期成绩表"
    assert shown[1] == [*HEADINGS, ERRORS]
    assert shown[2] == [*rows[0], ""]
    assert shown[3] == [*rows[1], "F4:不是至多三位小数的数字。\nG4:日历中没有这一天。"]

    again = await hand_in(world, "xlsx", given.content)
    assert told(again)[1] == {"recorded": 0, "unchanged": 2, "refused": 1}
    second = await world.partner.get(f"/v1/imports/{again['id']}/report")
    assert cells(second.content)[1] == [*HEADINGS, ERRORS]


async def test_a_text_comes_back_as_a_text(world: World) -> None:
    imported = await hand_in(world, "csv", csv(row(1), row(2, 学分="=1+1", 姓名='a "b", c'), encoding="gb18030"))
    given = await world.partner.get(f"/v1/imports/{imported['id']}/report", headers={"Accept-Language": "en"})
    text = given.content.decode("utf-8-sig")
    lines = list(csv_module.reader(io.StringIO(text)))
    assert lines[0] == [*HEADINGS, ERRORS]
    assert [line[-1] for line in lines[1:]] == ["", "F3: Not a decimal number of at most three decimals."]
    assert (await hand_in(world, "csv", given.content))["counts"]["unchanged"] == 1


async def test_a_workbook_of_very_many_rows_comes_back_as_a_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = await hand_in(world, "xlsx", xlsx(row(1), row(2, 学分="x")))
    monkeypatch.setattr(report, "BOOK_ROWS_MAX", 1)
    given = await world.partner.get(f"/v1/imports/{imported['id']}/report", headers={"Accept-Language": "zh"})
    assert given.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv_module.reader(io.StringIO(given.content.decode("utf-8-sig"))))
    assert lines[1] == [*HEADINGS, ERRORS]
    assert lines[3][-1].startswith("F4:")


async def test_lines_of_json_come_back_with_their_errors(world: World) -> None:
    good = world.statement()
    content = "\n".join([json.dumps(good), json.dumps({**good, "credits": "x"}), "[1]"]).encode()
    imported = await hand_in(world, "ndjson", content)
    given = await world.partner.get(f"/v1/imports/{imported['id']}/report")
    lines = [json.loads(line) for line in given.content.splitlines()]
    assert lines[0] == good
    assert lines[1]["errors"] == ["Not a decimal number of at most three decimals."]
    assert lines[2]["line"] == "[1]"


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_template_is_filled_in_and_handed_in(world: World, term: str, language: str) -> None:
    made = await world.partner.get("/v1/imports/template", headers={"Accept-Language": language})
    again = await world.partner.get("/v1/imports/template", headers={"Accept-Language": language})
    assert made.content == again.content
    headings, *below = cells(made.content)
    assert below == []
    values = {
        "记录编号": f"{term}-1", "学号": "S-1", "姓名": "张三", "成果类型": "课程", "类别": "语言", "名称": "英语",
        "完成日期": "2025-01-20", "Record id": f"{term}-2", "Student number": "S-2", "Name": "Li", "Kind": "Course",
        "Category": "Languages", "Title": "English", "Completed": "2025-01-20",
    }  # fmt: skip
    filled: list[list[object]] = [headings, [values.get(str(heading).rstrip("*"), "") for heading in headings]]
    text = "\n".join(",".join(str(cell) for cell in line) for line in filled)
    imported = await hand_in(world, "csv", text.encode())
    assert told(imported) == ("done", {"recorded": 1, "unchanged": 0, "refused": 0}, 0)
