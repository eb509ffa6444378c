"""Deciding a merge and its undoing, and the steps in which facts move from one account to the other.

A decision locks both accounts and moves no fact. A worker moves them, each step one transaction on one account: what
is recorded at one, and what is withdrawn at the other, are two steps, and each finds out what is left to be done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM, By
from creditbank.achievements.actions import NewVersion, hand_over, store
from creditbank.achievements.domain import (
    COUNTED_ONCE,
    MERGE_UNDONE,
    MERGED,
    REVOKED,
    VALID,
    Achievement,
    Version,
    is_the_bank_s,
    merged_from,
)
from creditbank.achievements.queries import named, of_learners, of_pairs, owners
from creditbank.activities.actions import give_back as give_back_attendances
from creditbank.activities.queries import attended_twice, cancelled_of
from creditbank.clock import rising
from creditbank.database.statements import insert_new, insert_rows
from creditbank.identifiers import new_id
from creditbank.intake.actions import Desk
from creditbank.jobs.actions import enqueue
from creditbank.learners import queries as learners_
from creditbank.learners.domain import MERGED as MERGED_STATE
from creditbank.learners.queries import LockedLearner
from creditbank.learners.tables import learner_identities, learners
from creditbank.ledger.domain import TwoPeopleNeeded
from creditbank.merges.domain import (
    Candidate,
    Merge,
    MergeBarred,
    MergeBarredBothWays,
    MergeNotDone,
    MergeOpen,
    MergeState,
    MergeWithItself,
    NoMergeProposed,
    PairDismissed,
    StepKind,
)
from creditbank.merges.queries import are_dismissed, barring, find_merge, is_open, of_nobody_else
from creditbank.merges.tables import merge_dismissals, merge_steps, merges
from creditbank.people.actions import move_learner
from creditbank.recognition.actions import settle
from creditbank.recognition.domain import Cause

MERGE: Final = "merge"
"""The kind of job that moves facts from one account of a person to the other, and back."""

FACTS_A_STEP: Final = 50


async def propose(
    connection: AsyncConnection,
    desk: Desk,
    learner_id: UUID,
    merged_id: UUID,
    reason: str,
    author: str,
    *,
    is_despite_dismissal: bool = False,
) -> Merge:
    """Propose that ``learner_id`` stand for ``merged_id`` too; nothing changes until another approves it.

    Raises LearnerNotFound, LearnerErased, MergeWithItself, AccountEnded, AccountUnconfirmed, MergeOpen, MergeBarred,
    MergeBarredBothWays; PairDismissed of two that were said to be two, unless it ``is_despite_dismissal``.
    """
    if learner_id == merged_id:
        raise MergeWithItself
    _, merged = await _both(connection, desk, learner_id, merged_id)
    if await is_open(connection, learner_id, merged_id):
        raise MergeOpen
    if not is_despite_dismissal and await are_dismissed(connection, learner_id, merged_id):
        raise PairDismissed
    merge = Merge(
        learner_id, new_id(), merged_id, MergeState.PROPOSED, merged.state, reason, author,
        None, None, None, None, desk.clock(), None, None, None, is_despite_dismissal,
    )  # fmt: skip
    await connection.execute(insert(merges).values(_row(merge)))
    return merge


async def _both(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, merged_id: UUID
) -> tuple[LockedLearner, LockedLearner]:
    """Both accounts, locked, if the one can stand for the other."""
    locked = await _locked(connection, desk, learner_id, merged_id)
    learner, merged = locked[learner_id], locked[merged_id]
    learner.check_active()
    learner.check_confirmed()
    merged.check_active("/merged")
    if has := await barring(connection, merged_id):
        refused = MergeBarredBothWays if await barring(connection, learner_id) else MergeBarred
        raise refused(learner=merged_id, what=", ".join(has))
    return learner, merged


async def _locked(connection: AsyncConnection, desk: Desk, *learner_ids: UUID) -> dict[UUID, LockedLearner]:
    locked = await learners_.lock(connection, desk.vault, learner_ids)
    for id_ in learner_ids:
        if id_ not in locked:
            raise await learners_.absence(connection, id_)
    return locked


async def propose_undoing(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, merge_id: UUID, reason: str, author: str
) -> Merge:
    """Propose that two accounts be two again; nothing changes until another approves it.

    Raises LearnerNotFound, LearnerErased, MergeNotFound, MergeNotDone.
    """
    await _locked(connection, desk, learner_id)
    merge = await find_merge(connection, learner_id, merge_id)
    if merge.state is not MergeState.DONE:
        raise MergeNotDone(state=merge.state.value)
    proposed = replace(
        merge,
        state=MergeState.UNDO_PROPOSED,
        undo_reason=reason,
        undo_author=author,
        undo_approver=None,
        undo_recorded_at=desk.clock(),
        undo_decided_at=None,
    )
    await _write(connection, proposed)
    return proposed


async def decide(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, merge_id: UUID, *, approves: bool, approver: str
) -> Merge:
    """Approve or refuse what is proposed of a merge: that it be made, or undone. A worker does it then.

    Whoever proposed it may refuse it and not approve it. Raises LearnerNotFound, LearnerErased, MergeNotFound,
    NoMergeProposed, TwoPeopleNeeded, and what ``propose`` raises where it is no longer possible.
    """
    merge = await find_merge(connection, learner_id, merge_id)
    await _locked(connection, desk, learner_id, merge.merged_id)
    # Read again: somebody else may have decided it before the accounts were locked.
    merge = await find_merge(connection, learner_id, merge_id)
    if merge.state not in (MergeState.PROPOSED, MergeState.UNDO_PROPOSED):
        raise NoMergeProposed
    is_undoing = merge.state is MergeState.UNDO_PROPOSED
    author = merge.undo_author if is_undoing else merge.author
    if approves and approver == author:
        raise TwoPeopleNeeded
    # Whoever takes their own proposal back is no second person.
    second = None if approver == author else approver
    now = desk.clock()
    if is_undoing:
        state = MergeState.UNDOING if approves else MergeState.DONE
        merge = replace(merge, state=state, undo_approver=second, undo_decided_at=now)
    else:
        state = MergeState.APPROVED if approves else MergeState.DECLINED
        merge = replace(merge, state=state, approver=second, decided_at=now)
    if approves and is_undoing:
        await _let_stand_alone(connection, merge, now)
    elif approves:
        _, merged = await _both(connection, desk, learner_id, merge.merged_id)
        if not merge.is_despite_dismissal and await are_dismissed(connection, learner_id, merge.merged_id):
            # Somebody said so since it was proposed.
            raise PairDismissed(pointer="")
        merge = replace(merge, former_state=merged.state)
        await _let_stand_for(connection, merge, now)
    await _write(connection, merge)
    if approves:
        payload = {"learner": str(learner_id), "merge": str(merge_id)}
        await enqueue(connection, MERGE, payload, now)
    return merge


async def dismiss(
    connection: AsyncConnection, desk: Desk, one: Candidate, reason: str, author: str
) -> dict[UUID, LockedLearner]:
    """Say that two accounts are to stay two: they are proposed to nobody again. Answers both, locked.

    Said again nothing changes. Raises LearnerNotFound, LearnerErased.
    """
    locked = await _locked(connection, desk, one.learner_id, one.other_id)
    row = {
        "learner_id": one.learner_id,
        "id": new_id(),
        "other_id": one.other_id,
        "reason": reason,
        "author": author,
        "recorded_at": desk.clock(),
    }
    await insert_new(connection, merge_dismissals, [row])
    return locked


def _row(merge: Merge) -> dict[str, Any]:
    return {column.name: getattr(merge, column.name) for column in merges.columns} | {"state": merge.state.value}


async def _write(connection: AsyncConnection, merge: Merge) -> None:
    mine = (merges.c.learner_id == merge.learner_id) & (merges.c.id == merge.id)
    await connection.execute(update(merges).where(mine).values(_row(merge)))


async def _let_stand_for(connection: AsyncConnection, merge: Merge, now: datetime) -> None:
    """From here on whoever names the merged account means the other, and whoever signs in as the one is the other.

    Nothing new is recorded of the merged one.
    """
    await connection.execute(
        update(learners)
        .where(learners.c.id == merge.merged_id)
        .values(state=MERGED_STATE, merged_into=merge.learner_id, revision=learners.c.revision + 1)
    )
    await connection.execute(
        update(learner_identities)
        .where(learner_identities.c.learner_id == merge.merged_id)
        .values(learner_id=merge.learner_id, merged_id=merge.merged_id)
    )
    await move_learner(connection, merge.merged_id, merge.learner_id, _giver(merge), now)


def _giver(merge: Merge) -> str:
    """Who gives a merged account's people their role at the other one, and takes it again."""
    return f"merge:{merge.id}"


