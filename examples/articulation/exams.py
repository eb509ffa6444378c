"""Advanced Placement: what the University of California, Irvine gives for which score of an exam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from creditbank.equivalencies.domain import Award, Course, Effect, Equivalency, Grade, Scheme
from creditbank.equivalencies.rows import slug
from examples.articulation.reading import Published, Unusable, json_file

PROVIDER: Final = "us/college-board"
SCORES: Final = {str(score): Fraction(score) for score in range(1, 6)}


def read_exams(folder: Path, start: date) -> Iterator[Published]:
    """The one institution of the folder."""
    file = next(iter(sorted(folder.glob("uci-ap-credit.json*"))), None)
    if file is None:
        raise Unusable(f"{folder} has no uci-ap-credit.json")
    scheme = Scheme("uci-ap", start, "QU", title="UC Irvine, Advanced Placement", scales={"ap": SCORES})
    published = Published(scheme)
    for exam, entry in json_file(file).items():
        if not entry["rewards"]:
            published.leave_open("no_score_accepted", exam, "no rewards")
        for reward in entry["rewards"]:
            published.lines += 1
            _add(published, exam, reward)
    yield published


def _add(published: Published, exam: str, reward: Mapping[str, Any]) -> None:
    scores = sorted(reward["acceptableScores"])
    source = f"{exam} {scores[0]}-{scores[-1]}"
    if scores != list(range(scores[0], scores[-1] + 1)):
        raise Unusable(f"{source}: the scores have a gap")
    grade = Grade("ap", Fraction(scores[0]), Fraction(scores[-1] + 1) if scores[-1] < 5 else None)
    sending = ((Course(PROVIDER, exam, "exam", grade),),)
    name = slug(f"{exam.removeprefix('AP ')}-{scores[0]}")
    if reward["geGranted"]:
        published.leave_open("requirement_only", source, ", ".join(reward["geGranted"]))
    awards = _awards(published, source, reward)
    effect: Effect = "grant" if awards else "review"
    published.equivalencies.append(Equivalency(name, sending, effect, awards, source=source))


def _awards(published: Published, source: str, reward: Mapping[str, Any]) -> tuple[Award, ...]:
    """What is granted; nothing, and a line in the report, when a person has to decide."""
    total, elective = reward["unitsGranted"], reward["electiveUnitsGranted"]
    (joined, courses), *_ = reward["coursesGranted"].items()
    rest = total - elective
    text = f"{total} units, {elective} of them elective, for {f' {joined} '.join(map(str, courses)) or 'no course'}"
    if joined == "OR" and len(courses) > 1:
        published.leave_open("choice", source, text)
    elif len(courses) > 1:
        published.leave_open("units_not_divided", source, text)
    elif courses and rest == 0:
        published.leave_open("units_contradict", source, text)
    elif not courses and rest:
        published.leave_open("units_unassigned", source, text)
    else:
        awards = [Award(course, Fraction(rest)) for course in courses]
        return (*awards, Award("blanket:elective", Fraction(elective))) if elective else tuple(awards)
    return ()
