"""Verbs of claims, rulings and reviews. Whatever they change about credits goes through the one settle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import Actor
from creditbank.access.policy import NOBODY_S, can
from creditbank.achievements.queries import of_pairs
from creditbank.claims import queries
from creditbank.claims.domain import (
    Claim,
    ClaimDecided,
    ClaimState,
    DebtChanged,
    Evidence,
    NewEvidence,
    NewRuling,
    NothingToAppeal,
    NotTheProposer,
    NoWaiverProposed,
    Reason,
    Review,
    ReviewNotFound,
    ReviewTaken,
    RulingDecided,
    UnknownSubject,
    Waiver,
    WaiverProposed,
    WaiverReason,
    WaiverState,
)
from creditbank.claims.tables import claims, evidence_files, waivers
from creditbank.clock import rising
from creditbank.credits import Credits
from creditbank.errors import Refusal
from creditbank.identifiers import new_id
from creditbank.intake.actions import Desk, Recorded, amend, submit
from creditbank.intake.domain import Submission
from creditbank.learners.actions import advance
from creditbank.learners.domain import Reference
from creditbank.learners.queries import LockedLearner, absence, lock
from creditbank.ledger.actions import Act, waive_debt
from creditbank.ledger.domain import Account, Code, Lot, NothingOwed, TwoPeopleNeeded
from creditbank.ledger.queries import lots_of
from creditbank.recognition.actions import REVIEW_DAYS, settle
from creditbank.recognition.domain import Cause, HeldRuling, RulingState
from creditbank.recognition.queries import RULING, ruling_bytes
from creditbank.recognition.tables import reviews, rulings


async def hold_learner(connection: AsyncConnection, desk: Desk, learner_id: UUID) -> LockedLearner:
    """Lock a learner. Raises LearnerNotFound, LearnerErased."""
    locked = await lock(connection, desk.vault, [learner_id])
    if learner_id not in locked:
        raise await absence(connection, learner_id)
    return locked[learner_id]


async def _tick(connection: AsyncConnection, desk: Desk, learner: LockedLearner) -> None:
    """Give this record its place among the learner's."""
    learner.recorded_at = rising(desk.clock(), learner.recorded_at)
    await advance(connection, [learner])


# --- Rulings ----------------------------------------------------------------------------------------------------------


async def propose_ruling(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, new: NewRuling, actor: Actor
) -> HeldRuling:
    """Write down a ruling; it changes nothing until another approves it. Raises LearnerNotFound, AccountEnded,
    UnknownSubject.
    """
    learner = await hold_learner(connection, desk, learner_id)
    learner.check_unmerged("/learner")
    book = await desk.shelf.book(connection)
    if new.rule_set not in {entry.compiled.rule_set for entry in book.entries.values()}:
        raise UnknownSubject(what=new.rule_set, pointer="/rule_set")
    achievement = new.content.get("achievement")
    if achievement is not None:
        found = await of_pairs(connection, {learner_id: learner.key}, [(learner_id, UUID(achievement))])
        if not found:
            raise UnknownSubject(what=achievement, pointer="/achievement")
    await _tick(connection, desk, learner)
    ruling = HeldRuling(
        learner_id,
        new_id(),
        new.kind,
        new.rule_set,
        new.content,
        RulingState.PROPOSED,
        actor.principal_id,
        None,
        new.expires,
        learner.recorded_at,
    )
    await connection.execute(
        insert(rulings).values(
            learner_id=learner_id,
            id=ruling.id,
            kind=ruling.kind,
            rule_set=ruling.rule_set,
            content=learner.key.seal(ruling_bytes(ruling.content), RULING),
            state=ruling.state.value,
            author_id=ruling.author_id,
            approver_id=None,
            expires=ruling.expires,
            recorded_at=ruling.recorded_at,
            decided_at=None,
        )
    )
    return ruling