async def _let_stand_alone(connection: AsyncConnection, merge: Merge, now: datetime) -> None:
    await connection.execute(
        update(learners)
        .where(learners.c.id == merge.merged_id)
        .values(state=merge.former_state, merged_into=None, revision=learners.c.revision + 1)
    )
    theirs = learner_identities.c.merged_id == merge.merged_id
    await connection.execute(
        update(learner_identities)
        .where(learner_identities.c.learner_id == merge.learner_id, theirs)
        .values(learner_id=merge.merged_id, merged_id=None)
    )
    await move_learner(connection, merge.learner_id, merge.merged_id, _giver(merge), now, only_given_by=_giver(merge))


async def note(connection: AsyncConnection, desk: Desk, by: By, action: str, merge: Merge, **details: str) -> None:
    """Write down in the audit log, at both accounts, what was done about a merge."""
    for id_ in (merge.learner_id, merge.merged_id):
        account, _ = await learners_.find(connection, desk.vault, id_)
        told = {"merge": str(merge.id), "into": str(merge.learner_id), "merged": str(merge.merged_id), **details}
        await record(connection, by, action, f"learner:{id_}", told, desk.clock(), account.owned)


async def carry(connection: AsyncConnection, desk: Desk, merge: Merge, today: date) -> int:
    """One step of a merge: what stands at the merged account is recorded at the other, then withdrawn there.

    Answers how many achievements it moved or withdrew; 0 when nothing was left, and the merge is done.
    """
    both = await learners_.load(connection, desk.vault, [merge.learner_id, merge.merged_id])
    theirs = (await of_learners(connection, {merge.merged_id: both[merge.merged_id].key}))[merge.merged_id]
    standing = [one for one in theirs if one.current.status == VALID]
    led = await owners(connection, [one.id for one in standing])
    if here := [one for one in standing if led[one.id] == merge.merged_id][:FACTS_A_STEP]:
        learner = (await _locked(connection, desk, merge.learner_id))[merge.learner_id]
        came = merged_from(merge.merged_id)
        stated = {one.id: [replace(_last_valid(one), reason=came)] for one in here}
        # One person was at one event once, whichever of the accounts said so.
        for id_ in await attended_twice(connection, merge.learner_id, merge.merged_id, list(stated)):
            stated[id_].append(_withdrawn(stated[id_][0], COUNTED_ONCE, today))
        await _record(connection, desk, learner, stated, today, merge.merged_id)
        await _trace(connection, merge, here, StepKind.MOVED, desk)
        return len(here)
    if moved := standing[:FACTS_A_STEP]:
        merged = (await _locked(connection, desk, merge.merged_id))[merge.merged_id]
        await _withdraw(connection, desk, merged, moved, MERGED, today)
        return len(moved)
    await _write(connection, replace(merge, state=MergeState.DONE))
    await note(connection, desk, SYSTEM, "merge.done", merge)
    return 0


