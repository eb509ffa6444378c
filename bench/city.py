"""An invented city: its schools, its courses with a rule for each, its learners and what they achieved.

Everything follows from numbers, so that the process that seeds a bank, the one that loads it and pgbench's scripts
agree without telling each other. Only the standard library is used: the load generator imports this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

TOP: Final = "cq"
SCHOOLS: Final = 40
FIRST_COURSE: Final = 10_000
"""Codes have five digits, so that every request of one kind has the same length."""

READERS: Final = 64
READERS_LOTS: Final = 50

_CATEGORIES: Final = (
    "arts/languages",
    "ict/computing",
    "business/law",
    "science/physics",
    "arts/humanities",
    "education/teaching",
    "business/administration",
    "science/biology",
)
_GRADES: Final = ("64", "71", "78", "85", "92")

TESTED_TOGETHER: Final = 500
"""So many courses share a test."""

ALIKE: Final = 40
"""Courses whose numbers differ by a multiple of this are alike in all but their code."""


def school(course: int) -> str:
    """The school that gives a course."""
    return f"{TOP}/s{10 + course % SCHOOLS}"


def code(course: int) -> str:
    """The code of a course; it is also the unit of its lot."""
    return f"C{FIRST_COURSE + course}"


def document(courses: int, version: int = 1, *, more: int = 0) -> dict[str, Any]:
    """A rule set with a rule for each course; ``more`` adds thousandths to what every rule gives."""
    rules = []
    for course in range(courses):
        match: dict[str, Any] = {"kind": "course", "provider": school(course), "code": code(course)}
        match["grade"] = {"scale": "percent", "min": "60"}
        if course % 8 == 3:
            credits_: dict[str, Any] = {"native": f"0.{500 + more:03d}"}
        else:
            credits_ = {"fixed": f"{1 + course % 4}.{more:03d}" if more else str(1 + course % 4)}
        if course % 8 == 5:
            # Some rules ask for more than a grade, as real ones do.
            match["assurance"] = "provider"
        rules.append({"id": f"c{FIRST_COURSE + course}", "match": match, "grant": [{"credits": credits_}]})
    return {
        "ruleset": {
            "lcb": "rules/v1",
            "id": "city",
            "version": version,
            "from": "2015-01-01",
            "unit": {"code": "CR", "step": "0.001"},
            "title": {"en": "A city's courses", "zh": "城市课程"},
        },
        "scales": {"percent": {"grades": {}}},
        "unique": {"key": "unit", "keep": "best"},
        "recognition": rules,
    }


def with_tests(courses: int, version: int = 1, *, more: int = 0) -> dict[str, Any]:
    """The same with a test for every rule, without which no bank publishes it."""
    tests = []
    for first in range(0, courses, TESTED_TOGETHER):
        some = range(first, min(first + TESTED_TOGETHER, courses))
        given = [
            {
                "id": f"a{course}",
                "kind": "course",
                "provider": school(course),
                "code": code(course),
                "credits": 1 + course % 4,
                "grade": {"percent": 92},
                "completed": "2024-06-10",
            }
            for course in some
        ]
        then = {}
        for course in some:
            own = 1 + course % 4
            milli = (500 + more) * own if course % 8 == 3 else own * 1000 + more
            then[f"a{course}"] = f"{milli // 1000}.{milli % 1000:03d}"
        tests.append({"name": f"courses from {code(first)}", "as_of": "2025-01-01", "given": given, "then": then})
    return {**document(courses, version, more=more), "tests": tests}


def learner(number: int) -> dict[str, Any]:
    """How a learner is named in a request."""
    return {"identity": {"type": "student_number", "value": f"{number:08d}", "issuer": TOP}}


def achievement(number: int, course: int, external_id: str, *, opening: bool = False) -> dict[str, Any]:
    """An achievement of a learner in a course; ``opening`` asks for an account when there is none."""
    stated: dict[str, Any] = {
        "external_id": external_id,
        "provider": school(course),
        "learner": learner(number),
        "kind": "course",
        "code": code(course),
        "title": {"en": f"Course {FIRST_COURSE + course}", "zh": f"课程{FIRST_COURSE + course}"},
        "category": _CATEGORIES[course % len(_CATEGORIES)],
        "credits": str(1 + course % 4),
        "grade": {"percent": _GRADES[course % len(_GRADES)]},
        "completed": f"2024-06-{10 + course % 20}",
    }
    if opening:
        stated["open_account"] = {"name": f"学习者{number:08d}"}
    return stated


def learners_for(achievements: int) -> int:
    """How many learners hold about so many achievements together."""
    return max(128, achievements // 20)


def holding(number: int) -> int:
    """How many achievements a learner begins with: 20 on average, one in fifty has 200."""
    return 200 if number % 50 == 7 else 8 + number * 7 % 17


def population(learners: int, courses: int) -> Iterator[dict[str, Any]]:
    """What is there before anything is measured; the readers, who come after the others, hold as many lots each."""
    for number in range(learners + READERS):
        count = holding(number) if number < learners else READERS_LOTS
        for k in range(count):
            course = (number * 37 + k * 401) % courses
            yield achievement(number, course, f"seed-{number:08d}-{k:04d}", opening=k == 0)


class Posting:
    """Makes requests that post new achievements. ``series`` keeps the external ids of one run from those of others."""

    def __init__(self, key: str, series: str, learners: int, courses: int) -> None:
        body = json.dumps(achievement(0, 0, "EXTERNAL"), ensure_ascii=False, separators=(",", ":"))
        body = body.replace("%", "%%")
        for number, names in (("00000000", "learner"), (str(FIRST_COURSE), "code")):
            body = body.replace(number, f"%({names})s")
        marks = (("EXTERNAL", "id"), (school(0), "school"), (_CATEGORIES[0], "category"), ("2024-06-10", "day"))
        for old, name in marks:
            body = body.replace(old, f"%({name})s")
        body = body.replace('"credits":"1"', '"credits":"%(credits)s"').replace('"64"', '"%(grade)s"')
        self._body = body
        self._head = (
            "POST /v1/achievements HTTP/1.1\r\nHost: bank\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n"
        )
        self._series = series
        self._learners = learners
        self._courses = courses
        self._made = 0

    def __call__(self, learner_drawn: float, course_drawn: float) -> bytes:
        """The next request, about the learner and the course that two numbers in [0, 1) point at."""
        self._made += 1
        external = f"{self._series}-{self._made:08d}"
        course = int(course_drawn * self._courses)
        body = (
            self._body
            % {
                "id": external,
                "learner": f"{int(learner_drawn * self._learners):08d}",
                "code": FIRST_COURSE + course,
                "school": school(course),
                "category": _CATEGORIES[course % len(_CATEGORIES)],
                "day": f"2024-06-{10 + course % 20}",
                "credits": 1 + course % 4,
                "grade": _GRADES[course % len(_GRADES)],
            }
        ).encode()
        return (self._head % (f"key-{external}", len(body))).encode() + body