async def decide_ruling(
    connection: AsyncConnection,
    desk: Desk,
    learner_id: UUID,
    ruling_id: UUID,
    state: Literal[RulingState.APPROVED, RulingState.REFUSED, RulingState.WITHDRAWN],
    actor: Actor,
    today: date,
) -> HeldRuling:
    """Approve or refuse a proposed ruling as a second person, or withdraw one; the learner is settled again.

    Raises RulingNotFound, RulingDecided, TwoPeopleNeeded, AccountEnded.
    """
    learner = await hold_learner(connection, desk, learner_id)
    ruling = await queries.find_ruling(connection, learner_id, ruling_id, learner.key)
    if state is RulingState.WITHDRAWN:
        if ruling.state not in {RulingState.PROPOSED, RulingState.APPROVED}:
            raise RulingDecided(state=ruling.state.value)
        approver = ruling.approver_id
    else:
        if ruling.state is not RulingState.PROPOSED:
            raise RulingDecided(state=ruling.state.value)
        if actor.principal_id == ruling.author_id:
            raise TwoPeopleNeeded
        if state is RulingState.APPROVED:
            learner.check_unmerged()
        approver = actor.principal_id
    await _tick(connection, desk, learner)
    await connection.execute(
        update(rulings)
        .where(rulings.c.learner_id == learner_id, rulings.c.id == ruling_id)
        .values(state=state.value, approver_id=approver, decided_at=learner.recorded_at)
    )
    if RulingState.APPROVED in {state, ruling.state}:
        await settle(connection, desk.shelf, {learner_id: learner}, Cause.RULING, as_of=today, clock=desk.clock)
    return replace(ruling, state=state, approver_id=approver)


# --- Evidence ---------------------------------------------------------------------------------------------------------


async def name_evidence(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, new: NewEvidence, lost: str | None
) -> Evidence:
    """Name a file that lies in the folder already; the same content again is the same evidence. Raises LearnerNotFound,
    AccountEnded of a merged one.

    The evidence answered lies in another file when somebody else handed the content in meanwhile: theirs was whole
    before their row was. ``lost`` is the file, found not to be whole, that this one stands in for.
    """
    learner = await hold_learner(connection, desk, learner_id)
    # A claim is lodged of the account that stands for it, and evidence is looked for there.
    learner.check_unmerged()
    known = await queries.evidence_by_mark(connection, learner_id, new.mark)
    if known is not None and known.stored_as != lost:
        return known
    if known is not None:
        # What was lost from the folder is whole again.
        one = (evidence_files.c.learner_id == learner_id) & (evidence_files.c.id == known.id)
        await connection.execute(update(evidence_files).where(one).values(stored_as=new.stored_as))
        return replace(known, stored_as=new.stored_as)
    evidence = Evidence(
        learner_id, new_id(), new.media_type, new.size, new.mark, new.stored_as, recorded_at=learner.recorded_at
    )
    await connection.execute(
        insert(evidence_files).values(
            learner_id=learner_id,
            id=evidence.id,
            media_type=evidence.media_type,
            size=evidence.size,
            mark=evidence.mark,
            stored_as=evidence.stored_as,
            recorded_at=evidence.recorded_at,
        )
    )
    return evidence


# --- Claims -----------------------------------------------------------------------------------------------------------


