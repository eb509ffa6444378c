"""The one write path: what is stored, what is answered, and what one bad item does to its neighbours (nothing)."""

from __future__ import annotations

from uuid import UUID

import pytest

from creditbank.access.domain import Actor, ProviderNotActive
from creditbank.achievements.domain import (
    AchievementNotFound,
    AchievementRevoked,
    ExternalIdConflict,
    IdentityOfAchievementFixed,
    NothingAmended,
)
from creditbank.errors import Refusal
from creditbank.identifiers import new_id
from creditbank.intake.actions import Outcome, Recorded, amend, submit
from creditbank.intake.domain import Submission
from creditbank.learners.domain import Identity, Reference, UnknownLearner
from creditbank.ledger.domain import Account
from creditbank.providers.actions import ProviderChange, change, lock
from creditbank.providers.domain import UnknownProvider
from tests.bank import CLIENT, Bank, content, document, submission

CARD = Identity("id_card", "11010519491231002X")


def said(outcome: Outcome) -> str:
    """An outcome in a word."""
    if isinstance(outcome, Refusal):
        return outcome.code
    return "recorded" if outcome.is_new else "unchanged"


async def test_an_achievement_is_recorded_with_what_the_rules_make_of_it(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")

    (outcome,) = await bank.submit(submission(learner, "E1", credits="2.5"))

    assert isinstance(outcome, Recorded)
    assert (outcome.is_new, outcome.state, outcome.achievement.current.number) == (True, "recognised", 1)
    assert [lot.positions[Account.AVAILABLE] for lot in outcome.lots] == [2500]
    assert [decision.effect for decision in outcome.decisions] == ["grant"]
    assert outcome.achievement.current.client_id == CLIENT


async def test_without_rules_it_is_stored_and_not_recognised(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")

    (outcome,) = await bank.submit(submission(learner, "E1"))

    assert isinstance(outcome, Recorded)
    assert (outcome.state, outcome.lots) == ("not_recognised", [])


async def test_the_same_again_is_answered_as_before(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    (first,) = await bank.submit(submission(learner, "E1"))

    (again,) = await bank.submit(submission(learner, "E1"))

    assert isinstance(first, Recorded)
    assert isinstance(again, Recorded)
    assert (again.is_new, again.achievement, again.state) == (False, first.achievement, first.state)
    assert [lot.id for lot in again.lots] == [lot.id for lot in first.lots]
    assert await bank.count("achievement_versions") == 1
    assert await bank.count("postings") == 1


async def test_an_earlier_version_sent_again_changes_nothing(bank: Bank) -> None:
    """A partner that repeats its old files after an amendment undoes nothing."""
    (learner,) = await bank.open("Li Wei")
    achievement = await bank.record(learner, "E1", credits="3")
    await bank.amend(achievement, credits="4")

    (again,) = await bank.submit(submission(learner, "E1", credits="3"))

    assert isinstance(again, Recorded)
    assert said(again) == "unchanged"
    assert again.achievement.current.content["credits"] == "4"


CONFLICTS = {
    "other credits": {"credits": "4"},
    "another day": {"completed": "2024-06-11"},
    "a further field": {"hours": "40"},
    "a lower assurance": {"assurance": "self"},
}


@pytest.mark.parametrize("others", CONFLICTS.values(), ids=CONFLICTS)
async def test_an_external_id_with_other_content_is_a_conflict(bank: Bank, others: dict[str, str]) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")

    (outcome,) = await bank.submit(submission(learner, "E1", **others))

    assert isinstance(outcome, ExternalIdConflict)
    assert (outcome.pointer, outcome.terms()) == ("/external_id", {"external_id": "E1"})
    assert await bank.count("achievement_versions") == 1


async def test_an_external_id_of_another_learner_is_a_conflict(bank: Bank) -> None:
    learner, other = await bank.open("Li Wei", "Zhang San")
    await bank.record(learner, "E1")

    (outcome,) = await bank.submit(submission(other, "E1"))

    assert said(outcome) == "external_id_conflict"


async def test_two_providers_may_use_one_external_id(bank: Bank) -> None:
    await bank.enter("cq/other")
    (learner,) = await bank.open("Li Wei")

    outcomes = await bank.submit(submission(learner, "E1"), submission(learner, "E1", provider="cq/other"))

    assert [said(outcome) for outcome in outcomes] == ["recorded", "recorded"]


async def test_a_bad_item_harms_no_neighbour(bank: Bank) -> None:
    await bank.publish(document())
    await bank.enter("cq/closed")
    await close(bank, "cq/closed")
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E0")
    nobody = Submission(CLIENT, "cq/school", Reference(identity=CARD), content("E6"), None)
    numbered = Submission(CLIENT, "cq/school", Reference(number="CQ1000000013"), content("E7"), None)

    outcomes = await bank.submit(
        submission(learner, "E1"),
        submission(learner, "E2", provider="cq/nowhere"),
        submission(learner, "E3", provider="cq/closed"),
        submission(new_id(), "E4"),
        submission(learner, "E0", credits="9"),
        nobody,
        numbered,
        submission(learner, "E1"),
        submission(learner, "E1", credits="9"),
        submission(learner, "E5"),
    )

    assert [said(outcome) for outcome in outcomes] == [
        "recorded", "unknown_provider", "provider_not_active", "unknown_learner", "external_id_conflict",
        "unknown_learner", "unknown_learner", "unchanged", "external_id_conflict", "recorded",
    ]  # fmt: skip
    assert isinstance(outcomes[1], UnknownProvider)
    assert isinstance(outcomes[2], ProviderNotActive)
    assert isinstance(outcomes[3], UnknownLearner)
    assert await bank.count("achievements") == 3
    # What was refused has claimed no external id: it may come again when its reason is gone.
    assert await bank.count("achievement_keys") == 3
    assert await bank.verify() == []


async def close(bank: Bank, code: str) -> None:
    """Close a provider."""
    (found,) = await bank.sql("select id from providers where code = :code", code=code)
    provider_id = found.id if isinstance(found.id, UUID) else UUID(found.id)
    async with bank.database.write() as connection:
        await change(connection, await lock(connection, provider_id), ProviderChange(status="closed"))


async def test_an_unknown_person_gets_one_account_however_many_results_come(bank: Bank) -> None:
    await bank.publish(document())
    other = Identity("phone", "13800138000")

    outcomes = await bank.submit(
        submission(CARD, "E1", code="A"), submission(other, "E2"), submission(CARD, "E3", code="B")
    )

    owners = [outcome.achievement.learner_id for outcome in outcomes if isinstance(outcome, Recorded)]
    assert owners[0] == owners[2] != owners[1]
    assert await bank.count("learners") == 2
    (later,) = await bank.submit(submission(CARD, "E4"))
    assert isinstance(later, Recorded)
    assert later.achievement.learner_id == owners[0]


async def test_a_batch_that_fails_leaves_nothing_behind(bank: Bank) -> None:
    """Actions never commit: what the transaction's owner does not keep was never there."""
    (learner,) = await bank.open("Li Wei")

    with pytest.raises(ZeroDivisionError):
        await submit_and_fail(bank, submission(CARD, "E1"), submission(learner, "E2"))

    assert await bank.count("achievement_keys") == 0
    assert await bank.count("learners") == 1
    assert await bank.verify() == []


async def submit_and_fail(bank: Bank, *submissions: Submission) -> None:
    async with bank.database.write() as connection:
        outcomes = await submit(connection, bank.desk, submissions, bank.today())
        assert [said(outcome) for outcome in outcomes] == ["recorded"] * len(submissions)
        raise ZeroDivisionError


async def test_records_of_a_learner_rise_strictly_though_the_clock_stands(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    bank.clock.tick *= 0
    achievement = await bank.record(learner, "E1")
    await bank.amend(achievement, credits="4")
    bank.clock.turn(seconds=-30)
    await bank.record(learner, "E2")

    found = await bank.sql("select recorded_at from achievement_versions order by recorded_at")

    assert len({row.recorded_at for row in found}) == 3


# --- Amending and revoking --------------------------------------------------------------------------------------------


async def test_what_may_not_be_amended(bank: Bank) -> None:
    await bank.enter("cq/other")
    (learner,) = await bank.open("Li Wei")
    achievement = await bank.record(learner, "E1")
    stranger = Actor(CLIENT, "cq/other", frozenset({"achievements:write"}), "provider")

    with pytest.raises(NothingAmended):
        await bank.amend(achievement)
    with pytest.raises(IdentityOfAchievementFixed):
        await bank.amend(achievement, external_id="E2")
    with pytest.raises(AchievementNotFound):
        async with bank.database.write() as connection:
            await amend(
                connection, bank.desk, achievement.id, content("E1", credits="9"), reason="mine now", actor=stranger,
                today=bank.today(),
            )  # fmt: skip
    await bank.revoke(achievement)
    with pytest.raises(AchievementRevoked):
        await bank.amend(achievement, credits="9")
    with pytest.raises(AchievementRevoked):
        await bank.revoke(achievement)
    assert await bank.count("achievement_versions") == 2


async def test_an_amendment_cannot_move_an_achievement_to_another_provider(bank: Bank) -> None:
    await bank.enter("cq/other")
    (learner,) = await bank.open("Li Wei")
    achievement = await bank.record(learner, "E1")

    recorded = await bank.amend(achievement, provider="cq/other", credits="9")

    assert recorded.achievement.current.content["provider"] == "cq/school"
    assert [version.number for version in recorded.achievement.versions] == [1, 2]
    assert recorded.achievement.current.reason == "a slip"


async def test_a_revoked_achievement_sent_again_stays_revoked(bank: Bank) -> None:
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    await bank.revoke(await bank.record(learner, "E1"))

    (again,) = await bank.submit(submission(learner, "E1"))

    assert isinstance(again, Recorded)
    assert (said(again), again.achievement.current.status, again.state) == ("unchanged", "revoked", "not_recognised")
    assert all(not lot.positions[Account.AVAILABLE] for lot in await bank.lots(learner))
