"""Short ways to write equivalencies and tables, for their tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from creditbank.equivalencies.domain import (
    Award,
    Composition,
    Course,
    Equivalency,
    Grade,
    Scheme,
    compose,
    document_of,
)
from creditbank.equivalencies.rows import KNOWN_SCALES, Book, Cell
from creditbank.equivalencies.trials import trials_of
from creditbank.equivalencies.writing import yaml_text

START = date(2024, 9, 1)
SCHEME = Scheme("town", START, "CR", scales=KNOWN_SCALES)

HEADINGS = [
    "receiving",
    "group",
    "alternative",
    "sending_provider",
    "sending_kind",
    "sending_code",
    "scale",
    "minimum_grade",
    "below_grade",
    "receiving_code",
    "credits",
    "no_credit",
    "review",
    "elective",
    "priority",
    "remark",
]


def course(code: str | None, least: str | None = None, *, below: str | None = None, at: str = "cn/a") -> Course:
    """A course of a college, perhaps from a letter grade on and below another."""
    scale = KNOWN_SCALES["us"]
    grade = Grade("us", scale[least] if least else None, scale[below] if below else None) if least or below else None
    return Course(at, code, "course", grade)


def gives(*awards: str) -> tuple[Award, ...]:
    """``MATH3A:4``: four credits of that unit; ``X:native``: as many as were earned."""
    pairs = [text.rpartition(":") for text in awards]
    return tuple(Award(unit, None if worth == "native" else Fraction(worth)) for unit, _, worth in pairs)


def statement(id_: str, *alternatives: Sequence[Course], to: Sequence[str] = (), effect: str = "grant") -> Equivalency:
    """An equivalency whose source is its id."""
    made = {"deny": "deny", "review": "review", "grant": "grant"}[effect]
    return Equivalency(id_, tuple(map(tuple, alternatives)), made, gives(*to), source=id_)  # type: ignore[arg-type]


def composed(*statements: Equivalency) -> Composition:
    """The rule set of the statements."""
    return compose(SCHEME, statements)


def text_of(composition: Composition) -> str:
    """The rule set as it is written to a file, with its tests."""
    return yaml_text(document_of(composition, trials_of(composition)))


def row(**cells: Cell) -> list[Cell]:
    """A row of the sheet ``equivalencies``: MATH1 of cn/a is worth 4 credits of M1 at cn/b, unless said otherwise."""
    usual: dict[str, Cell] = {"receiving": "cn/b", "sending_provider": "cn/a", "sending_code": "MATH1"}
    usual |= {"receiving_code": "M1", "credits": "4"}
    return [(usual | cells).get(heading) for heading in HEADINGS]


def book(*rows: Sequence[Cell], **sheets: Sequence[Sequence[Cell]]) -> Book:
    """A workbook of these rows, and perhaps further sheets."""
    return {"equivalencies": [HEADINGS, *rows], **sheets}
