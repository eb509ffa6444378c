"""Ending an account, and opening it again. What it holds stays, and stays to be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.clock import rising
from creditbank.conversions.actions import Counter, withdraw_all
from creditbank.guardianships.actions import end_with
from creditbank.learners.actions import advance
from creditbank.learners.domain import (
    ACTIVE,
    ENDED,
    MERGED,
    PENDING,
    AccountEnded,
    AccountState,
    AccountStateSame,
    Learner,
)
from creditbank.learners.queries import absence, find, lock
from creditbank.learners.tables import learners
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause
from creditbank.sealing import LearnerKey


async def change_state(
    connection: AsyncConnection, counter: Counter, learner_id: UUID, state: AccountState, actor: Actor, today: date
) -> tuple[Learner, LearnerKey]:
    """Close an account, say that its owner died, or open it again. Ending it withdraws its open applications
    and ends what its owner has as a guardian.

    Raises LearnerNotFound, LearnerErased, AccountStateSame, AccountUnconfirmed, and AccountEnded of a merged one.
    """
    locked = await lock(connection, counter.vault, [learner_id])
    if learner_id not in locked:
        raise await absence(connection, learner_id)
    learner = locked[learner_id]
    if learner.state == state:
        raise AccountStateSame(state=state)
    if learner.state == MERGED:
        # Two people merged it, and two undo that.
        raise AccountEnded(state=MERGED)
    account, key = await find(connection, counter.vault, learner_id)
    if state == ACTIVE and account.profile.is_own_word:
        # Opened again it is what it was; active it is when somebody has seen a document.
        learner.check_confirmed()
        state = PENDING
    if state in ENDED:
        await end_with(connection, learner_id, actor.by, actor.identity, counter.clock())
        held = await withdraw_all(connection, counter, learner, reason=state, client_id=actor.client_id, today=today)
        if held:
            await settle(connection, counter.shelf, locked, Cause.DATE, as_of=today, clock=counter.clock)
    learner.recorded_at = rising(counter.clock(), learner.recorded_at)
    await advance(connection, [learner])
    changed = replace(account, state=state, revision=account.revision + 1)
    await connection.execute(
        update(learners).where(learners.c.id == learner_id).values(state=state, revision=changed.revision)
    )
    return changed, key