async def lodge_claim(
    connection: AsyncConnection,
    desk: Desk,
    learner_id: UUID,
    provider: str,
    content: Mapping[str, Any],
    evidence: Sequence[UUID],
    actor: Actor,
    today: date,
) -> tuple[Claim, Recorded]:
    """Ask that what was learnt elsewhere be recognised: a fact that nobody assures yet, and work for an assessor.

    Raises LearnerNotFound, AccountEnded, EvidenceNotFound, and what recording refuses.
    """
    learner = await hold_learner(connection, desk, learner_id)
    # The fact would be recorded of the account that stands for a merged one, and the claim of this one.
    learner.check_active("/learner")
    files = [await queries.find_evidence(connection, learner_id, id_) for id_ in evidence]
    claim_id = new_id()
    stated = {
        **content,
        "external_id": f"claim-{claim_id}",
        "provider": provider,
        "assurance": "self",
        "evidence": [{"file": str(file.id), "media_type": file.media_type} for file in files],
    }
    submission = Submission(actor.client_id, provider, Reference(id=learner_id), stated, None)
    (outcome,) = await submit(connection, desk, [submission], today)
    if isinstance(outcome, Refusal):
        raise outcome
    learner = outcome.settled.learner
    await _tick(connection, desk, learner)
    claim = Claim(
        learner_id,
        claim_id,
        outcome.achievement.id,
        provider,
        ClaimState.LODGED,
        actor.principal_id,
        None,
        None,
        0,
        learner.recorded_at,
    )
    await connection.execute(
        insert(claims).values(
            learner_id=learner_id,
            id=claim_id,
            achievement_id=claim.achievement_id,
            provider=provider,
            state=claim.state.value,
            lodged_by=claim.lodged_by,
            decided_by=None,
            reason=None,
            appeals=0,
            recorded_at=claim.recorded_at,
        )
    )
    await _open_review(connection, claim, "claim", content["kind"], today)
    return claim, outcome


async def _open_review(connection: AsyncConnection, claim: Claim, kind: str, reason: str, today: date) -> None:
    await connection.execute(
        insert(reviews).values(
            learner_id=claim.learner_id,
            id=new_id(),
            kind=kind,
            subject_id=claim.id,
            rule_set=None,
            reason=reason,
            provider=claim.provider,
            owner_id=None,
            state="open",
            outcome=None,
            due_on=today + REVIEW_DAYS,
            recorded_at=claim.recorded_at,
            closed_at=None,
        )
    )


async def decide_claim(
    connection: AsyncConnection,
    desk: Desk,
    learner_id: UUID,
    claim_id: UUID,
    *,
    reason: Reason | None,
    actor: Actor,
    today: date,
) -> tuple[Claim, Recorded | None]:
    """Accept a claim (``reason`` None), so that the fact is verified and rules recognise it, or reject it.

    An appeal is decided by somebody else than who rejected. Raises ClaimNotFound, ClaimDecided, TwoPeopleNeeded.
    """
    learner = await hold_learner(connection, desk, learner_id)
    claim = await queries.find_claim(connection, learner_id, claim_id)
    if not claim.is_open:
        raise ClaimDecided(state=claim.state.value)
    if actor.principal_id in {claim.lodged_by, claim.decided_by}:
        raise TwoPeopleNeeded
    if reason is None:
        state = ClaimState.ACCEPTED
    else:
        state = ClaimState.CLOSED if claim.state is ClaimState.APPEALED else ClaimState.REJECTED
    decided = replace(claim, state=state, decided_by=actor.principal_id, reason=reason)
    await _write(connection, desk, learner, decided)
    await _close(connection, learner, claim.id, "accepted" if reason is None else reason.value)
    if reason is not None:
        return decided, None
    (achievement,) = await of_pairs(connection, {learner_id: learner.key}, [(learner_id, claim.achievement_id)])
    verified = {**achievement.current.content, "assurance": "verified"}
    # The assessor speaks for the provider that was asked; what was claimed is now a fact that it stands for.
    recorded = await amend(
        connection, desk, claim.achievement_id, verified, reason="claim accepted", actor=actor, today=today
    )
    return decided, recorded


