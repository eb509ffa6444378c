"""Who may do what with what: every action, by everybody, with what is the bank's, one's own, below and another's."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

import pytest

from creditbank.access.domain import Actor
from creditbank.access.policy import NOBODY_S, RULES, Action, Denied, Owned, Owner, can, part
from creditbank.people.domain import Grant, Place, actor_of
from creditbank.people.roles import ROLES
from creditbank.web.sentences import sentence
from tests.api.asks import ASKS
from tests.api.test_policy import TABLE
from tests.bank import HandClock

ME, OTHER, USER = UUID(int=1), UUID(int=2), UUID(int=3)
NONE: frozenset[str] = frozenset()

ACTORS = {
    "bank": Actor(USER, None, NONE, "signed"),
    "college": Actor(USER, "cq/yuzhong", NONE, "provider"),
    "learner": Actor(USER, None, NONE, "self", user_id=USER, learner_id=ME),
}
# Whose a thing is, as each of the three sees it.
THINGS = {
    "nobody's": NOBODY_S,
    "college's": Owned("cq/yuzhong"),
    "school's": Owned("cq/yuzhong/jiefangbei"),
    "rival's": Owned("cq/yuzhongx"),
    "above": Owned("cq"),
    "learner's": Owned(None, ME),
    "other learner's": Owned(None, OTHER),
    "learner's by the rival": Owned("cq/yuzhongx", ME),
    "made": Owned(None, OTHER, USER),
}
OF_PROVIDERS, OF_LEARNERS = {"college's", "school's"}, {"learner's", "learner's by the rival"}

# By action who may: P providers with their own and what is below, L learners with their own, M whoever made it.
TOLD = """
account.act PL          account.mend P          account.read PL         achievement.read PL     achievement.state P
chain.read L            claim.assess P          claim.lodge PL          claim.read PL           conversion.decide P
conversion.read PLM     conversion.withdraw LM  enrolment.read PL       lot.read PL             offering.change P
programme.govern P      provider.accredit -     provider.change P       review.close -          review.work P
role.grant P            rule_set.change P       ruling.make -           simulation.cases -      transcript.read L
user.read P             activity.hold P         activity.check_in PL    head_count.put P        head_count.read P
provider.figures P      region.change -         client.govern P         account.end -           audit.read P
consent.give L          consent.read PL         erasure.decide -        learner.export L        looks.read L
merge.decide -          account.activate P      account.confirm -       guardianship.govern -
identity.issue P        identity.claim L        webhook.govern P        import.follow P
"""
WHO = dict(zip(*[iter(TOLD.split())] * 2, strict=True))
CELLS = [(action, actor, thing) for action in RULES for actor in ACTORS for thing in THINGS]


def test_every_action_is_told() -> None:
    assert set(WHO) == set(RULES) == set(get_args(Action))


@pytest.mark.parametrize(("action", "actor", "thing"), CELLS)
def test_each_may_do_with_each_what_is_told(action: Action, actor: str, thing: str) -> None:
    letters = WHO[action]
    may = (
        actor == "bank"
        or ("P" in letters and actor == "college" and thing in OF_PROVIDERS)
        or ("L" in letters and actor == "learner" and thing in OF_LEARNERS)
        or ("M" in letters and thing == "made")
    )
    verdict = can(ACTORS[actor], action, THINGS[thing])

    assert bool(verdict) is may
    if isinstance(verdict, Denied):
        # Why is said in both languages.
        assert sentence(verdict.reason, "en") != sentence(verdict.reason, "zh-Hans")


@pytest.mark.parametrize("action", RULES)
def test_of_many_one_sees_no_more_than_of_each(action: Action) -> None:
    assert part(ACTORS["bank"], action, NOBODY_S) is None
    seen = part(ACTORS["college"], action, NOBODY_S)
    assert seen == ("cq/yuzhong" if Owner.PROVIDER in RULES[action].owners else Denied(RULES[action].reason))
    # A learner sees all of what is their own, and of the rest nothing.
    assert part(ACTORS["learner"], action, NOBODY_S) == Denied(RULES[action].reason)
    own = part(ACTORS["learner"], action, Owned(learner_id=ME))
    assert own == (None if Owner.SELF in RULES[action].owners else Denied(RULES[action].reason))


ROUTES = [(role, row) for role in ROLES for row in TABLE if row.route in ASKS]


@pytest.mark.parametrize(("role", "row"), ROUTES, ids=[f"{role} {row.route}" for role, row in ROUTES])
def test_no_role_reaches_by_any_route_what_is_another_s(role: str, row: object) -> None:
    assert hasattr(row, "route")
    asked: list[Action] = [action for action in RULES if action in ASKS[row.route].split()]
    now = HandClock()()
    for place, foreign in (
        (Place("cq/yuzhong"), (NOBODY_S, Owned("cq/yuzhongx", ME), Owned("cq", OTHER))),
        (Place(learner_id=ME), (NOBODY_S, Owned("cq/yuzhong"), Owned("cq/yuzhong", OTHER))),
    ):
        holder = "learner" if place.learner_id else "provider"
        if holder not in ROLES[role].held_for:
            continue
        grant = Grant(UUID(int=9), role, place, "test:", now, None, None)
        actor = actor_of(USER, [grant], place, now, now)
        assert actor.scopes == ROLES[role].scopes
        assert not [(action, thing) for action in asked for thing in foreign if can(actor, action, thing)]
