"""Endpoints that read achievements; what changes them comes in by ``intake/``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.achievements.domain import AchievementNotFound
from creditbank.achievements.queries import of_learners, owner
from creditbank.achievements.schemas import AchievementOut, show_achievement, show_whole
from creditbank.consents.domain import What
from creditbank.consents.queries import lets
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound, may_see
from creditbank.web.bodies import json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented
from creditbank.web.revisions import etag, is_unchanged

router = APIRouter(tags=["achievements"])

Reader = Annotated[Actor, Depends(require("achievements:read"))]


@router.get(
    "/v1/achievements/{id}",
    operation_id="read_achievement",
    responses={
        200: {"model": AchievementOut, "description": "the achievement with all versions"},
        304: {"description": "unchanged"},
        **documented(404),
    },
)
async def read_achievement(id: UUID, request: Request, edge: EdgeDep, actor: Reader) -> Response:
    """An achievement with every version stated of it. A provider reads its own and those under it."""
    async with edge.database.snapshot() as connection:
        learner_id = await owner(connection, id)
        if learner_id is None:
            raise AchievementNotFound
        _, key = await learners.find(connection, edge.vault, learner_id)
        mine = (await of_learners(connection, {learner_id: key}))[learner_id]
    request.scope["looked_at"] = learner_id
    achievement = next((a for a in mine if a.id == id), None)
    if achievement is None or not actor.acts_for(achievement.current.content["provider"]):
        raise AchievementNotFound
    if is_unchanged(request, achievement.current.number):
        return Response(status_code=304, headers={"ETag": etag(achievement.current.number)})
    return json_answer(show_whole(achievement), headers={"ETag": etag(achievement.current.number)})


@router.get(
    "/v1/learners/{id}/achievements",
    operation_id="list_achievements",
    responses={200: {"model": Page[AchievementOut], "description": "a page of achievements"}, **documented(404)},
)
async def list_achievements(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A learner's achievements, oldest first. A provider sees its own and those under it, all with a consent."""
    after = converted(cursor, UUID)
    async with edge.database.snapshot() as connection:
        learner, key = await learners.find(connection, edge.vault, id)
        mine = (await of_learners(connection, {id: key}))[id]
        shows_all = actor.is_bank or await lets(connection, actor, id, What.ACHIEVEMENTS, edge.today())
    visible = [a for a in mine if shows_all or actor.acts_for(a.current.content["provider"])]
    if not visible and not shows_all and not may_see(actor, learner):
        raise LearnerNotFound
    shown = [a for a in visible if after is None or a.id > after]
    return page_answer(
        request,
        shown[: limit + 1],
        limit,
        lambda a: str(a.id),
        show_achievement,
    )