async def appeal_claim(connection: AsyncConnection, desk: Desk, learner_id: UUID, claim_id: UUID, today: date) -> Claim:
    """Ask for another assessor. Raises ClaimNotFound, NothingToAppeal, AccountEnded."""
    learner = await hold_learner(connection, desk, learner_id)
    learner.check_unmerged()
    claim = await queries.find_claim(connection, learner_id, claim_id)
    if claim.state is not ClaimState.REJECTED:
        raise NothingToAppeal(state=claim.state.value)
    appealed = replace(claim, state=ClaimState.APPEALED, appeals=claim.appeals + 1)
    await _write(connection, desk, learner, appealed)
    await _open_review(
        connection,
        replace(appealed, recorded_at=learner.recorded_at),
        "appeal",
        claim.reason.value if claim.reason is not None else "appeal",
        today,
    )
    return appealed


async def _write(connection: AsyncConnection, desk: Desk, learner: LockedLearner, claim: Claim) -> None:
    await _tick(connection, desk, learner)
    await connection.execute(
        update(claims)
        .where(claims.c.learner_id == claim.learner_id, claims.c.id == claim.id)
        .values(
            state=claim.state.value,
            decided_by=claim.decided_by,
            reason=claim.reason.value if claim.reason is not None else None,
            appeals=claim.appeals,
        )
    )


# --- Reviews ----------------------------------------------------------------------------------------------------------


async def _close(connection: AsyncConnection, learner: LockedLearner, subject_id: UUID, outcome: str) -> None:
    about = (reviews.c.learner_id == learner.id) & (reviews.c.subject_id == subject_id) & (reviews.c.state == "open")
    values = {"state": "closed", "outcome": outcome, "closed_at": learner.recorded_at}
    await connection.execute(update(reviews).where(about).values(**values))


async def _open(connection: AsyncConnection, learner_id: UUID, review_id: UUID) -> Review:
    review = await queries.find_review(connection, learner_id, review_id)
    if review.state != "open":
        raise ReviewNotFound
    return review


async def take_review(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, review_id: UUID, actor: Actor
) -> tuple[Review, bool]:
    """Make a review one's own work; answers whether it was not so before. Raises ReviewNotFound, ReviewTaken."""
    await hold_learner(connection, desk, learner_id)
    review = await _open(connection, learner_id, review_id)
    _check_free(review, actor)
    await _own(connection, review, actor.client_id)
    return replace(review, owner_id=actor.client_id), review.owner_id is None


async def release_review(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, review_id: UUID, actor: Actor
) -> tuple[Review, UUID | None]:
    """Let others have a review; answers whose it was. Its owner does that, or the bank for one who is away.

    Raises ReviewNotFound, ReviewTaken.
    """
    await hold_learner(connection, desk, learner_id)
    review = await _open(connection, learner_id, review_id)
    if not can(actor, "review.close", NOBODY_S):
        _check_free(review, actor)
    await _own(connection, review, None)
    return replace(review, owner_id=None), review.owner_id


def _check_free(review: Review, actor: Actor) -> None:
    if review.owner_id not in {None, actor.client_id}:
        raise ReviewTaken


async def _own(connection: AsyncConnection, review: Review, owner_id: UUID | None) -> None:
    one = (reviews.c.learner_id == review.learner_id) & (reviews.c.id == review.id)
    await connection.execute(update(reviews).where(one).values(owner_id=owner_id))


async def close_review(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, review_id: UUID, outcome: str
) -> Review:
    """End a review: a debt stands, a decision is right as it is. Claims and appeals end with their decision.

    Raises LearnerNotFound, ReviewNotFound, WaiverProposed.
    """
    learner = await hold_learner(connection, desk, learner_id)
    review = await _open(connection, learner_id, review_id)
    if review.kind in {"claim", "appeal"}:
        raise ReviewNotFound
    if await _proposed(connection, review) is not None:
        raise WaiverProposed
    await _tick(connection, desk, learner)
    await _close(connection, learner, review.subject_id, outcome)
    return replace(review, state="closed", outcome=outcome)


# --- Debts waived by two people ---------------------------------------------------------------------------------------


async def _proposed(connection: AsyncConnection, review: Review) -> Waiver | None:
    """What waits for a second person about the lot of a review of a debt."""
    made = await queries.waivers_of(connection, review.learner_id, review.subject_id)
    return next((one for one in made if one.state is WaiverState.PROPOSED), None)


