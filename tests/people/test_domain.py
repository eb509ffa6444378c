"""Where a person may act, with which roles, and what may be given by whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from creditbank.access.domain import SCOPES, Actor
from creditbank.people.domain import (
    Grant,
    GrantBeyondOwn,
    Place,
    RoleMisplaced,
    TooManyAttempts,
    UnknownRole,
    actor_of,
    check_attempts,
    check_grantable,
    held,
    places,
)
from creditbank.people.roles import ROLES

NOW = datetime(2025, 3, 1, tzinfo=UTC)
WHO, LEARNER, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
BANK = Place()
DISTRICT, SCHOOL, RIVAL = Place("cq/yuzhong"), Place("cq/yuzhong/jiefangbei"), Place("cq/yuzhongx")


def given(role: str, place: Place, until: datetime | None = None, revoked: datetime | None = None) -> Grant:
    return Grant(UUID(int=9), role, place, "operator:root", NOW - timedelta(days=9), until, revoked)


@pytest.mark.parametrize(
    ("held", "acting", "covers"),
    [
        (BANK, BANK, True),
        (BANK, SCHOOL, True),
        (DISTRICT, DISTRICT, True),
        (DISTRICT, SCHOOL, True),
        (DISTRICT, RIVAL, False),
        (SCHOOL, DISTRICT, False),
        (DISTRICT, BANK, False),
        (Place(learner_id=LEARNER), Place(learner_id=LEARNER), True),
        (Place(learner_id=LEARNER), Place(learner_id=OTHER), False),
        (Place(learner_id=LEARNER), BANK, False),
        (BANK, Place(learner_id=LEARNER), False),
    ],
)
def test_a_role_reaches_what_is_below_it_and_nothing_beside(held: Place, acting: Place, covers: bool) -> None:
    assert given("assessor", held).covers(acting) is covers


def test_roles_of_one_place_are_held_together_and_those_of_another_are_not() -> None:
    grants = [given("assessor", DISTRICT), given("provider_staff", SCHOOL), given("auditor", RIVAL)]

    above = actor_of(WHO, grants, DISTRICT, NOW, NOW)
    below = actor_of(WHO, grants, SCHOOL, NOW, NOW)

    assert above.roles == {"assessor"}
    assert below.roles == {"assessor", "provider_staff"}
    assert below.scopes == ROLES["assessor"].scopes | ROLES["provider_staff"].scopes
    assert (above.identity, above.provider, above.is_bank) == (f"user:{WHO}", "cq/yuzhong", False)


def test_what_ran_out_or_was_revoked_gives_nothing() -> None:
    second = timedelta(seconds=1)
    gone = [given("auditor", BANK, until=NOW), given("registrar", BANK, revoked=NOW - second)]
    standing = given("operator", BANK, until=NOW + second)

    assert actor_of(WHO, gone, BANK, NOW, None).scopes == frozenset()
    assert actor_of(WHO, [*gone, standing], BANK, NOW, None).roles == {"operator"}
    assert places(gone, NOW) == []


def test_a_learner_acts_for_nobody_but_themselves() -> None:
    mine = Place(learner_id=LEARNER)
    actor = actor_of(WHO, [given("learner", mine), given("administrator", BANK)], mine, NOW, None)

    assert actor.roles == {"learner"}
    assert (actor.learner_id, actor.provider, actor.is_bank) == (LEARNER, None, False)
    assert not actor.acts_for("cq/yuzhong")


def test_places_begin_with_the_widest() -> None:
    mine = Place(learner_id=LEARNER)
    grants = [given("learner", mine), given("assessor", SCHOOL), given("auditor", BANK), given("assessor", DISTRICT)]
    assert places(grants, NOW) == [BANK, DISTRICT, SCHOOL, mine]


def holder(provider: str | None, scopes: frozenset[str], learner: UUID | None = None) -> Actor:
    return Actor(WHO, provider, scopes, "provider", user_id=WHO, learner_id=learner)


ALL, OF_DISTRICT = frozenset(SCOPES), ROLES["district_administrator"].scopes


@pytest.mark.parametrize(
    ("giver", "role", "place", "refusal"),
    [
        (None, "administrator", BANK, None),
        (None, "learner", Place(learner_id=LEARNER), None),
        (None, "king", BANK, UnknownRole),
        (None, "learner", BANK, RoleMisplaced),
        (None, "provider_staff", BANK, RoleMisplaced),
        (None, "operator", DISTRICT, RoleMisplaced),
        (None, "auditor", Place(learner_id=LEARNER), RoleMisplaced),
        (None, "assessor", Place("cq", LEARNER), RoleMisplaced),
        (holder(None, ALL), "administrator", BANK, None),
        (holder(None, ALL), "learner", Place(learner_id=LEARNER), None),
        (holder(None, ROLES["operator"].scopes), "registrar", BANK, GrantBeyondOwn),
        (holder("cq/yuzhong", OF_DISTRICT), "provider_staff", SCHOOL, None),
        (holder("cq/yuzhong", OF_DISTRICT), "district_administrator", DISTRICT, None),
        (holder("cq/yuzhong", OF_DISTRICT), "registrar", DISTRICT, GrantBeyondOwn),
        (holder("cq/yuzhong", OF_DISTRICT), "provider_staff", RIVAL, GrantBeyondOwn),
        (holder("cq/yuzhong", ALL), "auditor", BANK, GrantBeyondOwn),
        (holder("cq/yuzhong", ALL), "learner", Place(learner_id=LEARNER), GrantBeyondOwn),
        (holder(None, ALL, LEARNER), "learner", Place(learner_id=LEARNER), GrantBeyondOwn),
    ],
)
def test_nobody_gives_what_he_does_not_hold(
    giver: Actor | None, role: str, place: Place, refusal: type[Exception] | None
) -> None:
    if refusal is None:
        check_grantable(giver, role, place)
    else:
        with pytest.raises(refusal):
            check_grantable(giver, role, place)


def test_places_are_told_with_the_roles_that_reach_them_and_when_the_last_runs_out() -> None:
    later, latest = NOW + timedelta(days=1), NOW + timedelta(days=2)
    mine, child = Place(learner_id=LEARNER), Place(learner_id=OTHER)
    grants = [
        given("auditor", BANK, later),
        given("assessor", DISTRICT, latest),
        given("assessor", RIVAL, NOW),
        given("registrar", SCHOOL, revoked=NOW),
        given("learner", mine),
        replace(given("learner", child, latest), granted_by="guardianship:1"),
    ]

    found = [(one.place, one.kind, sorted(one.roles), one.until) for one in held(grants, NOW)]

    assert found == [
        (BANK, "bank", ["auditor"], later),
        (DISTRICT, "provider", ["assessor", "auditor"], latest),
        (mine, "self", ["learner"], None),
        (child, "guardian", ["learner"], latest),
    ]
    assert [actor_of(WHO, grants, place, NOW, None).has_lost_place for place in (BANK, SCHOOL, RIVAL, mine)] == [
        False, False, False, False,
    ]  # fmt: skip
    later_on = NOW + timedelta(days=3)
    assert [actor_of(WHO, grants, place, later_on, None).has_lost_place for place in (BANK, DISTRICT, mine, child)] == [
        True, True, False, True,
    ]  # fmt: skip


WINDOW = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("counted", "seconds"),
    [
        ([([1], 2)], None),
        ([([1, 400], 2)], 500),
        ([([60, 61], 2)], 839),
        ([([10, 60, 61], 2)], 840),
        ([([0.5], 1)], 900),
        ([([60, 61], 2), ([200], 1)], 839),
        ([([60, 61], 2), ([20], 1)], 880),
    ],
    ids=[
        "one more may be wrong",
        "as many as may be",
        "the oldest leaves first",
        "more than may be",
        "a part of a second is waited for whole",
        "what lasts longer of both is told",
        "whichever it is",
    ],
)
def test_whoever_waits_is_told_how_long(counted: list[tuple[list[float], int]], seconds: int | None) -> None:
    at = [([NOW - timedelta(seconds=ago) for ago in sorted(past, reverse=True)], most) for past, most in counted]
    if seconds is None:
        check_attempts(at, WINDOW, NOW)
        return
    with pytest.raises(TooManyAttempts) as refused:
        check_attempts(at, WINDOW, NOW)
    assert (refused.value.wait_seconds, refused.value.minutes) == (seconds, -(-seconds // 60))
