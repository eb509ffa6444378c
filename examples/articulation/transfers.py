"""Transfer tables of nine states of the USA: which courses of their colleges count as what at which university."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from creditbank.equivalencies.domain import Award, Course, Equivalency, Grade, Scheme
from creditbank.equivalencies.rows import KNOWN_SCALES, slug
from examples.articulation.reading import Published, Unusable, json_file, plain_number

_COLLEGE: Final = re.compile(r"^\[([a-z0-9-]+)\]\s*")
_ALSO: Final = re.compile(r";?\s*Also awards: (.*)$", re.DOTALL)
_COURSE: Final = re.compile(r"([A-Z&/]{2,8} ?[A-Z]?\d{2,4}[A-Z]{0,2}) (.*?) ?\((\d+(?:\.\d+)?|\d+ ?(?:-|to) ?\d+)\)")
"""``BUSACC 0030 FINANCIAL ACCOUNTING (3)``: code, title and credits in one text."""
_PATTERN: Final = re.compile(r"XX|\*\*|--|\bNULL\b|\bN/A\b|^0000 0000$", re.IGNORECASE)
_SEVERAL: Final = re.compile(r" (?:&|AND) ", re.IGNORECASE)
_UNCLEAR: Final = re.compile(r"\d ?[-/,] ?\d|\bOR\b", re.IGNORECASE)
_NOTHING: Final = ("does not transfer", "non-transferable", "no credit", "does not trans")
_HARMLESS: Final = (
    "gen ed:", "mac ", "cic ", "catamount core:", "general education course", "universal general education",
    "this course is a direct equivalent", "this course meets the requirements of category", "counts as 1 ",
    "the equivalency data is intended to be a guide", "credits awarded for incoming transfer courses will",
)  # fmt: skip
"""Notes that state no condition: tags of general education, and general disclaimers."""
_IMPLAUSIBLE: Final = Fraction(20)
_STATE: Final = re.compile(r"^([a-z]{2})\.json")


def read_transfers(folder: Path, start: date) -> Iterator[Published]:
    """One institution for each university of each state's file."""
    files = [(match[1], file) for file in sorted(folder.iterdir()) if (match := _STATE.match(file.name))]
    if not files:
        raise Unusable(f"{folder} has no files such as ct.json or ct.json.gz")
    for state, file in files:
        universities: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for number, row in enumerate(json_file(file), 1):
            universities.setdefault(row["university"], []).append((number, row))
        for university, rows in universities.items():
            scheme = Scheme(
                f"{state}-{slug(university)}"[:64].rstrip("-"),
                start,
                "SCH",
                step=Fraction(1, 10),
                title=rows[0][1]["university_name"],
                scales={"us": KNOWN_SCALES["us"], "satisfactory": {"S": Fraction(1), "U": Fraction(0)}},
            )
            published = Published(scheme, lines=len(rows))
            ungraded = sum(_add(published, f"{state}:{number}", row, state) for number, row in rows)
            if ungraded:
                published.leave_open("any_grade", scheme.id, f"{ungraded} equivalencies")
            yield published


def _add(published: Published, source: str, row: Mapping[str, Any], state: str) -> bool:
    """Add one row; whether it grants without a minimum grade."""
    note = _Note(row["notes"])
    courses = _sending(published, source, row, f"us/{state}/{note.college or 'colleges'}", note.grade)
    if courses is None:
        return False
    name = slug(f"{note.college or ''} {row['cc_course']}")
    if _is_nothing(row):
        ungraded = tuple(Course(one.provider, one.code, one.kind, None, one.title) for one in courses)
        published.equivalencies.append(Equivalency(name, (ungraded,), "deny", source=source))
        return False
    problem, text = _problem(row, note)
    if problem == "no_receiving_course":
        published.leave_open(problem, source, text)
        return False
    if problem is None:
        awards = _receiving(row, note)
        published.equivalencies.append(Equivalency(name, (courses,), "grant", awards, source=source))
        return note.grade is None
    published.leave_open(problem, source, text)
    published.equivalencies.append(Equivalency(name, (courses,), "review", title=text[:200], source=source))
    return False


