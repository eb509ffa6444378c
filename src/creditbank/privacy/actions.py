"""Erasing a person: the key and all they could be found by are destroyed, and what stands for others stays.

The ledger's chain, positions and sums stay as they are. What is sealed under the key is noise from then on: names,
identities, statements and their reasons, traces, evidence, rulings, stored answers, issued transcripts. Where somebody
lived stays as the code of a division, which names nobody. Who signed in as the learner signs in no more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import SYSTEM
from creditbank.achievements.tables import achievement_keys, achievements
from creditbank.activations.tables import activation_codes
from creditbank.awards.tables import award_numbers, awards
from creditbank.claims.tables import evidence_files
from creditbank.clock import rising
from creditbank.conversions.actions import Counter, withdraw_all
from creditbank.guardianships.actions import end_with
from creditbank.identifiers import new_id
from creditbank.imports.actions import forget_everything
from creditbank.intake.domain import TryAgain
from creditbank.jobs.actions import enqueue
from creditbank.learners.actions import advance
from creditbank.learners.domain import ERASED
from creditbank.learners.queries import LockedLearner, absence, lock, meant, merged_into
from creditbank.learners.tables import learner_identities, learner_keys, learners, merged_keys
from creditbank.ledger.domain import TwoPeopleNeeded
from creditbank.merges.domain import AccountMerged
from creditbank.merges.queries import is_under_way, merges_of
from creditbank.people.actions import ERASURE, forget_learner
from creditbank.privacy.domain import (
    REPLAYED,
    Erasure,
    ErasureProposed,
    ErasureState,
    NoErasureProposed,
)
from creditbank.privacy.queries import done, find_proposed, still_there
from creditbank.privacy.roll import Entry, Roll
from creditbank.privacy.tables import erasures
from creditbank.recognition.tables import reviews
from creditbank.web.tables import idempotency_records

REMOVE_FILES = "remove_files"
"""The kind of job that removes an erased person's files of evidence. They are noise already."""

SWEPT = (
    "learner_keys",
    "merged_keys",
    "idempotency_records",
    "learner_identities",
    "activation_codes",
    "achievement_keys",
    "award_numbers",
    "evidence_files",
    "imports",
    "import_pieces",
    "user_keys",
    "user_identities",
    "users",
    "sessions",
    "failed_logins",
)
"""The tables whose rows an erasure deletes or empties."""


