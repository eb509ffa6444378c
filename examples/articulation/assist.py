"""ASSIST: which courses of California's colleges its universities take for which of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from creditbank.equivalencies.domain import Award, Course, Equivalency, Scheme
from creditbank.equivalencies.rows import slug
from examples.articulation.reading import Published, Unusable, json_lines, plain_number

_REASONS = {
    "no_course_articulated": "not_articulated",
    "no_comparable_course": "not_articulated",
    "no_current_articulation": "not_articulated",
    "must_be_taken_at_university": "at_university_only",
}
_SWALLOWED = re.compile(r"\(\d+\.\d+\)\s*,")
"""A title that holds another course: the list of courses was joined by commas and not taken apart."""


def read_assist(folder: Path, start: date) -> Iterator[Published]:
    """One institution for each file under ``parsed``."""
    files = sorted((folder / "parsed").glob("*.jsonl*"))
    if not files:
        raise Unusable(f"{folder} has no parsed/*.jsonl or .jsonl.gz")
    for file in files:
        lines = [line for _, line in json_lines(file)]
        university = lines[0]["university"]
        terms = "quarter" if lines[0]["university_terms"] == "quarter" else "semester"
        scheme = Scheme(
            f"assist-{slug(university)}", start, "QU" if terms == "quarter" else "SU", title=f"{university}, ASSIST"
        )
        yield _published(Published(scheme, lines=len(lines)), lines)


def _published(published: Published, lines: list[dict[str, Any]]) -> Published:
    refused = []
    for line in lines:
        source = f"{line['university']}:{line['source_line']}"
        awards = _awards(line, source, published)
        if not line["any_of"]:
            refused.append((line, source))
        elif awards:
            sending = tuple(_alternatives(line, source, published))
            if sending:
                name = f"{slug(line['college'])[:30]}-{slug(' '.join(award.unit for award in awards))[:32]}"
                published.equivalencies.append(Equivalency(slug(name), sending, awards=awards, source=source))
    if published.equivalencies:
        text = f"{len(published.equivalencies)} equivalencies"
        published.leave_open("any_grade", published.scheme.id, text)
    _refuse(published, refused)
    return published


def _awards(line: Mapping[str, Any], source: str, published: Published) -> tuple[Award, ...]:
    awards = []
    for course in line["receiving"]:
        credits = plain_number(course["units"])
        if course["code"] is None or credits is None:
            if line["any_of"]:
                published.leave_open("no_receiving_course", source, line["receiving_text"])
            return ()
        if _SWALLOWED.search(course["title"] or ""):
            published.leave_open("several_courses_in_one", source, f"{course['code']} {course['title']}")
            return ()
        awards.append(Award(course["code"], credits, course["title"] or None))
    return tuple(awards)


def _alternatives(line: Mapping[str, Any], source: str, published: Published) -> Iterator[tuple[Course, ...]]:
    for alternative in line["any_of"]:
        text = " + ".join(f"{course['code']} {course['title']}" for course in alternative)
        if any(course["code"] is None for course in alternative):
            published.leave_open("no_sending_course", source, text)
        elif any(_SWALLOWED.search(course["title"] or "") for course in alternative):
            published.leave_open("several_courses_in_one", source, text)
        else:
            yield tuple(
                Course(_provider(line["college"]), course["code"], "course", None, course["title"] or None)
                for course in alternative
            )


def _provider(college: str) -> str:
    return f"us/ca/{slug(college)}"


def _refuse(published: Published, refused: list[tuple[dict[str, Any], str]]) -> None:
    """A refusal that names its courses is a deny, unless one of the grants would take the course before."""
    granted = {courses[0] for rule in published.equivalencies for courses in rule.sending if len(courses) == 1}
    denied: dict[Course, list[str]] = {}
    for line, source in refused:
        reason = line["not_articulated"] or ""
        if line["denied"]:
            codes = [code for text in line["denied"] for code in _codes(text)]
            for code in codes:
                course = Course(_provider(line["college"]), code, "course")
                kind = "denied_but_granted" if course in granted else "course_denied"
                published.leave_open(kind, source, f"{course} for {line['receiving_text']}")
                if course not in granted:
                    denied.setdefault(course, []).append(line["receiving_text"])
            if not codes:
                published.leave_open("denied_unnamed", source, f"{line['college']}: {line['receiving_text']}")
        else:
            text = f"{line['college']}: {line['receiving_text']}: {reason}"
            published.leave_open(_REASONS.get(reason, "series_only"), source, text)
    for course, receiving in denied.items():
        name = slug(f"no-{course.provider.rpartition('/')[2][:40]}-{course.code}")
        title = "Denied for " + ", ".join(receiving)
        published.equivalencies.append(
            Equivalency(name, ((course,),), "deny", title=title[:1000], source=published.scheme.id)
        )


def _codes(text: str) -> list[str]:
    """The courses of ``Course(s) Denied: CSCI 13;CSCI 50;``: each of them alone is refused."""
    _, _, names = text.partition("Denied:")
    return [code for name in names.split(";") if (code := re.sub(r"\(\d+\.\d+\)", "", name).strip())]
