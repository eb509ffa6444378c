"""The transcript says what the lots say: one calculation, no credit lost or counted twice."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

from creditbank.identifiers import new_id
from creditbank.intake.actions import Recorded
from creditbank.learners.domain import LearnerNotFound
from creditbank.ledger.domain import Account
from creditbank.transcripts.domain import Transcript
from creditbank.transcripts.formats.plain import render
from creditbank.transcripts.queries import draw_present, stamps_of
from tests.bank import ZONE, Bank, document, granting, submission


async def drawn(bank: Bank, learner: UUID) -> Transcript:
    async with bank.database.snapshot() as connection:
        return (await draw_present(connection, bank.vault, bank.shelf, learner, bank.today(), ZONE)).transcript


async def busy(bank: Bank) -> UUID:
    """A learner with duplicates, a refusal, an amendment, a revocation, and credits of two units of credit."""
    await bank.publish(document(unique={"keep": "best"}))
    ects = document(granting("ects", {"native": 2}, kind="exam"), id_="ects")
    ects["ruleset"]["unit"] = {"code": "ECTS", "step": "0.5"}
    await bank.publish(ects)
    (learner,) = await bank.open("Li Wei")
    outcomes = await bank.submit(
        submission(learner, "E1", code="A", credits="3", category="01"),
        submission(learner, "E2", code="A", credits="5", completed="2023-06-10"),
        submission(learner, "E3", kind="exam", code="B", credits="1.5"),
        submission(learner, "E4", kind="volunteering"),
        submission(learner, "E5", code="C", credits="7"),
        submission(learner, "E6", code="D", credits="1"),
    )
    held = [outcome.achievement for outcome in outcomes if isinstance(outcome, Recorded)]
    await bank.revoke(held[4])
    await bank.amend(held[5], credits="2")
    return learner


async def test_totals_are_the_sum_of_the_lots(bank: Bank) -> None:
    learner = await busy(bank)
    transcript, lots = await drawn(bank, learner), await bank.lots(learner)

    for total in transcript.totals:
        mine = [lot for lot in lots if lot.terms.credit_unit == total.unit]
        assert total.positions == {account: sum(lot.positions[account] for lot in mine) for account in Account}
        assert sum(total.by_category.values()) == total.positions[Account.AVAILABLE]
    available = {total.unit: total.positions[Account.AVAILABLE] for total in transcript.totals}
    # 5 of the better A, 1.5 of B, 2 of the amended D; twice 1.5 of the exam in the other unit of credit.
    assert available == {"CR": 8500, "ECTS": 3000}


async def test_every_credit_stands_in_one_line_with_its_reason(bank: Bank) -> None:
    learner = await busy(bank)
    transcript = await drawn(bank, learner)

    shown: Counter[str] = Counter()
    for line in transcript.lines:
        for credit in line.credits:
            shown[credit.lot.terms.credit_unit] += credit.available_milli
            assert credit.decision.id == credit.lot.terms.decision_id
            assert credit.trace["unit"] == credit.lot.key.unit
    assert shown == {total.unit: total.positions[Account.AVAILABLE] for total in transcript.totals}


async def test_lines_are_in_the_order_of_completion_and_what_was_revoked_is_not_shown(bank: Bank) -> None:
    transcript = await drawn(bank, await busy(bank))

    assert [line.content["external_id"] for line in transcript.lines] == ["E2", "E1", "E3", "E4", "E6"]
    refused = [line for line in transcript.lines if not line.credits]
    assert [line.content["external_id"] for line in refused] == ["E4"]
    assert all(line.credits or line.refusals for line in transcript.lines)


async def test_the_json_form_says_the_same_totals(bank: Bank) -> None:
    learner = await busy(bank)
    async with bank.database.snapshot() as connection:
        shown = render(await draw_present(connection, bank.vault, bank.shelf, learner, bank.today(), ZONE), "en")

    assert [(total["unit"], total["total"]) for total in shown["totals"]] == [("CR", "8.5"), ("ECTS", "3")]
    assert shown["totals"][0]["by_state"]["excess"] == "3"
    assert all(line["recognised"] or line["not_recognised"][0]["reason"] for line in shown["achievements"])


async def test_the_stamp_changes_with_everything_that_a_transcript_shows(bank: Bank) -> None:
    learner = await busy(bank)

    async def stamp() -> object:
        async with bank.database.read() as connection:
            return (await stamps_of(connection, [(learner, ("cq/school",))]))[learner, ("cq/school",)]

    seen = [await stamp()]
    achievement = await bank.record(learner, "E9", code="Z")
    seen.append(await stamp())
    await bank.revoke(achievement)
    seen.append(await stamp())
    await bank.publish(document(granting("more", {"fixed": 9}, kind="course"), version=2, unique={"keep": "best"}))
    await bank.work()
    seen.append(await stamp())
    await bank.sql("update providers set revision = revision + 1 where code = 'cq/school'")
    seen.append(await stamp())
    await bank.sql("update learners set revision = revision + 1")
    seen.append(await stamp())

    assert len(set(seen)) == len(seen)


async def test_nobody_has_no_transcript(bank: Bank) -> None:
    async with bank.database.snapshot() as connection:
        with pytest.raises(LearnerNotFound):
            await draw_present(connection, bank.vault, bank.shelf, new_id(), bank.today(), ZONE)
