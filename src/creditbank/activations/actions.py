"""Issuing codes, and bringing in whoever has one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM, By
from creditbank.activations.domain import (
    WRONG_MAX,
    AccountActivated,
    ActivationRefused,
    GuardianMissing,
    Issued,
    NothingToAsk,
    Proof,
    can_be_asked,
    needs_guardian,
)
from creditbank.activations.queries import entered, guarded, learner_of
from creditbank.activations.tables import activation_codes
from creditbank.errors import Refusal
from creditbank.identifiers import code_of, new_code
from creditbank.learners.domain import Learner, LearnerNotFound
from creditbank.learners.queries import find, lock
from creditbank.people import actions as people
from creditbank.people.domain import NewGrant, Place
from creditbank.sealing import Vault


def _key(vault: Vault, code: str) -> bytes:
    return vault.lookup_key("activation", code)


async def issue(
    connection: AsyncConnection,
    vault: Vault,
    learner_ids: Sequence[UUID],
    may: Callable[[Learner], bool],
    by: By,
    now: datetime,
    lasting: timedelta,
    today: date,
) -> list[Issued | Refusal]:
    """A fresh code for each of the learners, or why there is none. What codes they had are dead."""
    locked = await lock(connection, vault, learner_ids)
    inside = await entered(connection, learner_ids, now)
    with_guardian = await guarded(connection, learner_ids, now)
    outcomes: list[Issued | Refusal] = []
    for learner_id in learner_ids:
        try:
            if learner_id not in locked:
                raise LearnerNotFound
            learner, _ = await find(connection, vault, learner_id)
            if not may(learner):
                raise LearnerNotFound
            locked[learner_id].check_active()
            if learner_id in inside:
                raise AccountActivated
            if not can_be_asked(learner.profile):
                raise NothingToAsk
            if needs_guardian(learner.profile, today) and learner_id not in with_guardian:
                raise GuardianMissing
        except Refusal as refusal:
            outcomes.append(refusal)
            continue
        code, expires_at = new_code(secrets.choice), now + lasting
        await forget_codes(connection, learner_id)
        await connection.execute(
            insert(activation_codes).values(
                key=_key(vault, code_of(code) or code),
                learner_id=learner_id,
                issued_at=now,
                expires_at=expires_at,
                wrong=0,
            )
        )
        details = {"expires_at": expires_at.isoformat()}
        await record(connection, by, "activation.issue", f"learner:{learner_id}", details, now, learner.owned)
        outcomes.append(Issued(learner_id, learner.profile.number, learner.profile.name, code, expires_at))
    return outcomes


async def forget_codes(connection: AsyncConnection, learner_id: UUID) -> None:
    """Let every code of a learner be dead."""
    await connection.execute(delete(activation_codes).where(activation_codes.c.learner_id == learner_id))


async def check(connection: AsyncConnection, vault: Vault, code: str, proof: Proof, now: datetime) -> Learner | None:
    """The learner whom the code brings in, when the proof is theirs; what is wrong is counted.

    None in place of a refusal: the count must be committed before anybody is refused.
    """
    key = _key(vault, code)
    learner_id = await learner_of(connection, key, now)
    if learner_id is None:
        return None
    learner, _ = await find(connection, vault, learner_id)
    if proof.fits(learner.profile):
        return learner
    mine = activation_codes.c.key == key
    await connection.execute(update(activation_codes).where(mine).values(wrong=activation_codes.c.wrong + 1))
    await connection.execute(delete(activation_codes).where(mine, activation_codes.c.wrong >= WRONG_MAX))
    await record(connection, SYSTEM, "activation.refuse", f"learner:{learner_id}", {}, now, learner.owned)
    return None


async def redeem(
    connection: AsyncConnection,
    vault: Vault,
    code: str,
    learner: Learner,
    login: str,
    password: str,
    now: datetime,
    today: date,
) -> UUID:
    """Use the code up and make its bearer the person who signs in as the learner; answers the user.

    ``password`` is in its stored form. Raises ActivationRefused when the code was used or replaced meanwhile,
    AccountEnded, GuardianMissing, LoginTaken.
    """
    locked = await lock(connection, vault, [learner.id])
    if learner.id not in locked:
        raise ActivationRefused
    locked[learner.id].check_active()
    if needs_guardian(learner.profile, today) and not await guarded(connection, [learner.id], now):
        # The code lives on, for the day on which there is one.
        raise GuardianMissing
    live = (
        activation_codes.c.key == _key(vault, code),
        activation_codes.c.learner_id == learner.id,
        activation_codes.c.expires_at > now,
    )
    # Of two who come with one code at once the second finds it gone.
    if not (await connection.execute(delete(activation_codes).where(*live))).rowcount:
        raise ActivationRefused
    by = "activation"
    user_id = await people.enter(connection, vault, people.NewUser(login, learner.profile.name), by, now)
    await people.set_password(connection, user_id, password, by, now)
    await people.grant(connection, user_id, NewGrant("learner", Place(learner_id=learner.id)), None, by, now)
    person = By("person", str(user_id))
    await record(connection, person, "activation.redeem", f"learner:{learner.id}", {}, now, learner.owned)
    return user_id
