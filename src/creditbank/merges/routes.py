"""Endpoints of merges."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor, BankOnly
from creditbank.access.guards import check_whole, require
from creditbank.access.policy import NOBODY_S, Denied, Owned, can, part
from creditbank.intake.routes import DeskDep
from creditbank.learners.domain import LearnerErased, LearnerNotFound
from creditbank.learners.queries import accounts_of, find
from creditbank.merges import actions, queries
from creditbank.merges.domain import Candidate, Merge, MergeWithItself
from creditbank.merges.schemas import (
    CandidateOut,
    DismissalIn,
    MergeDecisionIn,
    MergeIn,
    MergeOut,
    PairOut,
    UndoingIn,
)
from creditbank.sealing import LearnerKey
from creditbank.web.bodies import JsonBody, Read, json_answer
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import Answer, once
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented

router = APIRouter(tags=["learners"])

_new = JsonBody(MergeIn, {"merged": "01900000-0000-7000-8000-000000000001", "reason": "document_seen"})
_decision = JsonBody(MergeDecisionIn, {"decision": "approve"})
_dismissal = JsonBody(
    DismissalIn,
    {
        "learners": ["01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"],
        "reason": "different_people",
    },
)
_undoing = JsonBody(UndoingIn, {"reason": "different_people"})

Proposer = Annotated[Actor, Depends(require("learners:write", is_grave=True))]
Decider = Annotated[Actor, Depends(require("rulings:approve", is_grave=True))]


async def _hidden(connection: AsyncConnection, edge: Edge, actor: Actor, merge: Merge, at: UUID) -> UUID | None:
    """The account on the other side from ``at``, where the actor may not read it; an erased one has no owner."""
    other = merge.merged_id if at == merge.learner_id else merge.learner_id
    try:
        owned = (await find(connection, edge.vault, other))[0].owned
    except LearnerErased:
        owned = Owned(learner_id=other)
    return None if can(actor, "account.read", owned) else other


def _answer(merge: Merge, key: LearnerKey, status: int, hidden: UUID | None = None) -> Answer:
    headers = {"Location": f"/v1/learners/{merge.learner_id}/merges"} if status == 201 else {}
    shown = MergeOut.from_domain(merge, hidden).model_dump_json().encode()
    return Answer(status, shown, headers, owner=(merge.learner_id, key))


@router.post(
    "/v1/learners/{id}/merges",
    operation_id="propose_merge",
    status_code=201,
    openapi_extra=_new.documents,
    responses={201: {"model": MergeOut, "description": "proposed"}, **documented(404, 409, 410, 415)},
)
async def propose_merge(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Proposer,
    body: Annotated[Read[MergeIn], Depends(_new)],
) -> Response:
    """Propose that an account stand for another one of the same person. Somebody else at the bank approves it.

    Refused for a merged account with awards, open applications, exchanges, debts, redeemed credits or approved
    rulings, or that stands for others: where the other account has none of these, the other direction may do. Two
    that were dismissed, or undone as two people's, are merged only `despite_dismissal`.
    """
    wanted = body.value

    async def work(connection: AsyncConnection) -> Answer:
        account, key = await find(connection, edge.vault, id)
        merged, _ = await find(connection, edge.vault, wanted.merged)
        if not can(actor, "account.mend", account.owned) or not can(actor, "account.mend", merged.owned):
            raise LearnerNotFound
        merge = await actions.propose(
            connection,
            desk,
            id,
            wanted.merged,
            wanted.reason,
            actor.principal,
            is_despite_dismissal=wanted.despite_dismissal,
        )
        despite = {"despite_dismissal": "true"} if merge.is_despite_dismissal else {}
        await actions.note(connection, desk, actor.by, "merge.propose", merge, reason=merge.reason, **despite)
        return _answer(merge, key, 201)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/learners/{id}/merges",
    operation_id="list_merges",
    responses={200: {"model": Page[MergeOut], "description": "oldest first"}, **documented(404)},
)
async def list_merges(id: UUID, edge: EdgeDep, actor: Annotated[Actor, Depends(require("learners:read"))]) -> Response:
    """The merges of an account, on either side, each with what became of every achievement.

    The id of the other account is left out for whoever may not read that one.
    """
    async with edge.database.snapshot() as connection:
        learner, _ = await find(connection, edge.vault, id)
        if not can(actor, "account.read", learner.owned):
            raise LearnerNotFound
        found = [
            MergeOut.from_domain(one, await _hidden(connection, edge, actor, one, id))
            for one in await queries.merges_of(connection, id)
        ]
    return json_answer({"items": [one.model_dump(mode="json") for one in found], "next": None})


@router.post(
    "/v1/learners/{id}/merges/{merge_id}/decision",
    operation_id="decide_merge",
    openapi_extra=_decision.documents,
    responses={200: {"model": MergeOut, "description": "decided"}, **documented(404, 409, 410, 415)},
)
async def decide_merge(
    id: UUID,
    merge_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Decider,
    body: Annotated[Read[MergeDecisionIn], Depends(_decision)],
) -> Response:
    """Approve or refuse a merge, or its undoing, that somebody else proposed. Approved, the bank does it by and by.

    From then on whoever names the merged account means the other; of an undoing, each stands for itself again.
    """
    check_whole(actor, "merge.decide", Owned(learner_id=id))
    approves = body.value.decision == "approve"

    async def work(connection: AsyncConnection) -> Answer:
        _, key = await find(connection, edge.vault, id)
        merge = await actions.decide(connection, desk, id, merge_id, approves=approves, approver=actor.principal)
        verb = "merge.approve" if approves else "merge.refuse"
        await actions.note(connection, desk, actor.by, verb, merge, state=merge.state.value)
        return _answer(merge, key, 200)

    return await once(request, edge, actor.client_id, body.raw, work)


@router.post(
    "/v1/learners/{id}/merges/{merge_id}/undoing",
    operation_id="propose_undoing_merge",
    openapi_extra=_undoing.documents,
    responses={200: {"model": MergeOut, "description": "proposed"}, **documented(404, 409, 410, 415)},
)
async def propose_undoing_merge(
    id: UUID,
    merge_id: UUID,
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Proposer,
    body: Annotated[Read[UndoingIn], Depends(_undoing)],
) -> Response:
    """Propose that two merged accounts be two again. Somebody else at the bank approves it.

    What was moved, and what named the merged account since, stands there again. What became of credits that were
    redeemed meanwhile is as the rules say.
    """
    reason = body.value.reason

    async def work(connection: AsyncConnection) -> Answer:
        account, key = await find(connection, edge.vault, id)
        if not can(actor, "account.mend", account.owned):
            raise LearnerNotFound
        merge = await actions.propose_undoing(connection, desk, id, merge_id, reason, actor.principal)
        await actions.note(connection, desk, actor.by, "merge.propose_undoing", merge, reason=reason)
        return _answer(merge, key, 200, await _hidden(connection, edge, actor, merge, id))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.get(
    "/v1/duplicates",
    operation_id="list_duplicates",
    responses={200: {"model": Page[CandidateOut], "description": "a page of pairs"}, **documented()},
)
async def list_duplicates(
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("learners:write"))],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Accounts, two and two, with one birth date and one name, that nobody dismissed, and how they compare.

    Names are masked, and of the rest only whether it agrees is shown. That both were looked at is written down. An
    institution finds those of which it, or one under it, opened both.
    """
    reach = part(actor, "account.mend", NOBODY_S)
    if isinstance(reach, Denied):
        raise BankOnly
    after = converted(cursor, _pair)
    async with edge.database.snapshot() as connection:
        found = await queries.page_of_candidates(connection, reach, after=after, limit=limit + 1)
        shown = sorted({id_ for one in found[:limit] for id_ in (one.learner_id, one.other_id)})
        accounts = await accounts_of(connection, edge.vault, shown)
    request.scope["looked_at"] = shown
    return page_answer(
        request,
        found,
        limit,
        lambda one: f"{one.learner_id}:{one.other_id}",
        lambda one: CandidateOut.from_domain(accounts[one.learner_id], accounts[one.other_id]).model_dump(mode="json"),
    )


