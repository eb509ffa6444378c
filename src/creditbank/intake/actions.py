"""Submit: the one write path. Stores the facts and settles the learners whom they concern."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record_all
from creditbank.access.domain import Actor, By, ProviderNotActive
from creditbank.access.policy import Owned, can
from creditbank.achievements.actions import Claim, NewVersion, claim, give_up, store
from creditbank.achievements.domain import (
    REVOKED,
    VALID,
    Achievement,
    AchievementNotFound,
    AchievementRevoked,
    Content,
    ExternalIdConflict,
    IdentityOfAchievementFixed,
    NothingAmended,
    merged_from,
)
from creditbank.achievements.queries import claimed, lookup_key, named, of_pairs, owner
from creditbank.clock import Clock, rising
from creditbank.errors import Refusal
from creditbank.identifiers import lineage, new_id
from creditbank.intake.domain import State, Submission, TryAgain, state_of
from creditbank.learners import queries as learners
from creditbank.learners.actions import Opened, open_accounts
from creditbank.learners.domain import (
    ENDED,
    MERGED,
    AccountEnded,
    Application,
    Found,
    IdentityTaken,
    LearnerErased,
    NumberForm,
    UnknownLearner,
)
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.domain import Account, Lot
from creditbank.providers.domain import Provider, UnknownProvider, stopped_by
from creditbank.providers.queries import by_code
from creditbank.recognition.actions import Settled, settle
from creditbank.recognition.domain import WITHDRAWN, Cause, Decision
from creditbank.recognition.reach import Changed
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault


@dataclass(frozen=True, slots=True)
class Desk:
    """What the write path needs beside the connection; the same for every submission of a process."""

    vault: Vault
    shelf: Shelf
    clock: Clock
    number_form: NumberForm


@dataclass(frozen=True, slots=True)
class Recorded:
    """The achievement is stored, and this is what the bank makes of it now."""

    achievement: Achievement
    is_new: bool
    state: State
    lots: Sequence[Lot]
    decisions: Sequence[Decision]
    settled: Settled


Outcome = Recorded | Refusal
"""Recorded, or the reason why nothing was stored. Expected outcomes are values."""


def outcome_of(settled: Settled, achievement_id: UUID, *, is_new: bool) -> Recorded:
    """What became of one achievement of a settled learner."""
    achievement = settled.achievements[achievement_id]
    named = str(achievement_id)
    decisions = [
        d for d in settled.difference.standing_decisions if d.effect != WITHDRAWN and named in d.binding.split(",")
    ]
    lots = [
        lot
        for lot in settled.difference.standing_lots
        if named in lot.key.binding.split(",") and -lot.positions[Account.ISSUED] > 0
    ]
    return Recorded(achievement, is_new, state_of(lots, decisions), lots, decisions, settled)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A submission whose provider and learner are known."""

    index: int
    submission: Submission
    provider: Provider
    learner_id: UUID
    named_id: UUID | None
    key: bytes


async def submit(
    connection: AsyncConnection, desk: Desk, submissions: Sequence[Submission], today: date
) -> list[Outcome]:
    """Store many achievements and settle their learners in this transaction; one outcome each, in their order.

    A submission that cannot be stored is refused and harms no other. The caller commits. Locks are taken in one order
    everywhere: look-up keys sorted, then learners by id.
    """
    outcomes: dict[int, Outcome] = {}
    ready: list[_Ready] = []
    providers = await by_code(connection, sorted({code for s in submissions for code in lineage(s.provider)}))
    resolved = await _resolve_learners(connection, desk, submissions)
    for index, submission in enumerate(submissions):
        provider, found = providers.get(submission.provider), resolved[index]
        if provider is None:
            outcomes[index] = UnknownProvider()
        elif (stopped := stopped_by(provider.code, providers)) is not None:
            outcomes[index] = ProviderNotActive(provider_code=stopped)
        elif isinstance(found, Refusal):
            outcomes[index] = found
        else:
            key = lookup_key(desk.vault, provider.code, submission.content["external_id"])
            ready.append(_Ready(index, submission, provider, found.learner_id, found.named_id, key))
    # The same external id twice in one batch: the first is stored, the others meet it as they would meet an old one.
    while ready:
        first: dict[bytes, _Ready] = {}
        for one in ready:
            first.setdefault(one.key, one)
        now = list(first.values())
        outcomes.update(await _record(connection, desk, now, today))
        ready = [one for one in ready if first[one.key] is not one]
    return [outcomes[index] for index in range(len(submissions))]


