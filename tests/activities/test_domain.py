"""Check-in codes: of one activity, of some minutes, and of nobody else's making."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from creditbank.activities.domain import (
    Activity,
    CheckInCode,
    CheckInCodeExpired,
    CheckInCodeRefused,
    HeadCount,
    check_code,
    content_of,
    seal_of,
)

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
HERE, THERE = UUID(int=1), UUID(int=2)
NOW = 29_000_000


def code(
    activity: UUID = HERE, minute: int = NOW, key: bytes = KEY, of: UUID | None = None, at: int | None = None
) -> str:
    """A code as it is shown, sealed for ``of`` and ``at`` where they are not what it says."""
    return str(CheckInCode(activity, minute, seal_of(key, of or activity, minute if at is None else at)))


GOOD = [code(), code(minute=NOW - 1), code(minute=NOW - 2)]
BAD = {
    "too old": (code(minute=NOW - 3), CheckInCodeExpired),
    "of the next minute": (code(minute=NOW + 1), CheckInCodeExpired),
    "of another activity": (code(THERE), CheckInCodeRefused),
    "another's seal": (code(of=THERE), CheckInCodeRefused),
    "an old seal under a new minute": (code(at=NOW - 9), CheckInCodeRefused),
    "another secret": (code(key=OTHER_KEY), CheckInCodeRefused),
    "a short seal": (code()[:-1], CheckInCodeRefused),
    "no seal": (f"{HERE.hex}.{NOW}.", CheckInCodeRefused),
    "a minute too far": (f"{HERE.hex}.{'9' * 30}.{'0' * 32}", CheckInCodeRefused),
    "nothing": ("", CheckInCodeRefused),
    "capital letters": (code().upper(), CheckInCodeRefused),
    "other digits": (code().replace(".", ".\uff10", 1), CheckInCodeRefused),
    "a line behind it": (code() + "\n", CheckInCodeRefused),
}


@pytest.mark.parametrize("text", GOOD)
def test_a_code_is_taken_for_some_minutes(text: str) -> None:
    check_code(KEY, text, HERE, NOW, 3)


@pytest.mark.parametrize(("text", "refused"), BAD.values(), ids=BAD)
def test_any_other_code_is_refused(text: str, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        check_code(KEY, text, HERE, NOW, 3)


def activity(**others: object) -> Activity:
    given: dict[str, object] = {
        "id": HERE, "provider": "cq/a", "series": None, "kind": "activity", "title_zh": "讲座", "title_en": "Talk",
        "place": None, "category": None, "starts": datetime(2025, 3, 1, tzinfo=UTC),
        "ends": datetime(2025, 3, 2, tzinfo=UTC), "hours_milli": None, "capacity": None, "status": "held",
        "reason": None, "revision": 1, **others,
    }  # fmt: skip
    return Activity(**given)  # type: ignore[arg-type]


def test_what_is_stated_depends_on_the_activity_and_the_person_only() -> None:
    whole = activity(category="health/health", hours_milli=2500, place="201", capacity=3)
    assert content_of(whole, THERE, date(2025, 3, 1), {"theme": "health_month"}) == {
        "external_id": f"activity:{HERE}:{THERE}",
        "kind": "activity",
        "completed": "2025-03-01",
        "title": {"zh": "讲座", "en": "Talk"},
        "assurance": "provider",
        "provider": "cq/a",
        "category": "health/health",
        "hours": "2.5",
        "facts": {"theme": "health_month"},
    }
    assert not {"category", "hours", "facts"} & content_of(activity(), THERE, date(2025, 3, 1), {}).keys()


def count(**others: object) -> HeadCount:
    given: dict[str, object] = {
        "provider": "cq/a", "activity_id": None, "start": date(2025, 3, 1), "until": date(2025, 4, 1), "region": "50",
        "age_from": 0, "age_until": 200, "source": "door", "people": 3, **others,
    }  # fmt: skip
    return HeadCount(**given)  # type: ignore[arg-type]


def test_a_count_said_again_is_the_same_count() -> None:
    assert count().id == count(people=4).id
    others = [
        count(provider="cq/b"), count(activity_id=HERE), count(start=date(2025, 3, 2)), count(until=date(2025, 4, 2)),
        count(region="5001"), count(age_from=1), count(age_until=199), count(source="gate"), count(),
    ]  # fmt: skip
    assert len({one.id for one in others}) == len(others)
