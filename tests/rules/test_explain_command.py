"""`creditbank rules explain`: what rule sets in a file say of achievements in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from creditbank.cli import app

RULES = Path(__file__).parent / "documents" / "volunteering.yaml"
GIVEN = """\
- {id: h1, kind: community, provider: ngo/a, hours: 40, completed: 2024-03-10}
- {id: h4, kind: community, provider: ngo/a, hours: 60, assurance: self, completed: 2024-11-20}
- {id: h5, kind: community, provider: ngo/a, hours: 60, status: revoked, completed: 2024-11-20}
- {id: h7, kind: community, provider: ngo/a, completed: 2025-02-03}
"""


def explained(tmp_path: Path, *options: str, given: str = GIVEN, name: str = "given.yaml") -> tuple[int, str, str]:
    file = tmp_path / name
    file.write_text(given, "utf-8")
    ran = CliRunner().invoke(app, ["rules", "explain", str(RULES), "--achievements", str(file), *options])
    return ran.exit_code, ran.stdout, ran.stderr


def test_each_achievement_is_answered_with_its_credits_and_a_sentence(tmp_path: Path) -> None:
    code, said, wrong = explained(tmp_path, "--as-of", "2025-03-01")

    assert (code, wrong) == (0, "")
    assert said.splitlines() == [
        "h1  1 CR  available",
        "  1 credit: 40 hours at 30 hours a credit make about 1.333 credits; rounded down to half credits",
        "h4  0 CR  none",
        "  No credits. The nearest rule is “community”: it is only stated by yourself, but it must be verified",
        "h7  0 CR  review",
        "  A person must decide: the hours, which the rule counts, are not stated",
    ]


def test_the_trace_is_shown_when_asked_for_and_the_language_is_chosen(tmp_path: Path) -> None:
    one = '[{"id": "h1", "kind": "community", "provider": "ngo/a", "hours": 40, "completed": "2024-03-10"}]'
    code, said, _ = explained(tmp_path, "--trace", "--language", "zh", given=one, name="given.json")

    assert code == 0
    assert said.splitlines() == [
        "h1  1 CR  available",
        "  1 学分：40 学时，每 30 学时计 1 学分，约合 1.333 学分；不足 0.5 学分的部分舍去",
        "  40 学时 ÷ 30 = 1.333；按 0.5 向下取整：1",
        '    {"fact": "kind", "op": "in", "want": ["community"], "got": "community", "ok": true}',
        '    {"fact": "assurance", "op": ">=", "want": "verified", "got": "verified", "ok": true}',
        '    {"op": "per_hour", "hours": "40", "per": "30", "value": "4/3"}',
        '    {"op": "round", "mode": "down", "step": "1/2", "value": "1"}',
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("- {id: a, kind: course, completed: 2024-01-01}", "E0 /0/provider: provider is required."),
        ("- {id: a, kind: 1.5}", ":1: E0 /0/kind: Numbers with decimals"),
        ("[]\n---\n[]", "one list of achievements is wanted"),
        ("- {id: a, kind: c, provider: p, completed: 2024-01-01}\n" * 2, "E0 /1/id"),
        ("nothing", "E0"),
        ("[", "E0 : This cannot be read"),
    ],
)
def test_what_is_no_list_of_achievements_is_refused_with_its_place(tmp_path: Path, given: str, said: str) -> None:
    code, out, wrong = explained(tmp_path, given=given)

    assert (code, out) == (1, "")
    assert said in wrong.replace("\n", " ")


@pytest.mark.parametrize("options", [("--language", "fr"), ("--as-of", "today"), ("--nothing",)])
def test_bad_use_is_told_apart(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert explained(tmp_path, *options)[0] == 2