async def give_back(connection: AsyncConnection, desk: Desk, merge: Merge, today: date) -> int:
    """One step of undoing: what was moved, and what named the merged account since, is withdrawn at the one account,
    then stands again at the other.

    Answers how many achievements it withdrew or returned; 0 when nothing was left, and the merge is undone.
    """
    both = await learners_.load(connection, desk.vault, [merge.learner_id, merge.merged_id])
    held = (await of_learners(connection, {merge.learner_id: both[merge.learner_id].key}))[merge.learner_id]
    led = await owners(connection, [one.id for one in held])
    # Of the copies that an undoing left of somebody who was erased since no key is left.
    held = [one for one in held if led.get(one.id) == merge.learner_id]
    moved = {step.achievement_id for step in merge.steps if step.kind is StepKind.MOVED}
    others = await named(connection, merge.learner_id, merge.merged_id)
    theirs = [one for one in held if one.id in moved or one.id in others]
    if standing := [one for one in theirs if one.current.status == VALID][:FACTS_A_STEP]:
        learner = (await _locked(connection, desk, merge.learner_id))[merge.learner_id]
        await _withdraw(connection, desk, learner, standing, MERGE_UNDONE, today)
        return len(standing)
    if back := [one for one in theirs if is_the_bank_s(one.current)][:FACTS_A_STEP]:
        merged = (await _locked(connection, desk, merge.merged_id))[merge.merged_id]
        stated = {one.id: _stated_since(one, merge) for one in back}
        # Of an event that was cancelled meanwhile what was counted beside its like was not withdrawn.
        once = [one.id for one in back if one.current.reason == COUNTED_ONCE]
        for id_, why in (await cancelled_of(connection, once)).items():
            stated[id_].append(_withdrawn(stated[id_][-1], why, today))
        await _record(connection, desk, merged, stated, today)
        await give_back_attendances(connection, merge.learner_id, merge.merged_id, list(stated), desk.clock())
        await _trace(connection, merge, back, StepKind.RETURNED, desk)
        return len(back)
    # What its provider withdrew meanwhile stays withdrawn, and is shown where it belongs.
    if theirs:
        merged = (await _locked(connection, desk, merge.merged_id))[merge.merged_id]
        await _record(connection, desk, merged, {one.id: _stated_since(one, merge) for one in theirs}, today)
        ids = [one.id for one in theirs]
        await give_back_attendances(connection, merge.learner_id, merge.merged_id, ids, desk.clock())
        await _trace(connection, merge, theirs, StepKind.LAPSED, desk)
    gone = {one.id for one in theirs}
    await _count_again(connection, desk, merge.learner_id, [one for one in held if one.id not in gone], today)
    unclear = await of_nobody_else(connection, merge.learner_id)
    since = merge.decided_at
    later = [one for one in held if since is not None and one.versions[0].recorded_at > since and one.id in unclear]
    await _trace(connection, merge, later, StepKind.STAYED, desk)
    await _write(connection, replace(merge, state=MergeState.UNDONE))
    await note(connection, desk, SYSTEM, "merge.undone", merge)
    return 0


