"""Tables on the command line: spreadsheets in, rule sets out, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter
from typer.testing import CliRunner

from creditbank.cli import app
from creditbank.equivalencies.rows import Cell
from creditbank.equivalencies.sheets import read_file, write_file
from creditbank.rules.document import read_documents
from tests.equivalencies.tables import HEADINGS, book, row

RUN = CliRunner()


def as_csv(*rows: Sequence[Cell]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([HEADINGS, *rows])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def test_a_table_becomes_one_tested_rule_set_for_each_institution(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(
        as_csv(row(minimum_grade="C", scale="us"), row(receiving="cn/c"), row(receiving="cn/c", credits="5"))
    )
    done = RUN.invoke(app, ["rules", "import", str(table), "--to", str(tmp_path / "sets"), "--from", "2024-09-01"])
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "sets").iterdir()) == ["cn-b.yaml", "cn-c.yaml"]
    (document,) = read_documents((tmp_path / "sets/cn-b.yaml").read_bytes())
    assert [example.name for example in document.model.tests] == ["math1: satisfied", "math1: one step below the grade"]
    assert "rows" not in done.stdout
    assert "several_outcomes" in done.stderr
    assert "由人工决定" in done.stderr


def test_nothing_is_written_of_a_table_with_a_wrong_cell(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(as_csv(row(), row(credits="four")))
    done = RUN.invoke(app, ["rules", "import", str(table), "--to", str(tmp_path / "sets"), "--from", "2024-09-01"])
    assert done.exit_code == 1
    assert "equivalencies row 3, column credits: not_a_number: four is not a number of credits." in done.stderr
    assert "four 不是学分数" in done.stderr
    assert not (tmp_path / "sets").exists()


def test_a_rule_set_goes_to_a_spreadsheet_and_comes_back_the_same(tmp_path: Path) -> None:
    table, first, sheet = tmp_path / "table.csv", tmp_path / "first", tmp_path / "edit.xlsx"
    table.write_bytes(as_csv(row(sending_code="007", minimum_grade="60", scale="pct", receiving_code="=1+1")))
    RUN.invoke(app, ["rules", "import", str(table), "--to", str(first), "--from", "2024-09-01"])
    assert RUN.invoke(app, ["rules", "table", str(first / "cn-b.yaml"), "--to", str(sheet)]).exit_code == 0
    again = RUN.invoke(app, ["rules", "import", str(sheet), "--to", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again/cn-b.yaml").read_text() == (first / "cn-b.yaml").read_text()


def test_what_a_table_cannot_say_is_told_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "set.yaml"
    file.write_text(
        "ruleset: {lcb: rules/v1, id: t, version: 1, from: 2024-01-01, unit: {code: CR}}\n"
        "recognition: [{id: r, match: {provider: cn, tags: a}, effect: deny}]\nunique: {}\n"
    )
    done = RUN.invoke(app, ["rules", "table", str(file), "--to", str(tmp_path / "t.xlsx")])
    assert done.exit_code == 1
    assert "cannot_be_said: A table cannot say what stands at /recognition/r/match/tags" in done.stderr


def test_nothing_is_written_that_could_not_be_published(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(as_csv(row(priority=5), row(group="all", sending_code=None, receiving_code="M2", priority=5)))
    done = RUN.invoke(app, ["rules", "import", str(table), "--to", str(tmp_path / "sets"), "--from", "2024-09-01"])
    assert done.exit_code == 1
    assert "E2 /recognition/" in done.stderr
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", "学分".encode("gb18030"), "it is not UTF-8"),
        ("t.csv", b'a,"b', "unexpected end of data"),
        ("t.xlsx", b"not a workbook", "Cannot detect file format"),
        ("t.xlsx", b"", "Cannot detect file format"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    done = RUN.invoke(app, ["rules", "import", str(file), "--to", str(tmp_path / "sets"), "--from", "2024-09-01"])
    assert done.exit_code == 1
    assert f"not_readable: The file cannot be read: {problem}" in done.stderr


def test_rows_are_counted_from_the_top_of_the_sheet_and_numbers_and_dates_are_read(tmp_path: Path) -> None:
    """A workbook as a registrar's program writes it: typed cells, and an empty line between."""
    file = tmp_path / "t.xlsx"
    workbook = xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd"})
    sheet = workbook.add_worksheet("equivalencies")
    sheet.write_row(0, 1, HEADINGS)
    sheet.write_row(1, 1, row(credits=1.5))
    sheet.write_row(4, 1, row(credits=1.25))
    workbook.add_worksheet("notes").write(0, 0, "for colleagues")
    workbook.close()
    done = RUN.invoke(app, ["rules", "import", str(file), "--to", str(tmp_path / "sets"), "--from", "2024-09-01"])
    assert "row 5, column credits: off_step: 1.25" in done.stderr
    assert "row 2" not in done.stderr


def test_a_sheet_that_begins_lower_down_has_no_headings(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    workbook = xlsxwriter.Workbook(file)
    workbook.add_worksheet("equivalencies").write_row(2, 0, HEADINGS)
    workbook.close()
    assert read_file(file)["equivalencies"][:2] == [[""] * len(HEADINGS)] * 2


def test_the_same_rules_give_the_same_workbook(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_file(tmp_path / name, book(row()))
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert read_file(tmp_path / "a.xlsx")["equivalencies"][1][0] == "cn/b"
