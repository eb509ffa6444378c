"""What a posting undoes: a hold that ends without an award, an award that is annulled; each once, and verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from creditbank.database.schema import migrations_folder
from creditbank.identifiers import new_id
from creditbank.learners.tables import learners
from creditbank.ledger.domain import Account, Code, Posting, seal_posting
from creditbank.ledger.queries import postings_of
from creditbank.ledger.tables import hold_lines, postings
from creditbank.recognition.verify import verify_bank
from creditbank.rulesets.shelf import Shelf
from tests.api.world import World
from tests.conversions.desk import CERTIFICATE, apply_for, decide, learner_with, only, post, programme, verified
from tests.conversions.test_debts import amend, annul, awarded, revoke, waive
from tests.recognition.test_verify import take_guards_away


async def chain_of(world: World, learner: str) -> list[Posting]:
    """The learner's postings."""
    async with world.database.read() as connection:
        return await postings_of(connection, UUID(learner))


async def undone(world: World, learner: str) -> list[tuple[str, int, str, int]]:
    """Of each posting that undoes another: its code and amount, then those of what it undoes, on the same lot."""
    chain = await chain_of(world, learner)
    by_id = {one.id: one for one in chain}
    found = [(one, by_id[one.reverses]) for one in chain if one.reverses is not None]
    assert all(one.lot_id == other.lot_id and one.seq > other.seq for one, other in found)
    return [(one.code.value, one.amount_milli, other.code.value, other.amount_milli) for one, other in found]


async def reject(world: World, held: dict[str, Any]) -> None:
    """The institution says no."""
    await decide(world, held, decision="reject", reasons=["content_differs"])


async def withdraw(world: World, held: dict[str, Any]) -> None:
    """The learner thinks better of it."""
    await post(world, f"/v1/conversions/{held['id']}/withdrawal", {}, status=200)


async def lapse(world: World, held: dict[str, Any]) -> None:
    """Nobody decides."""
    world.clock.turn(days=61)
    await world.work()


@pytest.mark.parametrize(("end", "code"), [(reject, "VOID"), (withdraw, "VOID"), (lapse, "TIMEOUT")])
async def test_a_hold_that_ends_without_an_award_undoes_what_reserved_each_lot(
    world: World, end: Callable[[World, dict[str, Any]], Any], code: str
) -> None:
    await only(world, programme("certificate", "5"))
    learner, _, _ = await learner_with(world, "3", "2")

    await end(world, await apply_for(world, learner))
    await end(world, await apply_for(world, learner))

    assert sorted(await undone(world, learner)) == sorted([(code, 2000, "HOLD", 2000), (code, 3000, "HOLD", 3000)] * 2)
    originals = [one.reverses for one in await chain_of(world, learner) if one.reverses is not None]
    assert len(set(originals)) == 4
    await verified(world)


async def test_lines_of_holds_placed_before_they_kept_their_posting_are_given_it(world: World) -> None:
    await only(world, programme("certificate", "5"))
    for _ in range(2):
        learner, _, _ = await learner_with(world, "3", "2")
        await withdraw(world, await apply_for(world, learner))
        await apply_for(world, learner)
    module = ScriptDirectory(str(migrations_folder())).get_revision("0017").module
    kept = select(hold_lines.c.id, hold_lines.c.posting_id).order_by(hold_lines.c.id)

    async with world.database.write() as connection:
        before = (await connection.execute(kept)).all()
        await connection.execute(update(hold_lines).values(posting_id=new_id()))
        await connection.execute(text(module.FOUND))
        after = (await connection.execute(kept)).all()

    assert len({posting_id for _, posting_id in before}) == 8
    assert after == before


async def test_a_hold_that_breaks_undoes_what_reserved_each_lot(world: World) -> None:
    await only(world, programme("certificate", "5"))
    learner, (first, _), _ = await learner_with(world, "3", "2")
    await apply_for(world, learner)

    await revoke(world, first)

    assert sorted(await undone(world, learner)) == [("VOID", 2000, "HOLD", 2000), ("VOID", 3000, "HOLD", 3000)]
    await verified(world)


async def test_an_award_undoes_nothing_though_the_rest_of_its_hold_is_given_back(world: World) -> None:
    await only(world, programme("certificate", "5"))
    learner, _, _ = await learner_with(world, "5")
    held = await apply_for(world, learner)

    await decide(world, held, decision="approve_in_part", amounts=[{"lot": held["held"][0]["lot"], "amount": "3"}])

    assert await undone(world, learner) == []


async def test_an_annulment_undoes_what_redeemed_whatever_becomes_of_it(world: World) -> None:
    learner, achievement, conversion = await awarded(world)
    await amend(world, achievement, credits="2")
    await waive(world, learner)
    await amend(world, achievement, credits="1")

    await annul(world, conversion)

    chain = await chain_of(world, learner)
    assert [(one.target.value, one.amount_milli) for one in chain if one.code is Code.ANNUL] == [
        ("write_off", 1000),
        ("owed", 1000),
        ("available", 1000),
    ]
    assert await undone(world, learner) == [("ANNUL", 1000, "REDEEM", 3000)] * 3
    await verified(world)