async def _count_again(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, held: Sequence[Achievement], today: date
) -> None:
    """Let what was counted beside its like hold again where its like has gone back: three accounts, at one event."""
    once: dict[UUID, dict[UUID, Achievement]] = {}
    for one in held:
        if is_the_bank_s(one.current) and one.current.reason == COUNTED_ONCE and one.current.merged_id is not None:
            once.setdefault(one.current.merged_id, {})[one.id] = one
    for merged_id, mine in once.items():
        beside = await attended_twice(connection, learner_id, merged_id, list(mine))
        beside |= (await cancelled_of(connection, list(mine))).keys()
        stated = {id_: [replace(_last_valid(one), reason=merged_from(merged_id))] for id_, one in mine.items()}
        again = {id_: said for id_, said in stated.items() if id_ not in beside}
        if again:
            learner = (await _locked(connection, desk, learner_id))[learner_id]
            await _record(connection, desk, learner, again, today, merged_id)


async def _record(
    connection: AsyncConnection,
    desk: Desk,
    at: LockedLearner,
    stated: Mapping[UUID, Sequence[Version]],
    today: date,
    merged_id: UUID | None = None,
) -> None:
    """Record at an account, under the ids that they have, what was stated of facts of the other.

    With ``merged_id`` as what is that one's.
    """
    known = await of_pairs(connection, {at.id: at.key}, [(at.id, id_) for id_ in stated])
    numbers = {one.id: one.current.number for one in known}
    versions = []
    for id_, mine in stated.items():
        for number, said in enumerate(mine, numbers.get(id_, 0) + 1):
            at.recorded_at = rising(desk.clock(), at.recorded_at)
            versions.append(
                NewVersion(
                    at,
                    id_,
                    number,
                    said.content,
                    said.client_id,
                    at.recorded_at,
                    status=said.status,
                    reason=said.reason,
                    effective=said.effective,
                    merged_id=merged_id,
                )
            )
    await store(connection, versions)
    await hand_over(connection, list(stated), at.id)
    await settle(connection, desk.shelf, {at.id: at}, Cause.MERGE, as_of=today, clock=desk.clock)


def _last_valid(fact: Achievement) -> Version:
    return next(version for version in reversed(fact.versions) if version.status == VALID)


def _stated_since(fact: Achievement, merge: Merge) -> list[Version]:
    """What the merge brought, or was stated by the merged account's name, and what its provider said of it since."""
    came = merged_from(merge.merged_id)
    start = max((place for place, version in enumerate(fact.versions) if version.reason == came), default=0)
    first, *later = fact.versions[start:]
    # What the bank withdrew on the way was never said by anybody.
    return [replace(first, reason=MERGE_UNDONE), *(one for one in later if not is_the_bank_s(one))]


def _withdrawn(version: Version, reason: str, today: date) -> Version:
    return replace(version, status=REVOKED, client_id=None, reason=reason, effective=today)


async def _withdraw(
    connection: AsyncConnection, desk: Desk, at: LockedLearner, facts: Sequence[Achievement], reason: str, today: date
) -> None:
    """Withdraw facts at an account, as nobody's statement but the bank's."""
    current = await of_pairs(connection, {at.id: at.key}, [(at.id, one.id) for one in facts])
    versions = []
    for one in current:
        if one.current.status != VALID:
            # Its provider withdrew it between the look and the lock.
            continue
        at.recorded_at = rising(desk.clock(), at.recorded_at)
        content, number = one.current.content, one.current.number + 1
        versions.append(
            NewVersion(
                at,
                one.id,
                number,
                content,
                None,
                at.recorded_at,
                status=REVOKED,
                reason=reason,
                effective=today,
                merged_id=one.current.merged_id,
            )
        )
    await store(connection, versions)
    await settle(connection, desk.shelf, {at.id: at}, Cause.MERGE, as_of=today, clock=desk.clock)


async def _trace(
    connection: AsyncConnection, merge: Merge, facts: Sequence[Achievement], kind: StepKind, desk: Desk
) -> None:
    rows = [
        {
            "learner_id": merge.learner_id,
            "id": new_id(),
            "merge_id": merge.id,
            "achievement_id": one.id,
            "kind": kind.value,
            "recorded_at": desk.clock(),
        }
        for one in facts
    ]
    await insert_rows(connection, merge_steps, rows)