async def _resolve_learners(
    connection: AsyncConnection, desk: Desk, submissions: Sequence[Submission]
) -> list[Found | Refusal]:
    """Whom each submission is about. Accounts are opened for those who are unknown and may be."""
    keys = [learners.lookup_key(desk.vault, s.learner) for s in submissions]
    found = await learners.found_by(connection, sorted({key for key in keys if key is not None}))
    wanted = {s.learner.id for s in submissions if s.learner.id is not None}
    known = await learners.meant(connection, sorted(wanted))
    gone = await learners.erased(connection, sorted(wanted - known.keys()))
    to_open: dict[bytes, Application] = {}
    openers: dict[bytes, By] = {}
    for key, submission in zip(keys, submissions, strict=True):
        if key is not None and key not in found and submission.application is not None:
            to_open.setdefault(key, submission.application)
            openers.setdefault(key, submission.by)
    refused: dict[bytes, Refusal] = {}
    things: defaultdict[By, list[tuple[str, Owned]]] = defaultdict(list)
    opened = await open_accounts(connection, desk.vault, desk.number_form, list(to_open.values()), desk.clock())
    for key, outcome in zip(to_open, opened, strict=True):
        if isinstance(outcome, Opened):
            found[key] = Found(outcome.learner.id)
            things[openers[key]].append((f"learner:{outcome.learner.id}", outcome.learner.owned))
        elif not isinstance(outcome, IdentityTaken):
            refused[key] = outcome
        else:
            # Somebody else opened it between the look and the claim: it is there now.
            found.update(await learners.found_by(connection, [key]))
    for by, mine in things.items():
        await record_all(connection, by, "learner.open", mine, desk.clock())
    resolved: list[Found | Refusal] = []
    for key, submission in zip(keys, submissions, strict=True):
        id_ = submission.learner.id
        one = found.get(key) if key is not None else known.get(id_) if id_ is not None else None
        if one is None and id_ in gone:
            resolved.append(LearnerErased(pointer="/learner"))
        else:
            resolved.append(one or (UnknownLearner() if key is None else refused.get(key, UnknownLearner())))
    return resolved


async def _record(connection: AsyncConnection, desk: Desk, ready: Sequence[_Ready], today: date) -> dict[int, Outcome]:
    """Store those that are new, compare those that are not, and settle all their learners."""
    claims = {one.key: Claim(one.key, one.learner_id, new_id()) for one in ready}
    new = await claim(connection, list(claims.values()))
    held = await claimed(connection, sorted(claims.keys() - new))
    owners = {one.key: claims[one.key].learner_id if one.key in new else held[one.key][0] for one in ready}
    locked = await learners.lock(connection, desk.vault, sorted(set(owners.values())))
    if len(locked) != len(set(owners.values())):
        # An account was erased between the look and the lock.
        raise TryAgain
    if any(locked[owners[one.key]].state == MERGED for one in ready if one.key in new):
        # It was merged between the look and the lock: the next look finds whoever stands for it.
        raise TryAgain
    named = {one.named_id: one.learner_id for one in ready if one.named_id is not None and one.key in new}
    if named:
        # Looked up again, for the accounts are held now: nobody makes two of them again before this is recorded.
        stands_for = await learners.meant(connection, sorted(named))
        if any(id_ not in stands_for or stands_for[id_].learner_id != at for id_, at in named.items()):
            raise TryAgain
    outcomes: dict[int, Outcome] = {}
    ended = [one for one in ready if one.key in new and locked[owners[one.key]].state in ENDED]
    if ended:
        for one in ended:
            outcomes[one.index] = AccountEnded(state=locked[owners[one.key]].state, pointer="/learner")
        await give_up(connection, sorted(one.key for one in ended))
        ready = [one for one in ready if one.index not in outcomes]
        new -= {one.key for one in ended}
    stored = await store(
        connection, [_first_version(desk, one, claims[one.key], locked) for one in ready if one.key in new]
    )
    changes = [Changed(Achievement(v.learner_id, v.achievement_id, [v]), is_new=True) for v in stored]
    known = await of_pairs(connection, {id_: one.key for id_, one in locked.items()}, list(held.values()))
    changes += [Changed(achievement, is_new=False) for achievement in known]
    settled = await settle(
        connection, desk.shelf, locked, Cause.ACHIEVEMENT, as_of=today, clock=desk.clock, changes=changes
    )
    for one in ready:
        learner = settled[owners[one.key]]
        if one.key in new:
            outcomes[one.index] = outcome_of(learner, claims[one.key].achievement_id, is_new=True)
        else:
            outcomes[one.index] = await _again(connection, one, outcome_of(learner, held[one.key][1], is_new=False))
    return outcomes


def _first_version(desk: Desk, one: _Ready, taken: Claim, locked: Mapping[UUID, LockedLearner]) -> NewVersion:
    learner = locked[taken.learner_id]
    learner.recorded_at = rising(desk.clock(), learner.recorded_at)
    return NewVersion(
        learner,
        taken.achievement_id,
        1,
        one.submission.content,
        one.submission.client_id,
        learner.recorded_at,
        named_id=one.named_id,
        merged_id=one.named_id,
    )


