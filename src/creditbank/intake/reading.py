"""From the bytes of an achievement to what is submitted: the same for a batch and for a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from pydantic import TypeAdapter

from creditbank.access.domain import Actor
from creditbank.achievements.schemas import StatementIn
from creditbank.codes import code_list
from creditbank.errors import Refusal
from creditbank.intake.domain import DateInFuture, Submission, UnknownCategory, UnknownKind
from creditbank.intake.schemas import AchievementIn
from creditbank.learners.domain import check_born
from creditbank.web.bodies import read_item
from creditbank.web.problems import EdgeRefusal

ItemRead = Submission | Refusal | EdgeRefusal
"""One of many achievements: what is submitted, or why it cannot be."""

_item: Final[TypeAdapter[AchievementIn]] = TypeAdapter(AchievementIn)


def _names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _names_in(inner)


# The places of a list have so many digits; what has more may be somebody's number.
_INDEX_DIGITS_MAX: Final = 3
_NAMES: Final = frozenset(_names_in(_item.json_schema()))


def known_pointer(pointer: str) -> str:
    """A pointer into an achievement in which every name that is none of its fields is an ellipsis.

    A name that somebody sent may be anything, and is not to be kept by whoever may keep nothing of what was sent.
    """
    return "/".join(part if _is_known(part) else "…" for part in pointer.split("/"))


def _is_known(part: str) -> bool:
    return not part or part in _NAMES or (part.isascii() and part.isdecimal() and len(part) <= _INDEX_DIGITS_MAX)


def read_submission(raw: bytes, actor: Actor, today: date) -> ItemRead:
    """What one of many says, as JSON of which keys that are given twice were looked for before."""
    try:
        return submission_of(read_item(_item, raw), actor, today)
    except (Refusal, EdgeRefusal) as refusal:
        return refusal


def submission_of(achievement: AchievementIn, actor: Actor, today: date) -> Submission:
    """What is submitted, checked as far as it can be without the database. Raises refusals."""
    check_statement(achievement, today)
    if achievement.open_account is not None:
        check_born(achievement.open_account.birth_date, today, "/open_account/birth_date")
    return achievement.to_domain(actor)


def check_statement(statement: StatementIn, today: date, prefix: str = "") -> None:
    """Hold days to be past, and codes to be the bank's. Raises DateInFuture, UnknownKind, UnknownCategory."""
    for name in ("completed", "started", "submitted", "applied"):
        day = getattr(statement, name)
        if day is not None and day > today:
            raise DateInFuture(today=today.isoformat(), pointer=f"{prefix}/{name}")
    if statement.kind not in code_list("kinds"):
        raise UnknownKind(given=statement.kind, pointer=f"{prefix}/kind")
    if statement.category is not None and statement.category not in code_list("categories"):
        raise UnknownCategory(given=statement.category, pointer=f"{prefix}/category")
