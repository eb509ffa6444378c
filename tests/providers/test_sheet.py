"""Tables of institutions: headings in two languages, three encodings, and every fault in its row."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest

from creditbank.providers.domain import Provider
from creditbank.providers.sheet import faults_against, read_table
from creditbank.web.problems import sentence_of
from creditbank.web.sheets import TableRefused

HEAD = "code,name_zh,provider_type\n"
SCHOOL = "cq/a,甲学校,community_school\n"


def read(text: str, encoding: str = "utf-8") -> list[tuple[str, ...]]:
    return [
        (e.code, e.name_zh, e.name_en, e.provider_type, e.region or "", e.status)
        for e in read_table(text.encode(encoding))
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_chinese_table_is_read_in_whatever_way_it_was_saved(encoding: str, mark: str) -> None:
    rows = [
        "机构代码,机构名称,英文名称,机构类型,行政区划代码,状态",
        "cq/a,甲社区学院,College A,区县社区学院,５００１０３,停用",
        "cq,重庆中心,,guidance_centre,50,",
        "",
    ]
    assert read("\r\n".join(rows).replace(",", mark), encoding) == [
        ("cq", "重庆中心", "重庆中心", "guidance_centre", "50", "active"),
        ("cq/a", "甲社区学院", "College A", "community_college", "500103", "suspended"),
    ]


FAULTY = [
    ("", [(1, "/code", "column_missing"), (1, "/name_zh", "column_missing"), (1, "/provider_type", "column_missing")]),
    ("code,name_zh,provider_type,电话\n", [(1, "/电话", "unknown_column")]),
    ("code,代码,name_zh,provider_type\n", [(1, "/code", "given_twice")]),
    (f"{HEAD}{SCHOOL}CQ/b,乙,library\n", [(3, "/code", "wrong_form")]),
    (f"{HEAD}{SCHOOL}{SCHOOL}", [(3, "/code", "given_twice")]),
    (f"{HEAD},,\n\n,乙,library\n", [(4, "/code", "required")]),
    (f"{HEAD}cq,,library\n", [(2, "/name_zh", "required")]),
    (f"{HEAD}cq,甲,circus\n", [(2, "/provider_type", "not_one_of")]),
    (f"{HEAD}cq,甲,\n", [(2, "/provider_type", "required")]),
    (f"{HEAD}cq,{'甲' * 201},library\n", [(2, "/name_zh", "too_long")]),
    (f"{HEAD}cq,甲\x07,library\n", [(2, "/name_zh", "control_character")]),
    ("code,name_zh,provider_type,region,status\ncq,甲,library,5001x,open\n",
     [(2, "/region", "wrong_form"), (2, "/status", "not_one_of")]),
    # A cell of two lines: the rows behind it are counted as the spreadsheet counts its lines.
    (f'{HEAD}cq,"甲\n乙",library\nCQ,丙,library\n', [(2, "/name_zh", "control_character"), (4, "/code", "wrong_form")]),
    (f'{HEAD}cq,"甲,library\n', [(2, "", "not_readable")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "faults"), FAULTY)
def test_every_fault_is_told_in_its_row_and_column(text: str, faults: list[tuple[int, str, str]]) -> None:
    with pytest.raises(TableRefused) as refused:
        read(text)
    assert [(fault.row, fault.pointer, fault.code) for fault in refused.value.faults] == faults
    assert refused.value.count == len(faults)


def test_no_text_at_all_is_told() -> None:
    with pytest.raises(TableRefused) as refused:
        read_table(b"code,\x81\x00\xff")
    assert [fault.code for fault in refused.value.faults] == ["not_readable"]


def test_no_more_than_a_hundred_faults_are_told_and_all_are_counted() -> None:
    with pytest.raises(TableRefused) as refused:
        read(HEAD + "CQ,甲,library\n" * 150)
    assert (refused.value.count, len(refused.value.faults)) == (150, 100)


def provider(code: str, type_: str = "community_school", status: str = "active") -> Provider:
    return Provider(UUID(int=1), code, "名", "Name", type_, None, status, 1)


KNOWN = {p.code: p for p in (provider("cq"), provider("cq/a"), provider("cq/shut", status="suspended"))}
AGAINST = [
    ("cq/b", "library", None, []),
    ("cq/a/1", "library", "cq/a", []),
    ("cq/x/1", "library", None, ["parent_missing"]),
    ("cq/shut/1", "library", None, ["parent_stopped"]),
    ("cq/b", "library", "cq/a", ["not_yours"]),
    ("cq/ab", "library", "cq/a", ["not_yours"]),
    ("cq/a", "library", None, ["type_fixed"]),
    ("cq/a", "community_school", "cq/a", []),
]


@pytest.mark.parametrize(("code", "type_", "own", "codes"), AGAINST)
def test_entries_are_held_against_what_is_there(code: str, type_: str, own: str | None, codes: list[str]) -> None:
    entries = read_table(f"{HEAD}{code},甲,{type_}\n".encode())
    assert [fault.code for fault in faults_against(entries, KNOWN, own, {code})] == codes


def test_nobody_closes_itself_by_a_table() -> None:
    entries = read_table("code,name_zh,provider_type,status\ncq/a,甲,community_school,closed\n".encode())
    found = [(fault.pointer, fault.code) for fault in faults_against(entries, KNOWN, "cq/a", {"cq/a"})]
    assert found == [("/status", "not_yours")]


def test_a_type_or_status_that_is_none_is_named_with_those_there_are() -> None:
    with pytest.raises(TableRefused) as refused:
        read_table("code,name_zh,provider_type,status\ncq,甲,municipal_centre,open\n".encode())

    status, type_ = sorted(refused.value.faults, key=lambda fault: fault.pointer, reverse=True)
    assert sentence_of(type_, "en").startswith(
        "“municipal_centre” is not one of the 15 values there are, such as university, "
    )
    assert "GET /v1/provider-types" in sentence_of(type_, "zh-Hans")
    assert sentence_of(status, "en") == "“open” is not one of active, suspended, closed, 正常, 停用, 暂停, 关闭."


def test_the_table_that_the_page_shows_can_be_entered() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/network.md").read_text("utf-8")
    (table,) = re.findall(r"^```csv\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    entries = read_table(table.encode())

    assert (entries[0].code, entries[0].provider_type) == ("cq", "guidance_centre")
    assert faults_against(entries, {}, None, {entry.code for entry in entries}) == []
