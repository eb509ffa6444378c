"""Published articulation becomes rule sets that do what it says, and a report of what it leaves open.

The whole needs the published folders, beneath the folder that CREDITBANK_TEST_SHARED names or beside the repository.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from creditbank.equivalencies.commands import rule_set_text
from creditbank.equivalencies.domain import Equivalency, compose
from creditbank.equivalencies.listing import book_of
from creditbank.equivalencies.rows import Defaults, read_book
from creditbank.rules.canonical import canonical
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import ParsedDocument, read_documents
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import examine
from creditbank.rules.fact import Fact
from examples.articulation.assist import read_assist
from examples.articulation.convert import check_file, convert
from examples.articulation.exams import read_exams
from examples.articulation.reading import OPEN, Published, with_least_grade
from examples.articulation.transfers import read_transfers

START = date(2024, 8, 1)

Told = list[tuple[str, list[list[str]], list[tuple[str, str]]]]
"""Effect, the courses of each alternative, unit and credits of each award."""


def told(published: Published) -> Told:
    """The rules that the readings amount to, in their order."""
    return [plainly(rule) for rule in compose(published.scheme, published.equivalencies).rules]


def plainly(rule: Equivalency) -> tuple[str, list[list[str]], list[tuple[str, str]]]:
    """A rule in the fewest words."""
    return (
        rule.effect,
        [[str(course) for course in courses] for courses in rule.sending],
        [(award.unit, str(award.credits)) for award in rule.awards],
    )


def open_codes(published: Published) -> list[str]:
    """What was left open, but for the general remark on grades."""
    return [one.code for one in published.left_open if one.code != "any_grade"]


# --- ASSIST -----------------------------------------------------------------------------------------------------------


def sent(code: str | None, title: str = "T", units: str | None = "4.00") -> dict[str, Any]:
    return {"code": code, "title": title, "units": units}


def assist_line(
    receiving: Sequence[Mapping[str, Any]],
    *any_of: Sequence[Mapping[str, Any]],
    why: str | None = None,
    denied: Sequence[str] = (),
) -> dict[str, Any]:
    """A line of ASSIST, of Butte College for the university X."""
    return {
        "university": "X",
        "university_terms": "quarter",
        "college": "Butte College",
        "receiving": receiving,
        "receiving_text": " & ".join(str(course["code"]) for course in receiving),
        "any_of": any_of,
        "not_articulated": why,
        "denied": denied,
        "source_line": 1,
    }


def read_lines(folder: Path, lines: Sequence[Mapping[str, Any]]) -> Published:
    (folder / "parsed").mkdir()
    (folder / "parsed/X.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (published,) = read_assist(folder, START)
    return published


BUTTE = "us/ca/butte-college"


@pytest.mark.parametrize(
    ("lines", "rules", "left"),
    [
        pytest.param(
            [assist_line([sent("CS 1", units="3.00")], [sent("C 1")])],
            [("grant", [[f"{BUTTE} C 1"]], [("CS 1", "3")])],
            [],
            id="one-for-one-with-the-units-of-the-university",
        ),
        pytest.param(
            [
                assist_line(
                    [sent("BIO 1"), sent("BIO 1L", units="1.00")],
                    [sent("B 1"), sent("B 2")],
                    [sent("B 3"), sent("B 4")],
                )
            ],
            [
                (
                    "grant",
                    [[f"{BUTTE} B 1", f"{BUTTE} B 2"], [f"{BUTTE} B 3", f"{BUTTE} B 4"]],
                    [("BIO 1", "4"), ("BIO 1L", "1")],
                )
            ],
            [],
            id="either-of-two-series-for-a-series",
        ),
        pytest.param(
            [assist_line([sent(None, "CSU GE Area: B2", None)], [sent("C 1")])],
            [],
            ["no_receiving_course"],
            id="an-area-is-no-course",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], [sent("C 1")], [sent(None, "CS 17.11 -Java (3.00)", None)])],
            [("grant", [[f"{BUTTE} C 1"]], [("CS 1", "4")])],
            ["no_sending_course"],
            id="an-alternative-without-a-code-is-left-out",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], [sent("C 1"), sent(None, "(4.00)", None)])],
            [],
            ["no_sending_course"],
            id="never-a-part-of-what-is-needed",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], [sent("P 1", "Physics I (5.00), P 2 - Physics II")])],
            [],
            ["several_courses_in_one"],
            id="a-title-that-swallowed-a-course",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], why="no_course_articulated")], [], ["not_articulated"], id="not-articulated"
        ),
        pytest.param(
            [assist_line([sent("CS 1")], why="must_be_taken_at_university")],
            [],
            ["at_university_only"],
            id="at-the-university-only",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], why="series_or_course_only: Articulates as a Series Only")],
            [],
            ["series_only"],
            id="a-series-that-is-not-told",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], why="denied_only", denied=["Course(s) Denied: C 13;C 50 (3.00);"])],
            [("deny", [[f"{BUTTE} C 13"]], []), ("deny", [[f"{BUTTE} C 50"]], [])],
            ["course_denied", "course_denied"],
            id="a-refusal-that-names-courses-denies-each",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], why="denied_only", denied=["Course(s) Denied"])],
            [],
            ["denied_unnamed"],
            id="a-refusal-that-names-none",
        ),
        pytest.param(
            [
                assist_line([sent("CS 1")], why="denied_only", denied=["Course(s) Denied: C 1;"]),
                assist_line([sent("CS 2")], [sent("C 1")]),
            ],
            [("grant", [[f"{BUTTE} C 1"]], [("CS 2", "4")])],
            ["denied_but_granted"],
            id="refused-for-one-course-and-granted-for-another",
        ),
        pytest.param(
            [
                assist_line([sent("CS 1")], why="denied_only", denied=["Course(s) Denied: C 1;"]),
                assist_line([sent("CS 2")], [sent("C 1"), sent("C 2")]),
            ],
            [("grant", [[f"{BUTTE} C 1", f"{BUTTE} C 2"]], [("CS 2", "4")]), ("deny", [[f"{BUTTE} C 1"]], [])],
            ["course_denied"],
            id="refused-alone-and-granted-together",
        ),
        pytest.param(
            [assist_line([sent("CS 1")], [sent("C 1")]), assist_line([sent("CS 2")], [sent("C 1")])],
            [("review", [[f"{BUTTE} C 1"]], [])],
            [],
            id="one-course-for-either-of-two-goes-to-a-person",
        ),
    ],
)
def test_assist(tmp_path: Path, lines: list[dict[str, Any]], rules: Told, left: list[str]) -> None:
    published = read_lines(tmp_path, lines)
    assert told(published) == rules
    assert open_codes(published) == left
    assert (published.scheme.id, published.scheme.unit, published.lines) == ("assist-x", "QU", len(lines))


# --- Transfer tables --------------------------------------------------------------------------------------------------


def transfer(**parts: Any) -> dict[str, Any]:
    """A row: ENG 1 of a college for E 101 of the university U, three credits each, unless said otherwise."""
    prefix, _, number = str(parts.get("cc_course", "ENG 1")).partition(" ")
    usual = {"cc_prefix": prefix, "cc_number": number, "cc_course": "ENG 1", "cc_title": "English", "cc_credits": "3"}
    usual |= {"university": "u", "university_name": "U", "univ_course": "E 101", "univ_title": "Composition"}
    return {**usual, "univ_credits": "3", "notes": "", "no_credit": False, "is_elective": False, **parts}


def read_rows(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Published:
    (folder / "pa.json").write_text(json.dumps(rows))
    (published,) = read_transfers(folder, START)
    return published


ENG = "us/pa/colleges ENG 1"


@pytest.mark.parametrize(
    ("rows", "rules", "left"),
    [
        pytest.param([transfer()], [("grant", [[ENG]], [("E 101", "3")])], [], id="one-for-one"),
        pytest.param(
            [transfer(notes="[ccac] Gen Ed: Arts", univ_credits="1.5")],
            [("grant", [["us/pa/ccac ENG 1"]], [("E 101", "3/2")])],
            [],
            id="the-college-of-the-note",
        ),
        pytest.param(
            [transfer(univ_course="ELE 0100", is_elective=True)],
            [("grant", [[ENG]], [("blanket:ele-0100", "3")])],
            [],
            id="electives-never-compete",
        ),
        pytest.param(
            [transfer(univ_course="", univ_credits="0", no_credit=True)], [("deny", [[ENG]], [])], [], id="no-credit"
        ),
        pytest.param(
            [transfer(univ_course="NT NON-TRANSFERABLE", univ_title="Non-transferable")],
            [("deny", [[ENG]], [])],
            [],
            id="non-transferable-is-no-course",
        ),
        pytest.param(
            [transfer(notes="Min grade: D")], [("grant", [[ENG]], [("E 101", "3")])], [], id="a-grade-in-the-note"
        ),
        pytest.param([transfer(univ_credits="")], [("review", [[ENG]], [])], ["credits_missing"], id="no-credits-told"),
        pytest.param(
            [transfer(univ_credits="0-99")], [("review", [[ENG]], [])], ["credits_range"], id="a-range-of-credits"
        ),
        pytest.param(
            [transfer(univ_credits="300.00")], [("review", [[ENG]], [])], ["credits_implausible"], id="three-hundred"
        ),
        pytest.param(
            [transfer(univ_credits="0")], [("grant", [[ENG]], [("E 101", "0")])], [], id="counts-without-credits"
        ),
        pytest.param(
            [transfer(univ_course="PHYS 0111 PHYSICS 2 (4)", univ_credits="")],
            [("grant", [[ENG]], [("PHYS 0111", "4")])],
            [],
            id="code-title-and-credits-in-one-text",
        ),
        pytest.param(
            [transfer(notes="Also awards: CHM 101 LECTURE I (3)CHM 102 LABORATORY FOR CHEMISTRY 101 (1)")],
            [("grant", [[ENG]], [("E 101", "3"), ("CHM 101", "3"), ("CHM 102", "1")])],
            [],
            id="further-courses-in-the-note",
        ),
        pytest.param(
            [transfer(notes="[x]; Also awards: PHYS 202L")],
            [("review", [["us/pa/x ENG 1"]], [])],
            ["also_awards_unread"],
            id="further-courses-without-credits",
        ),
        pytest.param(
            [transfer(notes="Credit based on review of student's transcript")],
            [("review", [[ENG]], [])],
            ["condition_in_note"],
            id="a-condition-in-words",
        ),
        pytest.param(
            [transfer(notes="The course information may have changed and is currently under review.")],
            [("review", [[ENG]], [])],
            ["under_review"],
            id="under-review",
        ),
        pytest.param([transfer(univ_course="null null")], [], ["no_receiving_course"], id="null-null"),
        pytest.param(
            [transfer(univ_course="APPH 11XX")], [("review", [[ENG]], [])], ["placeholder_course"], id="a-pattern"
        ),
        pytest.param([transfer(cc_course="EMS ----")], [], ["pattern_as_sending"], id="a-pattern-as-sending"),
        pytest.param(
            [transfer(cc_course="SPAN 101 & 102")],
            [("grant", [["us/pa/colleges SPAN 101", "us/pa/colleges SPAN 102"]], [("E 101", "3")])],
            [],
            id="two-courses-together",
        ),
        pytest.param([transfer(cc_course="BIOL 109-110")], [], ["and_or_unclear"], id="and-or-unclear"),
        pytest.param(
            [transfer(), transfer(univ_course="E 102")], [("review", [[ENG]], [])], [], id="and-or-or-for-two-rows"
        ),
        pytest.param(
            [transfer(), transfer(cc_title="Other")], [("grant", [[ENG]], [("E 101", "3")])], [], id="said-twice"
        ),
    ],
)
def test_transfers(tmp_path: Path, rows: list[dict[str, Any]], rules: Told, left: list[str]) -> None:
    published = read_rows(tmp_path, rows)
    assert told(published) == rules
    assert open_codes(published) == left


def test_the_grade_of_a_note_is_on_its_scale(tmp_path: Path) -> None:
    published = read_rows(tmp_path, [transfer(notes="Min grade: D"), transfer(cc_course="A 1", notes="Min grade: S")])
    grades = [rule.sending[0][0].grade for rule in published.equivalencies]
    assert [(grade.scale, grade.min) for grade in grades if grade] == [
        ("us", Fraction(1)),
        ("satisfactory", Fraction(1)),
    ]
    assert "any_grade" not in {one.code for one in published.left_open}


# --- Exams ------------------------------------------------------------------------------------------------------------


def reward(scores: Sequence[int], units: int, elective: int, joined: str = "AND", *courses: Any) -> dict[str, Any]:
    return {
        "acceptableScores": scores,
        "unitsGranted": units,
        "electiveUnitsGranted": elective,
        "geGranted": {},
        "coursesGranted": {joined: list(courses)},
    }


@pytest.mark.parametrize(
    ("given", "effect", "awards", "left"),
    [
        pytest.param(reward([3, 4, 5], 8, 8), "grant", [("blanket:elective", "8")], [], id="elective-only"),
        pytest.param(
            reward([4, 5], 8, 4, "AND", "ART 40A"),
            "grant",
            [("ART 40A", "4"), ("blanket:elective", "4")],
            [],
            id="both",
        ),
        pytest.param(reward([5], 8, 0, "AND", "WRITING 50"), "grant", [("WRITING 50", "8")], [], id="one-course"),
        pytest.param(reward([5], 4, 0, "OR", "MATH 2A"), "grant", [("MATH 2A", "4")], [], id="a-choice-of-one"),
        pytest.param(reward([3], 4, 0, "OR", "MATH 2A", "MATH 5A"), "review", [], ["choice"], id="a-choice"),
        pytest.param(
            reward([3], 8, 0, "OR", {"AND": ["A", "B"]}, {"AND": ["C", "D"]}), "review", [], ["choice"], id="of-series"
        ),
        pytest.param(
            reward([3], 8, 0, "AND", "F 1A", "F 1B", "F 1C"), "review", [], ["units_not_divided"], id="not-divided"
        ),
        pytest.param(reward([4], 4, 4, "AND", "PHYS 2"), "review", [], ["units_contradict"], id="nothing-left"),
        pytest.param(reward([3], 4, 0), "review", [], ["units_unassigned"], id="neither-course-nor-elective"),
    ],
)
def test_exams(
    tmp_path: Path, given: dict[str, Any], effect: str, awards: list[tuple[str, str]], left: list[str]
) -> None:
    (tmp_path / "uci-ap-credit.json").write_text(json.dumps({"AP Thing": {"rewards": [given]}}))
    (published,) = read_exams(tmp_path, START)
    assert told(published) == [(effect, [["us/college-board AP Thing"]], awards)]
    assert open_codes(published) == left
    grade = published.equivalencies[0].sending[0][0].grade
    assert grade is not None
    assert [score for score in range(1, 6) if grade.holds("ap", Fraction(score))] == given["acceptableScores"]


# --- The whole --------------------------------------------------------------------------------------------------------


def shared(name: str) -> Path:
    """Where a published folder lies; skips the test where it does not."""
    given = os.environ.get("CREDITBANK_TEST_SHARED")
    folder = (Path(given) if given else Path(__file__).resolve().parents[3] / "shared/data") / name
    if not folder.is_dir():
        pytest.skip(f"no published folder at {folder}; CREDITBANK_TEST_SHARED names the folder above it")
    return folder


def test_a_folder_becomes_rule_sets_whose_tests_hold_and_a_report(tmp_path: Path) -> None:
    lines = [
        assist_line([sent("CS 1")], [sent("C 1")], [sent("C 2"), sent("C 3")]),
        assist_line([sent("CS 2")], [sent("C 3"), sent("C 4")]),
        assist_line([sent("CS 3")], why="denied_only", denied=["Course(s) Denied: C 9;"]),
    ]
    convert([read_lines(tmp_path, lines)], tmp_path / "out")
    checked = check_file(tmp_path / "out/assist-x.yaml")
    assert (checked.rules, checked.exercised, checked.tests, checked.mismatches) == (4, 4, 8, [])
    reported = [json.loads(line) for line in (tmp_path / "out/report.jsonl").read_text().splitlines()]
    assert Counter(one["code"] for one in reported) == {"any_grade": 1, "course_denied": 1, "order_decides": 1}
    shown = next(one for one in reported if one["code"] == "order_decides")
    assert shown["counterexample"] == [f"{BUTTE} C 2", f"{BUTTE} C 3", f"{BUTTE} C 4"]
    assert "4 rules:\n3 grant, 1 deny, 0 review." in (tmp_path / "out/report.md").read_text()


def test_a_minimum_grade_that_somebody_decided_on_fills_what_the_source_leaves_open(tmp_path: Path) -> None:
    rows = [transfer(), transfer(cc_course="A 1", notes="Min grade: D"), transfer(cc_course="N 1", no_credit=True)]
    published = with_least_grade(read_rows(tmp_path, rows), "C")
    grades = [rule.sending[0][0].grade for rule in published.equivalencies]
    assert [grade and grade.min for grade in grades] == [Fraction(2), Fraction(1), None]
    assert published.left_open == []
    convert([published], tmp_path / "out")
    (document,) = read_documents((tmp_path / "out/pa-u.yaml").read_bytes())
    version = compile_version(document.layered, sha256="")
    assert outcome(version, "us/pa/colleges", ["ENG 1"], ("us", "C")) == ({"grant"}, {"E 101": Fraction(3)})
    assert outcome(version, "us/pa/colleges", ["ENG 1"], ("us", "C-")) == ({"none"}, {})
    assert outcome(version, "us/pa/colleges", ["N 1"], ("us", "A")) == ({"deny"}, {})


def same_after_a_spreadsheet(document: ParsedDocument) -> bool:
    """Whether the rules, written to a table and read from it, are the same, tests and all."""
    sheets, _ = book_of([json.loads(canonical(document.model))])
    (listed,) = read_book(sheets, Defaults())
    (again,) = read_documents(rule_set_text(compose(listed.scheme, listed.equivalencies)))
    return canonical(again.model) == canonical(document.model)


def test_published_exam_credit_holds(tmp_path: Path) -> None:
    convert(read_exams(shared("ap-exam-credit-uci"), START), tmp_path)
    checked = check_file(tmp_path / "uci-ap.yaml")
    assert (checked.rules, checked.exercised, checked.tests, checked.mismatches) == (64, 64, 128, [])
    assert same_after_a_spreadsheet(read_documents((tmp_path / "uci-ap.yaml").read_bytes())[0])


def checked_version(file: Path, published: Published, rules: int) -> CompiledVersion:
    """The rule set of a file, once all of its own tests hold and between them exercise all of its rules."""
    (document,) = read_documents(file.read_bytes())
    examined = examine([document])
    assert examined.mismatches == []
    assert examine_documents([document]) == []
    assert len(examined.exercised) == len(document.model.recognition) == rules
    granting = sum(rule.effect == "grant" for rule in document.model.recognition)
    # At least one transcript that each granting rule takes, and one that it just does not.
    assert examined.tests >= 2 * granting
    assert {one.code for one in published.left_open} <= OPEN.keys()
    return compile_version(document.layered, sha256=published.scheme.id)


def outcome(
    version: CompiledVersion, provider: str, codes: Sequence[str], grade: tuple[str, str] | None = None
) -> tuple[set[str], dict[str, Fraction]]:
    """What the engine makes of these courses: the effects of its decisions, and the credits by unit."""
    facts = [
        Fact(str(n), "course", provider, START, code, credits=Fraction(3), grade=grade) for n, code in enumerate(codes)
    ]
    decisions = evaluate(facts, [version], START).decisions
    lots = {lot.unit: Fraction(lot.recognised.milli, 1000) for one in decisions for lot in one.lots}
    return {one.effect for one in decisions}, lots


@pytest.mark.slow
def test_every_line_of_assist_is_kept(tmp_path: Path) -> None:
    """Whoever has just what a line asks for gets just what it gives, or a person decides: read from the lines alone."""
    folder = shared("assist-cs-articulation")
    counted: Counter[str] = Counter()
    for published, composition in convert(read_assist(folder, START), tmp_path):
        version = checked_version(tmp_path / f"{published.scheme.id}.yaml", published, len(composition.rules))
        university = composition.scheme.title.partition(",")[0] if composition.scheme.title else ""
        packed = (folder / f"parsed/{university}.jsonl.gz").read_bytes()
        for line in map(json.loads, gzip.decompress(packed).splitlines()):
            provider = "us/ca/" + re.sub(r"[^a-z0-9]+", "-", line["college"].lower()).strip("-")
            given = {course["code"]: course["units"] for course in line["receiving"]}
            for alternative in line["any_of"]:
                codes = [course["code"] for course in alternative]
                told_of = " ".join(course["title"] or "" for course in [*alternative, *line["receiving"]])
                if None in codes or None in given or ".00), " in told_of or ".50), " in told_of:
                    counted["open"] += 1
                    continue
                effects, lots = outcome(version, provider, codes)
                if effects == {"review"}:
                    counted["review"] += 1
                else:
                    assert effects == {"grant"}
                    assert {unit: Fraction(units) for unit, units in given.items()}.items() <= lots.items(), line
                    counted["grant"] += 1
            for code in re.findall(r"(?:: ?|;)([A-Z][^;(]*)", " ".join(line["denied"])):
                assert outcome(version, provider, [code.strip()])[0] <= {"deny", "review", "grant"}
                counted["deny"] += 1
    assert sum(counted[name] for name in ("grant", "review", "open")) == 18_124
    assert counted["grant"] > 16_000
    assert counted["deny"] == 59


@pytest.mark.slow
def test_every_row_of_the_transfer_tables_is_kept(tmp_path: Path) -> None:
    """No row is contradicted: what it grants is granted, what it refuses is not, or a person decides."""
    folder = shared("us-transfer-equivalencies")
    versions = {
        published.scheme.id: checked_version(
            tmp_path / f"{published.scheme.id}.yaml", published, len(composition.rules)
        )
        for published, composition in convert(read_transfers(folder, START), tmp_path)
        if composition.rules
    }
    counted: Counter[str] = Counter()
    for file in sorted(folder.glob("*.json.gz")):
        state = file.name[:2]
        for row in json.loads(gzip.decompress(file.read_bytes())):
            college = re.match(r"\[([a-z0-9-]+)\]", row["notes"])
            provider = f"us/{state}/{college[1] if college else 'colleges'}"
            grade = ("satisfactory", "S") if row["notes"].endswith("grade: S") else ("us", "D")
            version = versions.get(f"{state}-{row['university']}"[:64].rstrip("-"))
            if version is None:
                counted["no rule set"] += 1
                continue
            effects, lots = outcome(version, provider, [row["cc_course"]], grade)
            (effect,) = effects
            counted[f"{effect} of {'no credit' if row['no_credit'] else 'credit'}"] += 1
            if effect == "grant":
                assert (
                    Fraction(row["univ_credits"] or re.findall(r"\((\d+)\)$", row["univ_course"])[0]) in lots.values()
                ), row
    assert sum(counted.values()) == 40_417
    assert counted["grant of no credit"] == 0
    assert counted["deny of no credit"] > 4_000
    assert counted["grant of credit"] > 15_000