async def _debt(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, review_id: UUID
) -> tuple[LockedLearner, Review, Lot]:
    """The locked learner, the open review of a debt, and the lot that owes."""
    learner = await hold_learner(connection, desk, learner_id)
    review = await _open(connection, learner_id, review_id)
    if review.kind != "debt":
        raise ReviewNotFound
    (held,) = (await lots_of(connection, [learner_id])).values()
    return learner, review, next(lot for lot in held if lot.id == review.subject_id)


async def propose_waiver(
    connection: AsyncConnection, desk: Desk, learner_id: UUID, review_id: UUID, reason: WaiverReason, actor: Actor
) -> Waiver:
    """Propose that the bank bear the whole debt of a lot; it changes nothing until another approves it.

    Raises LearnerNotFound, ReviewNotFound, ReviewTaken, WaiverProposed, NothingOwed.
    """
    learner, review, lot = await _debt(connection, desk, learner_id, review_id)
    _check_free(review, actor)
    if await _proposed(connection, review) is not None:
        raise WaiverProposed
    owed = -lot.positions[Account.OWED]
    if not owed:
        raise NothingOwed(lot=lot.id)
    await _tick(connection, desk, learner)
    waiver = Waiver(
        learner_id,
        new_id(),
        review_id,
        lot.id,
        owed,
        reason,
        WaiverState.PROPOSED,
        actor.principal_id,
        None,
        learner.recorded_at,
        None,
    )
    await connection.execute(
        insert(waivers).values(
            learner_id=learner_id,
            id=waiver.id,
            review_id=review_id,
            lot_id=lot.id,
            milli=owed,
            reason=reason.value,
            state=waiver.state.value,
            author_id=waiver.author_id,
            decided_by=None,
            recorded_at=waiver.recorded_at,
            decided_at=None,
        )
    )
    return waiver


async def decide_waiver(
    connection: AsyncConnection,
    desk: Desk,
    learner_id: UUID,
    review_id: UUID,
    state: Literal[WaiverState.APPROVED, WaiverState.REFUSED, WaiverState.WITHDRAWN],
    actor: Actor,
    today: date,
) -> Waiver:
    """Waive a debt as a second person, refuse to, or take one's own proposal back. What is approved ends the review.

    Raises LearnerNotFound, ReviewNotFound, NoWaiverProposed, TwoPeopleNeeded, NotTheProposer, DebtChanged.
    """
    learner, review, lot = await _debt(connection, desk, learner_id, review_id)
    waiver = await _proposed(connection, review)
    if waiver is None:
        raise NoWaiverProposed
    if state is WaiverState.WITHDRAWN:
        if actor.principal_id != waiver.author_id:
            raise NotTheProposer
    elif actor.principal_id == waiver.author_id:
        raise TwoPeopleNeeded
    if state is WaiverState.APPROVED:
        owed = -lot.positions[Account.OWED]
        # The second person approves the amount that the first proposed and none that came of it since.
        if owed != waiver.milli:
            raise DebtChanged(proposed=str(Credits(waiver.milli)), owed=str(Credits(owed)))
        code = Code.WRITE_OFF.value.lower()
        done = Act(f"waive:{waiver.id}", code, waiver.reason.value, waiver.author_id, actor.principal_id)
        await waive_debt(connection, learner, lot, done, today=today, now=desk.clock())
        await _close(connection, learner, lot.id, "waived")
    else:
        await _tick(connection, desk, learner)
    await connection.execute(
        update(waivers)
        .where(waivers.c.learner_id == learner_id, waivers.c.id == waiver.id)
        .values(state=state.value, decided_by=actor.principal_id, decided_at=learner.recorded_at)
    )
    return replace(waiver, state=state, decided_by=actor.principal_id, decided_at=learner.recorded_at)
