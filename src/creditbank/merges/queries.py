"""Reads of merges, and of what keeps an account from being merged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, exists, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.tables import achievements
from creditbank.awards.tables import awards
from creditbank.claims.tables import claims
from creditbank.database.statements import among, under
from creditbank.exchanges.tables import exchanges
from creditbank.learners.domain import ACTIVE, ERASED, MERGED, PENDING
from creditbank.learners.tables import learner_identities, learners
from creditbank.ledger.tables import holds, lots
from creditbank.merges.domain import OPEN, UNDER_WAY, Candidate, Merge, MergeNotFound, MergeState, MergeStep, StepKind
from creditbank.merges.tables import merge_dismissals, merge_steps, merges
from creditbank.recognition.domain import RulingState
from creditbank.recognition.tables import rulings
from creditbank.recognition.verify import Finding


async def barring(connection: AsyncConnection, learner_id: UUID) -> list[str]:
    """What an account has that no other could take over, as codes: what was built on its credits, and accounts that it
    stands for itself."""
    lots_, mine = lots.c, lots.c.learner_id == learner_id
    found: dict[str, ColumnElement[bool]] = {
        "awards": exists().where(awards.c.learner_id == learner_id),
        "applications": or_(
            exists().where(holds.c.learner_id == learner_id, holds.c.state == "open"),
            exists().where(claims.c.learner_id == learner_id, claims.c.state.in_(("lodged", "appealed"))),
        ),
        "redeemed": exists().where(mine, or_(lots_.redeemed_milli > 0, lots_.reserved_milli > 0)),
        "exchanges": exists().where(exchanges.c.learner_id == learner_id),
        "debts": exists().where(mine, lots_.owed_milli < 0),
        # Credits may stand by them alone, and would be gone with the facts.
        "rulings": exists().where(rulings.c.learner_id == learner_id, rulings.c.state == RulingState.APPROVED.value),
        "merged_accounts": exists().where(learners.c.merged_into == learner_id),
    }
    row = (await connection.execute(select(*[is_there.label(name) for name, is_there in found.items()]))).one()
    return [name for name, is_there in row._mapping.items() if is_there]


async def is_open(connection: AsyncConnection, learner_id: UUID, merged_id: UUID) -> bool:
    """Whether another merge of the one to be merged is open, or one in which the other is to be merged."""
    theirs = or_(merges.c.merged_id.in_([learner_id, merged_id]), merges.c.learner_id == merged_id)
    return bool((await connection.execute(select(exists().where(theirs, _in(OPEN))))).scalar_one())


async def is_under_way(connection: AsyncConnection, learner_id: UUID) -> bool:
    """Whether a worker moves facts of this account to another, or back."""
    theirs = or_(merges.c.learner_id == learner_id, merges.c.merged_id == learner_id)
    return bool((await connection.execute(select(exists().where(theirs, _in(UNDER_WAY))))).scalar_one())


def _in(states: frozenset[MergeState]) -> ColumnElement[bool]:
    return merges.c.state.in_(sorted(state.value for state in states))


async def are_dismissed(connection: AsyncConnection, one: UUID, other: UUID) -> bool:
    """Whether two accounts were said to be two people's, or to stay two."""
    first, second = (literal(id_, Uuid()) for id_ in sorted((one, other)))
    return bool((await connection.execute(select(_dismissed(first, second)))).scalar_one())


