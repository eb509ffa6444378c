"""An enrolment with its changes, and the version of the rules that governs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.days import Duration, read_duration
from creditbank.rules.standing import VersionName


class ChangeKind(StrEnum):
    """What may happen to an enrolment."""

    INTERRUPTED = "interrupted"
    RESUMED = "resumed"
    ELECTED = "elected"
    PINNED = "pinned"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Change:
    """One change and the day it holds from. ``detail``: an election's version, what was pinned."""

    id: UUID
    kind: ChangeKind
    day: date
    detail: Mapping[str, Any]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A learner in a programme of a rule set, with every change in the order in which it was recorded."""

    learner_id: UUID
    id: UUID
    rule_set_id: UUID
    programme: str
    enrolled_on: date
    applied_on: date | None
    recorded_at: datetime
    changes: Sequence[Change] = ()

    @property
    def revision(self) -> int:
        """Rises with each change."""
        return len(self.changes) + 1

    @property
    def ended_on(self) -> date | None:
        """The first day on which it no longer holds; None while nobody ended it."""
        return next((change.day for change in self.changes if change.kind is ChangeKind.ENDED), None)

    def holds_on(self, day: date) -> bool:
        """Whether the learner is enrolled on that day; an interruption does not end it."""
        return self.enrolled_on <= day and (self.ended_on is None or day < self.ended_on)

    @property
    def interruptions(self) -> tuple[tuple[date, date | None], ...]:
        """The half-open days of its interruptions; the last may be open."""
        found: list[tuple[date, date | None]] = []
        for change in self.changes:
            if change.kind is ChangeKind.INTERRUPTED:
                found.append((change.day, None))
            elif change.kind is ChangeKind.RESUMED:
                found[-1] = (found[-1][0], change.day)
        return tuple(found)

    @property
    def is_interrupted(self) -> bool:
        """Whether an interruption is open."""
        return any(end is None for _, end in self.interruptions)

    @property
    def pins(self) -> Mapping[str, Any]:
        """What the learner chose last: ``lots``, the requirement by lot, and ``requirements`` that are to apply."""
        chosen = [change.detail for change in self.changes if change.kind is ChangeKind.PINNED]
        return chosen[-1] if chosen else {}


@dataclass(frozen=True, slots=True)
class Governed:
    """The version that governs a programme for a learner. ``lapsed_on``: the day the catalogue right last lapsed."""

    version: CompiledVersion
    lapsed_on: date | None


def version_for(line: Iterable[CompiledVersion], programme: str, day: date) -> CompiledVersion | None:
    """The version with this programme that governs a day; None when there is none."""
    return next((v for v in line if v.governs(day) and programme in v.programmes), None)


def latest_for(line: Iterable[CompiledVersion], programme: str, day: date) -> CompiledVersion | None:
    """The version with this programme that governs a day; where none does any more the last that did before it."""
    begun = [v for v in line if v.valid_from <= day and programme in v.programmes]
    return version_for(begun, programme, day) or max(begun, key=lambda v: v.valid_from, default=None)


def governed(
    enrolment: Enrolment, line: Sequence[CompiledVersion], activity: Iterable[date], today: date
) -> Governed | None:
    """The version that governs an enrolment on a day (rules/v1 section 12). None when no version ever had it.

    ``line`` are the versions of its rule set, ``activity`` the days on which the learner completed something that
    counts there. Whoever lets the catalogue right lapse comes back under the version in force on the day of coming
    back; what was elected before is gone with it. An interruption stops the right's clock.
    """
    name = enrolment.programme
    version = latest_for(line, name, enrolment.enrolled_on)
    if version is not None and version.programme_clock == "applied" and enrolment.applied_on is not None:
        version = latest_for(line, name, enrolment.applied_on)
    if version is None:
        return None
    last, lapsed_on = enrolment.enrolled_on, None
    for day, election in _steps(enrolment, activity, today):
        deadline = _deadline(version, name, last, enrolment.interruptions)
        if deadline is not None and deadline <= day:
            lapsed_on, version = deadline, latest_for(line, name, day) or version
        if election is not None:
            version = _elected(line, name, election) or version
        last = day
    deadline = _deadline(version, name, last, enrolment.interruptions)
    if deadline is not None and deadline <= today:
        lapsed_on, version = deadline, latest_for(line, name, today) or version
    return Governed(version, lapsed_on)


def _steps(
    enrolment: Enrolment, activity: Iterable[date], today: date
) -> Iterator[tuple[date, Mapping[str, Any] | None]]:
    """The days on which something was done about the programme, each with what was elected on it."""
    steps: list[tuple[date, int, Mapping[str, Any] | None]] = [(day, 0, None) for day in set(activity)]
    for number, change in enumerate(enrolment.changes, 1):
        if change.kind is ChangeKind.ELECTED:
            steps.append((change.day, number, change.detail))
        elif change.kind is ChangeKind.RESUMED:
            steps.append((change.day, number, None))
    for day, _, election in sorted(steps, key=lambda step: step[:2]):
        if day <= today and (day > enrolment.enrolled_on or election is not None):
            yield day, election


def _elected(line: Sequence[CompiledVersion], programme: str, election: Mapping[str, Any]) -> CompiledVersion | None:
    named = next((v for v in line if v.version == election["version"] and programme in v.programmes), None)
    # A corrected version governs no day any more: what was elected is then what governs its days now.
    return named or latest_for(line, programme, date.fromisoformat(election["from"]))


def _deadline(
    version: CompiledVersion, programme: str, last: date, interruptions: Sequence[tuple[date, date | None]]
) -> date | None:
    """The day on which the catalogue right lapses without activity since ``last``; None when it does not."""
    right = version.programmes[programme].catalogue_right
    if right is None:
        return None
    deadline = read_duration(right).after(last)
    for begun, ended in interruptions:
        if begun >= deadline:
            break
        if ended is None:
            return None
        if ended > last:
            still = Duration(0, (ended - max(begun, last)).days, "")
            deadline = still.after(deadline)
    return deadline


def elections(enrolments: Iterable[Enrolment], on: date) -> dict[UUID, list[VersionName]]:
    """The versions of each rule set that a learner has asked for as a whole by a day.

    They stay asked for: what was recognised by one does not change when the catalogue right lapses or the enrolment
    ends. Of several the latest reaches what is older before the others do.
    """
    found: dict[UUID, list[VersionName]] = {}
    for enrolment in enrolments:
        for change in enrolment.changes:
            if change.kind is ChangeKind.ELECTED and change.day <= on:
                named = VersionName(change.detail["version"], date.fromisoformat(change.detail["from"]))
                found.setdefault(enrolment.rule_set_id, []).append(named)
    return found


def check_election(
    present: CompiledVersion, wanted: CompiledVersion | None, programme: str, today: date, number: int
) -> CompiledVersion:
    """The version that a learner may elect: a later one as a whole. Raises VersionNotElectable, ElectionBackwards."""
    if wanted is None or programme not in wanted.programmes or wanted.valid_from > today:
        raise VersionNotElectable(version=number)
    if wanted.valid_from <= present.valid_from:
        raise ElectionBackwards(version=number, present=present.version)
    until = wanted.transition.elect_until
    if until is not None and until <= today:
        raise ElectionOver(version=number, until=until)
    return wanted


def check_change(enrolment: Enrolment, kind: ChangeKind, day: date) -> None:
    """Whether the change can follow on what was recorded. Raises EnrolmentEnded, ChangeOutOfOrder and others."""
    if enrolment.ended_on is not None:
        raise EnrolmentEnded(ended=enrolment.ended_on)
    last = max([enrolment.enrolled_on, *[c.day for c in enrolment.changes if c.kind is not ChangeKind.PINNED]])
    if day < last:
        raise ChangeOutOfOrder(last=last)
    if kind is ChangeKind.INTERRUPTED and enrolment.is_interrupted:
        raise AlreadyInterrupted
    if kind is ChangeKind.RESUMED and not enrolment.is_interrupted:
        raise NotInterrupted


@dataclass(eq=False, kw_only=True)
class EnrolmentNotFound(Refusal):
    """There is no such enrolment of this learner, or the caller may not know of it."""

    code = "enrolment_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class AlreadyEnrolled(Refusal):
    """The learner is enrolled in this programme already."""

    code = "already_enrolled"
    kind = Kind.CONFLICT
    since: date
    pointer: str = "/programme"


@dataclass(eq=False, kw_only=True)
class EnrolmentEnded(Refusal):
    """An enrolment that was ended changes no more: enrol again."""

    code = "enrolment_ended"
    kind = Kind.CONFLICT
    ended: date


@dataclass(eq=False, kw_only=True)
class ChangeOutOfOrder(Refusal):
    """A change lies before one that is recorded already."""

    code = "enrolment_change_out_of_order"
    kind = Kind.CONFLICT
    last: date
    pointer: str = "/day"


@dataclass(eq=False, kw_only=True)
class AlreadyInterrupted(Refusal):
    """The enrolment is interrupted already."""

    code = "enrolment_interrupted"
    kind = Kind.CONFLICT
    pointer: str = "/kind"


@dataclass(eq=False, kw_only=True)
class NotInterrupted(Refusal):
    """Only what was interrupted is resumed."""

    code = "enrolment_not_interrupted"
    kind = Kind.CONFLICT
    pointer: str = "/kind"


@dataclass(eq=False, kw_only=True)
class ElectionBackwards(Refusal):
    """A learner elects a later version, never an earlier one (rules/v1 section 12)."""

    code = "election_backwards"
    kind = Kind.CONFLICT
    version: int
    present: int
    pointer: str = "/version"


@dataclass(eq=False, kw_only=True)
class VersionNotElectable(Refusal):
    """There is no such version in force with this programme, or it has not begun."""

    code = "version_not_electable"
    kind = Kind.INVALID
    version: int
    pointer: str = "/version"


@dataclass(eq=False, kw_only=True)
class ElectionOver(Refusal):
    """The days in which this version could be elected are over (rules/v1 section 8, ``elect_until``)."""

    code = "election_over"
    kind = Kind.CONFLICT
    version: int
    until: date
    pointer: str = "/version"


@dataclass(eq=False, kw_only=True)
class AppliedAfterEnrolment(Refusal):
    """Whoever enrols has applied before, or on the same day."""

    code = "applied_after_enrolment"
    kind = Kind.INVALID
    enrolled: date
    pointer: str = "/applied"


@dataclass(eq=False, kw_only=True)
class DayInFuture(Refusal):
    """An enrolment and its changes are recorded when they hold, not before."""

    code = "enrolment_day_in_future"
    kind = Kind.INVALID
    today: date
    pointer: str = "/day"