async def _again(connection: AsyncConnection, one: _Ready, recorded: Recorded) -> Outcome:
    """The same external id came before: the same content as any version is answered as before, other is a conflict."""
    mine, achievement = _plain(one.submission.content), recorded.achievement
    same = any(_plain(version.content) == mine for version in achievement.versions)
    if same and achievement.learner_id in (one.learner_id, one.named_id):
        return recorded
    if same and (achievement.is_in_transit or achievement.current.status == VALID):
        came = any(version.reason == merged_from(one.learner_id) for version in achievement.versions)
        if came or achievement.id in await named(connection, achievement.learner_id, one.learner_id):
            # The account that was named stands for itself again, and this is on its way back to it.
            return TryAgain()
    return ExternalIdConflict(external_id=one.submission.content["external_id"])


def _plain(content: Content) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


async def amend(
    connection: AsyncConnection,
    desk: Desk,
    achievement_id: UUID,
    content: Content,
    *,
    reason: str,
    actor: Actor,
    today: date,
) -> Recorded:
    """Store a further version of an achievement and settle its learner.

    Raises AchievementNotFound, AchievementRevoked, IdentityOfAchievementFixed, NothingAmended, TryAgain.
    """
    learner, achievement = await _held(connection, desk, achievement_id, actor)
    current = achievement.current.content
    content = {**content, "provider": current["provider"]}
    if content["external_id"] != current["external_id"]:
        raise IdentityOfAchievementFixed(pointer="/achievement/external_id")
    if _plain(content) == _plain(current):
        raise NothingAmended
    version = _next_version(desk, learner, achievement, actor.client_id, content, reason)
    return await _change(connection, desk, achievement, version, Cause.AMENDMENT, today)


async def revoke(
    connection: AsyncConnection,
    desk: Desk,
    achievement_id: UUID,
    *,
    reason: str,
    effective: date | None,
    actor: Actor,
    today: date,
) -> Recorded:
    """Say that an achievement does not hold (any more) and settle its learner; ``effective`` is the day, else today.

    Raises AchievementNotFound, AchievementRevoked, TryAgain.
    """
    learner, achievement = await _held(connection, desk, achievement_id, actor)
    version = _next_version(desk, learner, achievement, actor.client_id, achievement.current.content, reason)
    revoked = replace(version, status=REVOKED, effective=effective or today)
    return await _change(connection, desk, achievement, revoked, Cause.REVOCATION, today)


async def _held(
    connection: AsyncConnection, desk: Desk, achievement_id: UUID, actor: Actor
) -> tuple[LockedLearner, Achievement]:
    """The achievement with its learner locked, if the actor may change it and it still stands."""
    learner_id = await owner(connection, achievement_id)
    locked = await learners.lock(connection, desk.vault, [learner_id] if learner_id else [])
    if learner_id is None or learner_id not in locked:
        raise AchievementNotFound
    learner = locked[learner_id]
    achievement = (await of_pairs(connection, {learner_id: learner.key}, [(learner_id, achievement_id)]))[0]
    if not can(actor, "achievement.state", Owned(achievement.current.content["provider"])):
        # Whoever may not know of it is told no more than that there is none.
        raise AchievementNotFound
    current = achievement.current
    is_leaving = learner.state == MERGED and (current.status == VALID or current.client_id is None)
    if is_leaving or achievement.is_in_transit:
        # Two accounts are being merged, or a merge undone, and it is under way from one to the other.
        raise TryAgain
    if current.status == REVOKED:
        raise AchievementRevoked
    return learner, achievement


def _next_version(
    desk: Desk, learner: LockedLearner, achievement: Achievement, client_id: UUID, content: Content, reason: str
) -> NewVersion:
    learner.recorded_at = rising(desk.clock(), learner.recorded_at)
    return NewVersion(
        learner,
        achievement.id,
        achievement.current.number + 1,
        content,
        client_id,
        learner.recorded_at,
        reason=reason,
        merged_id=achievement.current.merged_id,
    )


async def _change(
    connection: AsyncConnection, desk: Desk, achievement: Achievement, version: NewVersion, cause: Cause, today: date
) -> Recorded:
    stored = await store(connection, [version])
    changed = Achievement(achievement.learner_id, achievement.id, [*achievement.versions, *stored])
    learner = version.learner
    settled = await settle(
        connection,
        desk.shelf,
        {learner.id: learner},
        cause,
        as_of=today,
        clock=desk.clock,
        changes=[Changed(changed, is_new=False)],
    )
    return outcome_of(settled[learner.id], achievement.id, is_new=True)