class ErasuresPending(Exception):
    """A backup was restored in which people stand who were erased since: `creditbank privacy replay` comes first."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """What erasing needs beside the connection."""

    counter: Counter
    roll: Roll


async def propose(
    connection: AsyncConnection, eraser: Eraser, learner_id: UUID, reason: str, author: str
) -> tuple[Erasure, LockedLearner]:
    """Ask that a person be erased; nothing changes until another approves it.

    Raises LearnerNotFound, LearnerErased, ErasureProposed, AccountMerged.
    """
    learner = await _locked(connection, eraser, learner_id)
    await _check_alone(connection, learner_id)
    if await find_proposed(connection, learner_id) is not None:
        raise ErasureProposed
    erasure = Erasure(learner_id, new_id(), reason, ErasureState.PROPOSED, author, None, eraser.counter.clock(), None)
    await connection.execute(insert(erasures).values(**_row(erasure), state=erasure.state.value))
    return erasure, learner


def _row(erasure: Erasure) -> dict[str, Any]:
    return {
        "learner_id": erasure.learner_id,
        "id": erasure.id,
        "reason": erasure.reason,
        "author": erasure.author,
        "recorded_at": erasure.recorded_at,
    }


async def _check_alone(connection: AsyncConnection, learner_id: UUID) -> None:
    """Hold an account to be one that stands for its owner. Raises AccountMerged."""
    found = (await meant(connection, [learner_id])).get(learner_id)
    if found is not None and found.learner_id != learner_id:
        raise AccountMerged(into=found.learner_id)


async def decide(
    connection: AsyncConnection,
    eraser: Eraser,
    learner_id: UUID,
    *,
    approves: bool,
    approver: str,
    client_id: UUID | None,
    today: date,
) -> Erasure:
    """Approve an erasure, and carry it out, or refuse it. Whoever proposed it may refuse it and not approve it.

    The accounts that were merged into this one are the same person's, and are erased with it. Raises LearnerNotFound,
    LearnerErased, NoErasureProposed, TwoPeopleNeeded, AccountMerged, TryAgain while a worker merges it or undoes that;
    OSError when the roll cannot be written.
    """
    merged = await merged_into(connection, learner_id)
    locked = await lock(connection, eraser.counter.vault, [learner_id, *merged])
    if learner_id not in locked:
        raise await absence(connection, learner_id)
    erasure = await find_proposed(connection, learner_id)
    if erasure is None:
        raise NoErasureProposed
    if approves and approver == erasure.author:
        raise TwoPeopleNeeded
    if approves:
        await _check_alone(connection, learner_id)
        if merged != await merged_into(connection, learner_id) or await is_under_way(connection, learner_id):
            raise TryAgain
    now = eraser.counter.clock()
    state = ErasureState.APPROVED if approves else ErasureState.REFUSED
    # Whoever takes their own proposal back is no second person.
    second = None if approver == erasure.author else approver
    await connection.execute(
        update(erasures)
        .where(erasures.c.learner_id == learner_id, erasures.c.id == erasure.id)
        .values(state=state.value, approver=second, decided_at=now)
    )
    if approves:
        for one in merged:
            values = {**_row(erasure), "learner_id": one, "id": new_id(), "state": state.value, "approver": second}
            await connection.execute(insert(erasures).values(**values, decided_at=now))
        for account in locked.values():
            await _erase(connection, eraser, account, client_id, today)
        # On the disk before the commit: what a crash undid may be erased again, what a restore undoes must be.
        await asyncio.to_thread(eraser.roll.add, [Entry(one, now) for one in locked])
    return replace(erasure, state=state, approver=second, decided_at=now)


async def _locked(connection: AsyncConnection, eraser: Eraser, learner_id: UUID) -> LockedLearner:
    locked = await lock(connection, eraser.counter.vault, [learner_id])
    if learner_id not in locked:
        raise await absence(connection, learner_id)
    return locked[learner_id]


async def _erase(
    connection: AsyncConnection, eraser: Eraser, learner: LockedLearner, client_id: UUID | None, today: date
) -> None:
    counter = eraser.counter
    # What is reserved goes back first, by postings like any other: without the key nobody could post it later.
    await withdraw_all(connection, counter, learner, reason=ERASED, client_id=client_id, today=today)
    learner.recorded_at = rising(counter.clock(), learner.recorded_at)
    await advance(connection, [learner])
    waiting = (reviews.c.learner_id == learner.id) & (reviews.c.state == "open")
    ended = {"state": "closed", "outcome": ERASED, "closed_at": learner.recorded_at}
    await connection.execute(update(reviews).where(waiting).values(**ended))
    files = await connection.execute(
        select(evidence_files.c.stored_as).where(evidence_files.c.learner_id == learner.id)
    )
    names = sorted(files.scalars())
    theirs = select(achievements.c.id).where(achievements.c.learner_id == learner.id)
    numbers = select(awards.c.number).where(awards.c.learner_id == learner.id)
    # Before the roles are taken back: who acts for a child still would not be forgotten.
    await end_with(connection, learner.id, SYSTEM, ERASURE, learner.recorded_at, is_minor_gone=True)
    await _forget_answers(connection, learner.id)
    await forget_learner(connection, counter.vault, learner.id, learner.recorded_at)
    for statement in (
        # One that a merge moved leads to the other account.
        delete(achievement_keys).where(
            achievement_keys.c.achievement_id.in_(theirs), achievement_keys.c.learner_id == learner.id
        ),
        delete(award_numbers).where(award_numbers.c.number.in_(numbers)),
        delete(evidence_files).where(evidence_files.c.learner_id == learner.id),
        delete(learner_identities).where(learner_identities.c.learner_id == learner.id),
        delete(activation_codes).where(activation_codes.c.learner_id == learner.id),
        delete(learner_keys).where(learner_keys.c.learner_id == learner.id),
        # And what another account held of this one, while it stood for it.
        delete(merged_keys).where(or_(merged_keys.c.learner_id == learner.id, merged_keys.c.merged_id == learner.id)),
        update(learners)
        .where(learners.c.id == learner.id)
        .values(profile=b"", likeness=None, state=ERASED, revision=learners.c.revision + 1),
    ):
        await connection.execute(statement)
    await forget_everything(connection, counter.clock())
    if names:
        await enqueue(connection, REMOVE_FILES, {"files": names}, counter.clock())


async def _forget_answers(connection: AsyncConnection, learner_id: UUID) -> None:
    """Remove the answers that are kept of an account while it stood for this one: they may tell of this person.

    Whoever asks the same again is answered anew.
    """
    for merge in await merges_of(connection, learner_id):
        if merge.merged_id == learner_id and merge.decided_at is not None and merge.undo_decided_at is not None:
            ended = max([merge.undo_decided_at, *(step.recorded_at for step in merge.steps)])
            kept = idempotency_records.c
            await connection.execute(
                delete(idempotency_records).where(
                    kept.learner_id == merge.learner_id, kept.created_at.between(merge.decided_at, ended)
                )
            )


async def replay(connection: AsyncConnection, eraser: Eraser, learner_id: UUID, today: date) -> None:
    """Erase again a person whom a restored backup brought back. Two people decided so when it was first done."""
    learner = await _locked(connection, eraser, learner_id)
    now = eraser.counter.clock()
    await connection.execute(
        update(erasures)
        .where(erasures.c.learner_id == learner_id, erasures.c.state == ErasureState.PROPOSED.value)
        .values(state=ErasureState.REFUSED.value, decided_at=now)
    )
    await connection.execute(
        insert(erasures).values(
            learner_id=learner_id,
            id=new_id(),
            reason="ordered",
            state=ErasureState.APPROVED.value,
            author=REPLAYED,
            approver=None,
            recorded_at=now,
            decided_at=now,
        )
    )
    await _erase(connection, eraser, learner, None, today)


async def is_roll_ahead(connection: AsyncConnection, roll: Roll) -> bool:
    """Whether somebody is there whom the roll says to be erased. Raises RollBroken, OSError."""
    return bool(await still_there(connection, sorted(await _listed(roll))))


async def _listed(roll: Roll) -> set[UUID]:
    return {entry.learner_id for entry in await asyncio.to_thread(roll.read)}


async def check_roll(connection: AsyncConnection, roll: Roll) -> None:
    """Hold the bank to its roll: whoever is on it must be gone, and whoever was erased is put on it.

    Raises ErasuresPending, RollBroken.
    """
    if await is_roll_ahead(connection, roll):
        raise ErasuresPending
    listed = await _listed(roll)
    missing = [
        Entry(one.learner_id, one.decided_at)
        for one in await done(connection)
        if one.learner_id not in listed and one.decided_at is not None
    ]
    # The roll was lost, or lies elsewhere now: what the database knows is written again.
    await asyncio.to_thread(roll.add, missing)
