"""What the three readers share: a published folder becomes equivalencies, and a list of what it leaves open."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from creditbank.equivalencies.domain import Equivalency, Grade, Scheme
from creditbank.equivalencies.rows import KNOWN_SCALES


class Unusable(Exception):
    """The folder is not what it should be; the text says how."""


@dataclass(frozen=True, slots=True)
class Open:
    """One thing that the source does not say clearly, and what was made of it. ``code`` is one of ``OPEN``."""

    code: str
    source: str
    text: str


@dataclass(slots=True)
class Published:
    """One receiving institution: the head of its rule set, what can be said, and what cannot."""

    scheme: Scheme
    equivalencies: list[Equivalency] = field(default_factory=list)
    left_open: list[Open] = field(default_factory=list)
    lines: int = 0

    def leave_open(self, code: str, source: str, text: str) -> None:
        """Put one thing into the report."""
        if code not in OPEN:
            raise KeyError(code)
        self.left_open.append(Open(code, source, text))


OPEN: Final[Mapping[str, str]] = {
    "any_grade": "The source states no minimum grade, so that a rule takes any grade, an F too.",
    "no_receiving_course": "No receiving course with a code is named; no rule.",
    "no_sending_course": "A course that is needed has no code; that alternative has no rule.",
    "several_courses_in_one": "Several courses stand in one text, joined by a comma that may mean and or or; no rule.",
    "course_denied": "The refusal names its courses: a deny rule.",
    "denied_but_granted": "The refusal names a course that a grant takes for another: a deny would never be reached.",
    "denied_unnamed": "A refusal that names no course; no rule is needed, since nothing grants.",
    "not_articulated": "No course is articulated; no rule is needed, since nothing grants.",
    "at_university_only": "The course must be taken at the university; no rule is needed, since nothing grants.",
    "series_only": "Articulated only as a series, or only course by course, and nothing more is told; no rule.",
    "credits_missing": "The source names no credits for the receiving course: a review rule.",
    "credits_range": "The source gives a range of credits: a review rule.",
    "credits_implausible": "More than 20 credits for one course: a review rule.",
    "placeholder_course": "A pattern such as 1XX stands for a course and is not marked as an elective: a review rule.",
    "pattern_as_sending": "A pattern stands where a sending course belongs; no rule.",
    "and_or_unclear": "Several sending courses stand in one text and it is not said whether all are needed; no rule.",
    "under_review": "The source says that the equivalency itself is under review: a review rule.",
    "condition_in_note": "The note states a condition in words: a review rule.",
    "also_awards_unread": "The note awards further courses that cannot be read with credits: a review rule.",
    "requirement_only": "A general-education requirement is satisfied without credits, which no grant says; left out.",
    "choice": "The learner may choose which course is granted, which no grant says: a review rule.",
    "units_not_divided": "Several courses share one number of units and the share of each is not told: a review rule.",
    "units_unassigned": "Units are granted that are neither of a course nor elective: a review rule.",
    "units_contradict": "All units are elective and yet a course is granted, with none left for it: a review rule.",
    "no_score_accepted": "The exam has no accepted score; no rule is needed, since nothing grants.",
}
"""By code: what a source leaves open, and what was made of it."""


def with_least_grade(published: Published, letter: str) -> Published:
    """The same, with a minimum grade that somebody decided on wherever the source states none."""
    grades = KNOWN_SCALES["us"]
    if letter not in grades:
        raise Unusable(f"{letter} is none of {', '.join(grades)}")
    least = Grade("us", grades[letter])

    def graded(rule: Equivalency) -> Equivalency:
        if rule.effect == "deny":
            return rule
        sending = tuple(
            tuple(replace(course, grade=course.grade or least) for course in courses) for courses in rule.sending
        )
        return replace(rule, sending=sending)

    return Published(
        replace(published.scheme, scales={**published.scheme.scales, "us": grades}),
        [graded(rule) for rule in published.equivalencies],
        [one for one in published.left_open if one.code != "any_grade"],
        published.lines,
    )


def json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, packed or not, with the numbers of their lines."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, json.loads(line)


def json_file(file: Path) -> Any:
    """The value of a JSON file, packed or not."""
    content = file.read_bytes()
    return json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)


def plain_number(text: str | None) -> Fraction | None:
    """A number of credits without sign or range; None for anything else."""
    return Fraction(text) if text and re.fullmatch(r"\d{1,4}(\.\d{1,3})?|\.\d{1,3}", text) else None