def _dismissed(one: ColumnElement[UUID], other: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Whether two accounts, in the order of their ids, are dismissed. Undone because two people were merged says it
    too, from the moment at which two people decided so."""
    both = or_(
        (merges.c.learner_id == one) & (merges.c.merged_id == other),
        (merges.c.learner_id == other) & (merges.c.merged_id == one),
    )
    undone = (merges.c.undo_reason == "different_people") & _in(frozenset({MergeState.UNDOING, MergeState.UNDONE}))
    return or_(
        exists().where(merge_dismissals.c.learner_id == one, merge_dismissals.c.other_id == other),
        exists().where(both, undone),
    )


async def page_of_candidates(
    connection: AsyncConnection, provider: str | None, *, after: tuple[UUID, UUID] | None, limit: int
) -> list[Candidate]:
    """Accounts, two and two, that may be one person's and are not dismissed; those beyond ``after``, in order.

    With a provider only those that it and those below it opened, both of them.
    """
    one, other = learners.alias("one"), learners.alias("other")
    statement = (
        select(one.c.id, other.c.id)
        .join_from(one, other, (one.c.likeness == other.c.likeness) & (one.c.id < other.c.id))
        .where(
            one.c.likeness != b"",
            *[each.c.state.in_((ACTIVE, PENDING)) for each in (one, other)],
            ~_dismissed(one.c.id, other.c.id),
        )
        .order_by(one.c.id, other.c.id)
        .limit(limit)
    )
    if provider is not None:
        statement = statement.where(under(one.c.provider, provider), under(other.c.provider, provider))
    if after is not None:
        first, second = after
        statement = statement.where(or_(one.c.id > first, (one.c.id == first) & (other.c.id > second)))
    return [Candidate(*ids) for ids in await connection.execute(statement)]


async def unmarked(connection: AsyncConnection, limit: int) -> list[UUID]:
    """Some of the accounts of which nobody has reckoned yet what they are like."""
    waiting = (learners.c.likeness.is_(None)) & (learners.c.state != ERASED)
    return list((await connection.execute(select(learners.c.id).where(waiting).limit(limit))).scalars())


def _merge_of(row: Any) -> Merge:
    return Merge(**{**row, "state": MergeState(row["state"])})


async def find_merge(connection: AsyncConnection, learner_id: UUID, merge_id: UUID) -> Merge:
    """A merge with its trace, found by the account that stands for both. Raises MergeNotFound."""
    statement = select(merges).where(merges.c.learner_id == learner_id, merges.c.id == merge_id)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise MergeNotFound
    return (await _with_steps(connection, [_merge_of(row)]))[0]


async def merges_of(connection: AsyncConnection, learner_id: UUID) -> list[Merge]:
    """The merges of an account, on either side, each with its trace, oldest first."""
    theirs = or_(merges.c.learner_id == learner_id, merges.c.merged_id == learner_id)
    rows = (await connection.execute(select(merges).where(theirs).order_by(merges.c.id))).mappings()
    return await _with_steps(connection, [_merge_of(row) for row in rows])


async def _with_steps(connection: AsyncConnection, found: list[Merge]) -> list[Merge]:
    if not found:
        return []
    statement = (
        select(merge_steps)
        .where(among(connection, merge_steps.c.merge_id, [merge.id for merge in found]))
        .order_by(merge_steps.c.recorded_at, merge_steps.c.id)
    )
    rows = list(await connection.execute(statement))
    return [
        replace(
            merge,
            steps=[
                MergeStep(row.achievement_id, StepKind(row.kind), row.recorded_at)
                for row in rows
                if row.merge_id == merge.id
            ],
        )
        for merge in found
    ]


async def of_nobody_else(connection: AsyncConnection, learner_id: UUID) -> set[UUID]:
    """The achievements of an account that were stated of itself: by no merged account's name, and moved by no merge."""
    moved = exists().where(
        merge_steps.c.learner_id == learner_id,
        merge_steps.c.achievement_id == achievements.c.id,
        merge_steps.c.kind == StepKind.MOVED.value,
    )
    statement = select(achievements.c.id).where(
        achievements.c.learner_id == learner_id, achievements.c.named_id.is_(None), ~moved
    )
    return set((await connection.execute(statement)).scalars())


async def verify_merges(connection: AsyncConnection) -> list[Finding]:
    """A merged account leads where two people decided, and nothing leads to it any more."""
    standing = select(merges.c.merged_id, merges.c.learner_id).where(
        merges.c.state.in_(("approved", "done", "undo_proposed"))
    )
    decided = {id_: into for id_, into in await connection.execute(standing)}
    merged = select(learners.c.id, learners.c.merged_into).where(learners.c.state == MERGED)
    leads = {id_: into for id_, into in await connection.execute(merged)}
    erased = select(learners.c.id).where(learners.c.state == ERASED, learners.c.merged_into.is_not(None))
    gone = set((await connection.execute(erased)).scalars())
    findings = [
        Finding("merge_differs", id_, "what it leads to is not what two people decided")
        for id_ in sorted(decided.keys() | leads.keys())
        if id_ not in gone and leads.get(id_) != decided.get(id_)
    ]
    ids = select(learners.c.id).where(learners.c.state == MERGED)
    strays = select(learner_identities.c.learner_id).where(learner_identities.c.learner_id.in_(ids)).distinct()
    found = sorted((await connection.execute(strays)).scalars())
    return findings + [Finding("merge_differs", id_, "merged, and still found by an identity") for id_ in found]
