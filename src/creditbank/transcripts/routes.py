"""Endpoints of transcripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from creditbank.access.domain import Actor, BankOnly
from creditbank.access.guards import require
from creditbank.access.policy import Owned, can
from creditbank.consents.domain import What
from creditbank.consents.queries import lets
from creditbank.database.gathered import GatheredRead
from creditbank.learners.domain import LearnerNotFound
from creditbank.recognition.routes import Effective, Known, moment_of
from creditbank.rulesets.shelf import Shelf
from creditbank.transcripts.formats import page, plain
from creditbank.transcripts.prints import Kind, Print, Prints, make_print
from creditbank.transcripts.queries import Drawn, Stamp, Subject, draw, draw_present, stamps_of
from creditbank.transcripts.schemas import TranscriptOut
from creditbank.web.bodies import to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.negotiation import best_of
from creditbank.web.problems import EdgeRefusal, documented, language_of
from creditbank.web.revisions import etag, is_unchanged
from creditbank.web.sentences import Language

router = APIRouter(tags=["transcripts"])

_FORMS: Final[Mapping[str, Callable[[Drawn, Language], bytes]]] = {
    "application/json": lambda drawn, language: to_json(plain.render(drawn, language)),
    "text/html": lambda drawn, language: page.render(drawn, language).encode(),
}
_MEDIA_TYPES: Final = {"application/json": "application/json", "text/html": "text/html; charset=utf-8"}


@router.get(
    "/v1/learners/{id}/transcript",
    operation_id="read_transcript",
    responses={
        200: {
            "model": TranscriptOut,
            "description": "the transcript, in the form that `Accept` asks for",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        304: {"description": "unchanged"},
        **documented(404, 406),
    },
)
async def read_transcript(
    id: UUID,
    request: Request,
    edge: EdgeDep,
    actor: Annotated[Actor, Depends(require("transcripts:read"))],
    effective: Effective = None,
    known: Known = None,
) -> Response:
    """What a learner achieved, what it is worth, and why: as JSON or as a page that prints well.

    An institution reads it with the learner's consent.

    With `known`, the instant that a transcript names, it is that transcript again, whatever was recorded since.
    """
    if not can(actor, "transcript.read", Owned(learner_id=id)):
        async with edge.database.read() as connection:
            if not await lets(connection, actor, id, What.TRANSCRIPT, edge.today()):
                raise BankOnly
    form = best_of(request.headers.get("accept"), tuple(_FORMS))
    if form is None:
        raise EdgeRefusal(406)
    language = language_of(request)
    moment = moment_of(edge, effective, known)
    if moment is not None:
        async with edge.database.snapshot() as connection:
            drawn = await draw(connection, edge.vault, request.app.state.shelf, id, moment)
        headers = {"Content-Language": language, "Vary": "Accept, Accept-Language"}
        return Response(_FORMS[form](drawn, language), 200, headers, _MEDIA_TYPES[form])
    kind = Kind(id, form, language, edge.today())
    prints: Prints = request.app.state.prints
    kept = prints.find(kind)
    if kept is not None:
        stamps: GatheredRead[Subject, Stamp | None] = request.app.state.stamps
        if await stamps.ask((id, kept.providers)) != kept.stamp:
            # Let go of now: of a learner who was erased there will be no other to take its place.
            prints.forget(id)
            kept = None
    if kept is None:
        kept = await _print(edge, request.app.state.shelf, kind)
        prints.keep(kind, kept)
    headers = {"Content-Language": language, "Vary": "Accept, Accept-Language", "ETag": etag(kept.revision)}
    if is_unchanged(request, kept.revision):
        return Response(status_code=304, headers=headers)
    return Response(kept.body, 200, headers, _MEDIA_TYPES[form])


async def _print(edge: Edge, shelf: Shelf, kind: Kind) -> Print:
    async with edge.database.snapshot() as connection:
        drawn = await draw_present(connection, edge.vault, shelf, kind.learner_id, kind.as_of, edge.settings.zone)
        subject = (kind.learner_id, tuple(drawn.providers))
        stamp = (await stamps_of(connection, [subject]))[subject]
    if stamp is None:
        raise LearnerNotFound
    return make_print(_FORMS[kind.form](drawn, kind.language), subject[1], stamp)