class _Note:
    """What stands in the notes of a row: the college in brackets, a grade, further awards, and the rest in words."""

    def __init__(self, text: str) -> None:
        college = _COLLEGE.match(text)
        self.college = college[1] if college else None
        rest = _COLLEGE.sub("", text)
        also = _ALSO.search(rest)
        self.also = also[1].strip() if also else ""
        rest = _ALSO.sub("", rest).strip()
        graded = re.fullmatch(r"Min grade: ([A-DSF][+-]?)", rest)
        self.grade: Grade | None = None
        if graded:
            scale = "satisfactory" if graded[1] == "S" else "us"
            self.grade = Grade(scale, Fraction(1) if graded[1] == "S" else KNOWN_SCALES["us"][graded[1]])
            rest = ""
        self.rest = rest


def _sending(
    published: Published, source: str, row: Mapping[str, Any], provider: str, grade: Grade | None
) -> tuple[Course, ...] | None:
    code = row["cc_course"].strip()
    title = row["cc_title"].strip() or None
    if _PATTERN.search(code):
        published.leave_open("pattern_as_sending", source, code)
        return None
    codes = [code]
    if _SEVERAL.search(row["cc_number"]):
        codes = [f"{row['cc_prefix']} {number.strip()}" for number in _SEVERAL.split(row["cc_number"])]
    elif _UNCLEAR.search(row["cc_number"]):
        published.leave_open("and_or_unclear", source, code)
        return None
    return tuple(Course(provider, one, "course", grade, title) for one in codes)


def _is_nothing(row: Mapping[str, Any]) -> bool:
    said = f"{row['univ_course']} {row['univ_title']}".lower()
    return bool(row["no_credit"]) or (not row["is_elective"] and any(word in said for word in _NOTHING))


def _problem(row: Mapping[str, Any], note: _Note) -> tuple[str | None, str]:
    """Why a person has to decide, if so, and the words to show."""
    course, credits = _course(row)
    shown = f"{row['cc_course']} -> {row['univ_course']} ({row['univ_credits']})"
    if not course or (not row["is_elective"] and re.search(r"\bnull\b|N/A", course)):
        return "no_receiving_course", shown
    if not row["is_elective"] and _PATTERN.search(course):
        return "placeholder_course", shown
    if "currently under review" in note.rest:
        return "under_review", f"{shown}: {note.rest}"
    if note.rest and not note.rest.lower().startswith(_HARMLESS):
        return "condition_in_note", f"{shown}: {note.rest}"
    if not credits:
        return "credits_missing", shown
    if (number := plain_number(credits)) is None:
        return "credits_range", shown
    if number > _IMPLAUSIBLE:
        return "credits_implausible", shown
    if note.also and _further(note.also) is None:
        return "also_awards_unread", f"{shown}: {note.also}"
    return None, shown


def _course(row: Mapping[str, Any]) -> tuple[str, str]:
    """The receiving course's code and credits; where code, title and credits stand in one text they are taken apart."""
    course, credits = row["univ_course"].strip(), row["univ_credits"].strip()
    one = _COURSE.fullmatch(course)
    return (one[1], credits or one[3]) if one else (course, credits)


def _receiving(row: Mapping[str, Any], note: _Note) -> tuple[Award, ...]:
    course, credits = _course(row)
    unit = f"blanket:{slug(course)}" if row["is_elective"] else course
    awards = (Award(unit, plain_number(credits), row["univ_title"].strip() or None),)
    return (*awards, *(_further(note.also) or ()))


def _further(text: str) -> tuple[Award, ...] | None:
    """The courses after ``Also awards:``, each with its credits; None when the text holds anything else."""
    awards, end = [], 0
    for one in _COURSE.finditer(text):
        credits = plain_number(one[3])
        if text[end : one.start()].strip() or credits is None or _PATTERN.search(one[1]):
            return None
        awards.append(Award(one[1], credits, one[2] or None))
        end = one.end()
    return tuple(awards) if not text[end:].strip() else None