def _pair(text: str) -> tuple[UUID, UUID]:
    """The place of a pair in the list. Raises ValueError."""
    one, other = text.split(":")
    return UUID(one), UUID(other)


@router.post(
    "/v1/duplicates/dismissals",
    operation_id="dismiss_duplicate",
    openapi_extra=_dismissal.documents,
    responses={200: {"model": PairOut, "description": "dismissed"}, **documented(404, 410, 415)},
)
async def dismiss_duplicate(
    request: Request,
    edge: EdgeDep,
    desk: DeskDep,
    actor: Annotated[Actor, Depends(require("learners:write"))],
    body: Annotated[Read[DismissalIn], Depends(_dismissal)],
) -> Response:
    """Say that two accounts are to stay two: the list shows them no more; merged they are only `despite_dismissal`."""
    one = Candidate(*sorted(body.value.learners))
    if one.learner_id == one.other_id:
        raise MergeWithItself(pointer="/learners")

    async def work(connection: AsyncConnection) -> Answer:
        ids = (one.learner_id, one.other_id)
        accounts = [(await find(connection, edge.vault, id_))[0] for id_ in ids]
        if not all(can(actor, "account.mend", account.owned) for account in accounts):
            raise LearnerNotFound
        locked = await actions.dismiss(connection, desk, one, body.value.reason, actor.identity)
        details = {"learners": [str(id_) for id_ in ids], "reason": body.value.reason}
        for account in accounts:
            await record(
                connection, actor.by, "merge.dismiss", f"learner:{account.id}", details, edge.clock(), account.owned
            )
        shown = PairOut(learners=ids).model_dump_json().encode()
        return Answer(200, shown, owner=(one.learner_id, locked[one.learner_id].key))

    return await once(request, edge, actor.client_id, body.raw, work)
