"""A term's results as offices hand them in, and what a test asks of the import."""

from __future__ import annotations

import csv as csv_module
import io
from pathlib import Path
from typing import Any

import xlsxwriter

from creditbank.imports.domain import Format
from creditbank.imports.formats import MEDIA_TYPES
from tests.api.world import World

TYPES = {format_: media_type for media_type, format_ in MEDIA_TYPES.items()}
HEADINGS = ("记录编号", "学号", "姓名", "成果类型", "名称", "学分", "完成日期")


TERM = {"is": "T"}


def row(number: int, **cells: Any) -> list[Any]:
    """A row of a term's results, all well unless ``cells`` say otherwise."""
    plain = dict(
        zip(
            HEADINGS,
            (f"{TERM['is']}-{number}", f"{TERM['is']}S{number}", f"学员{number}", "课程", "英语", 3, "2025-01-20"),
            strict=True,
        )
    )
    return list({**plain, **cells}.values())


def csv(*rows: list[Any], encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv_module.writer(text).writerows([HEADINGS, *rows])
    return text.getvalue().encode(encoding)


def xlsx(*rows: list[Any], title: str = "2025年春季学期成绩表") -> bytes:
    """A workbook as offices make it: a title over the headings."""
    made = io.BytesIO()
    workbook = xlsxwriter.Workbook(made, {"in_memory": True})
    sheet = workbook.add_worksheet("成绩")
    sheet.merge_range(0, 0, 0, len(HEADINGS) - 1, title)
    for place, cells in enumerate([list(HEADINGS), *rows], 1):
        sheet.write_row(place, 0, ["" if cell is None else cell for cell in cells])
    workbook.close()
    return made.getvalue()


async def hand_in(
    world: World, format_: Format, content: bytes, asked: str = "open_accounts=true", **headers: str
) -> Any:
    """Hand a file in, let a worker work, and read what became of it."""
    answer = await world.partner.post(
        f"/v1/imports?{asked}", content=content, headers={"Content-Type": TYPES[format_], **headers}
    )
    assert answer.status_code == 202, answer.text
    await world.work()
    at = answer.headers["location"]
    assert at == f"/v1/imports/{answer.json()['id']}"
    return (await world.partner.get(at)).json()


async def problems(world: World, imported: Any, language: str = "en") -> list[str]:
    found = await world.partner.get(
        f"/v1/imports/{imported['id']}/problems?limit=500", headers={"Accept-Language": language}
    )
    return [f"{one['cell']} {one['code']} {one['pointer']}" for one in found.json()["items"]]


def files(world: World) -> list[Path]:
    folder = Path(world.app.state.edge.settings.evidence_folder)
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("bank-")]


def told(imported: Any) -> tuple[str, dict[str, int], int]:
    return imported["state"], imported["counts"], imported["problems"]