async def test_what_an_evaluation_takes_back_undoes_no_single_posting(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, (achievement,), _ = await learner_with(world, "3")
    await amend(world, achievement, credits="4")

    await revoke(world, achievement)

    assert (await chain_of(world, learner))[-1].code is Code.REVERSE
    assert await undone(world, learner) == []


async def test_the_database_takes_one_reversal_of_a_posting_into_one_account(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    await reject(world, await apply_for(world, learner))
    void = (await chain_of(world, learner))[-1]
    again = replace(void, id=new_id(), seq=void.seq + 1)

    with pytest.raises(IntegrityError):
        await enter(world, again)
    await enter(world, replace(again, target=Account.EXPIRED))


async def enter(world: World, posting: Posting) -> None:
    """Write a posting past every check but the database's."""
    async with world.database.write() as connection:
        await connection.execute(insert(postings).values(**asdict(posting)))


# --- What verify finds ------------------------------------------------------------------------------------------------

Change = Callable[[Sequence[Posting], Posting, Posting], Posting]

FALSE: dict[str, Change] = {
    "a posting that is not there": lambda chain, hold, void: replace(void, reverses=new_id()),
    "nothing at all": lambda chain, hold, void: replace(void, reverses=None),
    "a posting on another lot": lambda chain, hold, void: replace(
        void, lot_id=next(one.lot_id for one in chain if one.lot_id != hold.lot_id)
    ),
    "a posting that nothing undoes": lambda chain, hold, void: replace(
        void, reverses=chain[0].id, lot_id=chain[0].lot_id
    ),
    "itself": lambda chain, hold, void: replace(void, reverses=void.id),
    "another amount": lambda chain, hold, void: replace(void, amount_milli=void.amount_milli - 1),
    "by something that undoes nothing": lambda chain, hold, void: replace(void, code=Code.REINSTATE),
    "out of another account": lambda chain, hold, void: replace(void, source=Account.EXPIRED),
}


@pytest.mark.parametrize("change", FALSE.values(), ids=FALSE)
async def test_verify_finds_a_reversal_of(world: World, change: Change) -> None:
    await only(world, programme("certificate", "5"))
    learner, _, _ = await learner_with(world, "3", "2")
    await reject(world, await apply_for(world, learner))
    await verified(world)
    chain = await chain_of(world, learner)
    void = chain[-1]
    hold = next(one for one in chain if one.id == void.reverses)

    await rewrite(world, learner, [*chain[:-1], change(chain, hold, void)])

    assert "reversal_differs" in await found(world)


@pytest.mark.parametrize("code", [Code.TIMEOUT, Code.ANNUL])
async def test_verify_finds_what_undoes_and_does_not_say_what(world: World, code: Code) -> None:
    learner, _, conversion = await awarded(world, programme("other", "2"))
    if code is Code.ANNUL:
        await annul(world, conversion)
    else:
        await world.record(learner, kind="training", credits="2")
        await lapse(world, await apply_for(world, learner, "college.other"))
    await verified(world)
    chain = await chain_of(world, learner)
    assert code in {one.code for one in chain}

    await rewrite(world, learner, [replace(one, reverses=None) if one.code is code else one for one in chain])

    assert await found(world) == {"reversal_differs"}


async def test_verify_finds_that_what_is_undone_is_another_learners(world: World) -> None:
    await only(world, programme("certificate", "5"))
    (one, _, _), (other, _, _) = await learner_with(world, "3", "2"), await learner_with(world, "3", "2")
    for learner in (one, other):
        await reject(world, await apply_for(world, learner))
    chain, (*_, foreign) = await chain_of(world, one), await chain_of(world, other)

    await rewrite(world, one, [*chain[:-1], replace(chain[-1], reverses=foreign.reverses)])

    assert await found(world) == {"reversal_differs"}


async def test_verify_finds_a_posting_that_two_acts_undo(world: World) -> None:
    learner, achievement, conversion = await awarded(world)
    await amend(world, achievement, credits="1")
    await annul(world, conversion)
    chain = await chain_of(world, learner)
    owed, rest = (one for one in chain if one.code is Code.ANNUL)

    await rewrite(world, learner, [replace(one, transaction_id=new_id()) if one is rest else one for one in chain])

    assert owed.reverses == rest.reverses
    assert await found(world) == {"reversal_differs"}


async def rewrite(world: World, learner: str, chain: Sequence[Posting]) -> None:
    """Put another chain in the place of the learner's, with every hash right: as only the owner of the database can."""
    await take_guards_away(world)  # type: ignore[arg-type] # It asks a bank for its database only.
    told: list[Posting] = []
    for posting in chain:
        told.append(seal_posting(replace(posting, previous=told[-1].hash if told else posting.previous)))
    async with world.database.write() as connection:
        await connection.execute(delete(postings).where(postings.c.learner_id == UUID(learner)))
        for posting in told:
            await connection.execute(insert(postings).values(**asdict(posting)))
        await connection.execute(update(learners).where(learners.c.id == UUID(learner)).values(head=told[-1].hash))


async def found(world: World) -> set[str]:
    """The codes of what verify finds."""
    edge = world.app.state.edge
    pages = [page async for page in verify_bank(world.database, edge.vault, Shelf(edge.settings.zone), edge.today())]
    return {finding.code for page in pages for finding in page.findings}
