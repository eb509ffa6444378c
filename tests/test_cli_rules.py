"""The commands for rule sets in files: their words and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from creditbank.cli import app

CLEAN = """\
ruleset: {lcb: rules/v1, id: town, version: 1, from: 2024-01-01, unit: {code: CR, step: "1/2"}}
recognition:
  - {id: course, match: {kind: course, provider: cn}, grant: {credits: {fixed: "1"}}}
tests:
  - name: a course
    as_of: 2025-01-01
    given: [{id: a, kind: course, provider: cn/cq, completed: 2024-05-01}]
    then: {a: "1"}
"""
CLASHING = CLEAN.replace(
    "tests:", '  - id: other\n    match: {provider: cn/cq, code: X}\n    grant: {credits: {fixed: "2"}}\ntests:'
)


def run(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, what was printed, and what was complained of."""
    result = CliRunner().invoke(app, ["rules", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def written(folder: Path, text: str, name: str = "rules.yaml") -> Path:
    """A file with this text."""
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def test_a_clean_file_is_found_clean(tmp_path: Path) -> None:
    file = written(tmp_path, CLEAN)
    code, out, err = run("check", file)
    assert (code, out.strip(), err) == (0, f"{file}: 0 errors, 0 warnings", "")


def test_a_clash_is_told_with_its_line_in_both_languages_and_with_an_achievement(tmp_path: Path) -> None:
    file = written(tmp_path, CLASHING)
    code, out, err = run("check", file)
    assert code == 1
    assert out.strip() == f"{file}: 2 errors, 0 warnings"
    first, chinese, *rest = err.splitlines()
    assert first == (
        f"{file}:4: E2 /recognition/1: The rules other and course have one priority, take the same achievement and come"
        " to different outcomes."
    )
    assert chinese.strip() == "规则 other 与 course 优先级相同，会匹配同一成果，但结果不同。"
    achievement = yaml.safe_load("\n".join(rest[:5]))
    assert achievement[0]["provider"] == "cn/cq"
    assert achievement[0]["code"] == "X"
    assert f"{file}:4: W8 /recognition/1: No test exercises other." in err


@pytest.mark.parametrize(("language", "word", "other"), [("en", "No test", "没有测试"), ("zh", "没有测试", "No test")])
def test_one_language_is_enough(tmp_path: Path, language: str, word: str, other: str) -> None:
    file = written(tmp_path, CLEAN.replace("tests:", "limits: [{id: l, at_most: {credits: 90}}]\ntests:"))
    code, _, err = run("check", "--language", language, file)
    assert code == 1
    assert word in err
    assert other not in err


def test_json_has_no_lines(tmp_path: Path) -> None:
    document = yaml.safe_load(CLASHING)
    file = written(tmp_path, json.dumps(document, default=str), "rules.json")
    code, _, err = run("check", file)
    assert code == 1
    assert err.startswith(f"{file}: E2 /recognition/1: ")


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    file = written(tmp_path, CLEAN.replace("kind: course, provider: cn}, grant", "knd: course}, grant"))
    code, out, err = run("check", file)
    assert code == 1
    assert out == ""
    assert err.startswith(f"{file}:3: E0 /recognition/0/match/knd: Unknown key knd.\n    未知的键 knd。")


@pytest.mark.parametrize("words", [["check"], ["check", "missing.yaml"], ["diff", "missing.yaml", "missing.yaml"]])
def test_bad_use(words: list[str]) -> None:
    assert run(*words)[0] == 2


def test_a_difference_is_told_field_by_field(tmp_path: Path) -> None:
    old = written(tmp_path, CLASHING, "old.yaml")
    new = written(
        tmp_path,
        CLASHING.replace("version: 1", "version: 2").replace("code: X", "code: Y").replace('"2"', '"3"'),
        "new.yaml",
    )
    code, out, err = run("diff", old, new)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "~ /ruleset/version (ruleset.version): 1 -> 2",
        '~ /recognition/1/match/code/0 (other): "X" -> "Y"',
        '~ /recognition/1/grant/0/credits/fixed (other): "2" -> "3"',
        "touches provider cn/cq; code X",
        "touches provider cn/cq; code Y",
    ]


def test_files_of_two_rule_sets_have_no_difference(tmp_path: Path) -> None:
    old = written(tmp_path, CLEAN, "old.yaml")
    new = written(tmp_path, CLEAN.replace("id: town", "id: village"), "new.yaml")
    code, _, err = run("diff", old, new)
    assert code == 2
    assert "no rule set in common" in err
