"""An activity, the code by which people check in, and the people counted without an account.

An activity is held on the day on which it starts, in the bank's time zone: that is the day of the achievement, however
somebody was found to have been there, so that three ways make one achievement.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from creditbank.credits import Credits
from creditbank.errors import Kind, Refusal

Way = Literal["roster", "code", "sheet"]

_CODE: Final = re.compile(r"([0-9a-f]{32})\.([0-9]{1,10})\.([0-9a-f]{32})", re.ASCII)
_MAC_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Activity:
    """Something held once: a lecture, a reading, a walk. ``capacity`` was announced; nobody is refused by it."""

    id: UUID
    provider: str
    series: str | None
    kind: str
    title_zh: str
    title_en: str
    place: str | None
    category: str | None
    starts: datetime
    ends: datetime
    hours_milli: int | None
    capacity: int | None
    status: str
    reason: str | None
    revision: int


def content_of(activity: Activity, learner_id: UUID, day: date, facts: Mapping[str, str]) -> dict[str, Any]:
    """What is stated of somebody who was there, the same by whatever way; ``day`` is the activity's, ``facts`` those
    that its kind has."""
    content: dict[str, Any] = {
        "external_id": f"activity:{activity.id}:{learner_id}",
        "kind": activity.kind,
        "completed": day.isoformat(),
        "title": {"zh": activity.title_zh, "en": activity.title_en},
        "assurance": "provider",
        "provider": activity.provider,
    }
    if activity.category is not None:
        content["category"] = activity.category
    if activity.hours_milli is not None:
        content["hours"] = str(Credits(activity.hours_milli))
    if facts:
        content["facts"] = dict(facts)
    return content


@dataclass(frozen=True, slots=True)
class CheckInCode:
    """What is shown at the venue: the activity, the minute since 1970, and a seal over both.

    Whoever sends it saw it within the minutes for which it is taken.
    """

    activity_id: UUID
    minute: int
    seal: str

    @classmethod
    def parse(cls, text: str) -> CheckInCode | None:
        """The code that a text says; None for anything else."""
        found = _CODE.fullmatch(text)
        return cls(UUID(found[1]), int(found[2]), found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.activity_id.hex}.{self.minute}.{self.seal}"


def seal_of(key: bytes, activity_id: UUID, minute: int) -> str:
    """The seal of an activity's code of a minute: HMAC-SHA-256, cut to 128 bits so that the picture stays coarse."""
    message = activity_id.bytes + minute.to_bytes(8, "big")
    return hmac.new(key, message, hashlib.sha256).digest()[:_MAC_BYTES].hex()


def check_code(key: bytes, text: str, activity_id: UUID, minute: int, lasting: int) -> None:
    """Hold a code to be this activity's, sealed by the bank, and of the last ``lasting`` minutes.

    Raises CheckInCodeRefused for a forged or foreign one, CheckInCodeExpired. Compared in constant time.
    """
    code = CheckInCode.parse(text)
    if code is None or code.activity_id != activity_id:
        raise CheckInCodeRefused
    if not hmac.compare_digest(code.seal, seal_of(key, code.activity_id, code.minute)):
        raise CheckInCodeRefused
    if not 0 <= minute - code.minute < lasting:
        raise CheckInCodeExpired


@dataclass(frozen=True, slots=True)
class HeadCount:
    """So many people without an account were at an activity, or at an institution in a period, says a source.

    They lived in ``region`` and were aged from ``age_from`` to below ``age_until``. The last day is the one before
    ``until``.
    """

    provider: str
    activity_id: UUID | None
    start: date
    until: date
    region: str
    age_from: int
    age_until: int
    source: str
    people: int

    @property
    def id(self) -> UUID:
        """An id made of what is counted, so that the same count said again is the same row."""
        about = [self.provider, self.activity_id, self.start, self.until, self.region, self.age_from, self.age_until]
        text = "\x1f".join([*map(str, about), self.source])
        return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


@dataclass(eq=False, kw_only=True)
class ActivityNotFound(Refusal):
    """There is no such activity."""

    code = "activity_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class UnknownSeries(Refusal):
    """The bank has no such series of activities."""

    code = "unknown_series"
    kind = Kind.INVALID
    given: str
    pointer: str = "/series"


@dataclass(eq=False, kw_only=True)
class ActivityProviderUnnamed(Refusal):
    """The bank's own clients say whose activity it is."""

    code = "activity_provider_unnamed"
    kind = Kind.INVALID
    pointer: str = "/provider"


@dataclass(eq=False, kw_only=True)
class ActivityEndsEarly(Refusal):
    """The activity would end before it starts."""

    code = "activity_ends_early"
    kind = Kind.INVALID
    pointer: str = "/ends"


@dataclass(eq=False, kw_only=True)
class ActivityAttended(Refusal):
    """People are recorded to have been there already: what their achievements say of it is fixed."""

    code = "activity_attended"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class ActivityCancelled(Refusal):
    """The activity is cancelled."""

    code = "activity_cancelled"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class ActivityNotBegun(Refusal):
    """Nobody can have been there before the day on which it starts."""

    code = "activity_not_begun"
    kind = Kind.CONFLICT
    day: str


@dataclass(eq=False, kw_only=True)
class ActivityOver(Refusal):
    """No code is shown or taken any more: whoever was there is entered by roster or sheet."""

    code = "activity_over"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class CheckInCodeRefused(Refusal):
    """The code is not one that the bank made for this activity."""

    code = "check_in_code_refused"
    kind = Kind.FORBIDDEN
    pointer: str = "/code"


@dataclass(eq=False, kw_only=True)
class CheckInCodeExpired(Refusal):
    """The code is not taken any more, or not yet."""

    code = "check_in_code_expired"
    kind = Kind.FORBIDDEN
    pointer: str = "/code"
