"""Endpoints that read achievements; what changes them comes in by ``intake/``."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from creditbank.access.domain import Actor
from creditbank.access.guards import require
from creditbank.access.policy import Owned, can
from creditbank.achievements.domain import Achievement, AchievementNotFound, PeriodEmpty
from creditbank.achievements.queries import of_learners, owner, shown_figure, shown_of
from creditbank.achievements.schemas import AchievementOut, FiguresOut, InstitutionsOut, show_achievement, show_whole
from creditbank.consents.domain import What
from creditbank.consents.queries import lets
from creditbank.learners import queries as learners
from creditbank.learners.domain import LearnerNotFound
from creditbank.providers import queries as providers
from creditbank.providers.domain import ProviderNotFound
from creditbank.web.bodies import json_answer
from creditbank.web.edge import EdgeDep
from creditbank.web.paging import Cursor, Limit, Page, converted, page_answer
from creditbank.web.problems import documented
from creditbank.web.revisions import etag, is_unchanged

router = APIRouter(tags=["achievements"])

Reader = Annotated[Actor, Depends(require("achievements:read"))]


def _owned(achievement: Achievement, learner_id: UUID) -> Owned:
    return Owned(achievement.current.content["provider"], learner_id)


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
    request.scope["looked_at"] = [learner_id]
    achievement = next((a for a in mine if a.id == id), None)
    if achievement is None or not can(actor, "achievement.read", _owned(achievement, learner_id)):
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
        mine = await shown_of(connection, id, key)
        shows_all = can(actor, "achievement.read", Owned(learner_id=id)) or await lets(
            connection, actor, id, What.ACHIEVEMENTS, edge.today()
        )
    visible = [a for a in mine if shows_all or can(actor, "achievement.read", _owned(a, id))]
    if not visible and not shows_all and not can(actor, "account.read", learner.owned):
        raise LearnerNotFound
    shown = [a for a in visible if after is None or a.id > after]
    return page_answer(
        request,
        shown[: limit + 1],
        limit,
        lambda a: str(a.id),
        show_achievement,
    )


@router.get(
    "/v1/providers/{id}/figures",
    operation_id="read_provider_figures",
    tags=["providers"],
    responses={200: {"model": FiguresOut, "description": "the figures"}, **documented(404)},
)
async def read_provider_figures(
    id: UUID,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("providers:read"))],
    start: Annotated[date, Query(alias="from", description="the first day of the period")],
    until: Annotated[date, Query(description="the first day outside")],
) -> Response:
    """What an institution and all below it did in a period, of whoever acts for it; no figure is of few learners.

    A figure is also null where, from it and the figures of others in the same period, one of few could be computed.
    """
    if until <= start:
        raise PeriodEmpty
    async with edge.database.snapshot() as connection:
        provider = await providers.find(connection, id)
        if not can(actor, "provider.figures", Owned(provider.code)):
            raise ProviderNotFound
        institutions = await providers.counts(connection, provider.code)
        figure = await shown_figure(connection, provider.code, start, until, edge.settings.small_cell)
    return json_answer(
        FiguresOut(
            provider=provider.code,
            period_from=start,
            period_until=until,
            institutions=[InstitutionsOut(provider_type=t, status=s, count=n) for t, s, n in institutions],
            achievements=figure.achievements if figure else None,
            learners=figure.learners if figure else None,
        )
    )
