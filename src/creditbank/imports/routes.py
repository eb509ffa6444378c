"""Endpoints of imports: handing a file in, following it, what was wrong in it, and mappings of columns."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import Actor, BankOnly, MissingScope
from creditbank.access.guards import require
from creditbank.access.policy import NOBODY_S, Denied, Owned, can, part
from creditbank.claims.files import EvidenceFolder
from creditbank.errors import Refusal
from creditbank.identifiers import new_id
from creditbank.imports import actions, queries
from creditbank.imports.columns import key_of
from creditbank.imports.domain import Format, Import, ImportFileGone, ImportNotFound, RowProblem, Speaker
from creditbank.imports.files import Given, Pieces
from creditbank.imports.formats import MEDIA_TYPES, WORKBOOK_BYTES_MAX
from creditbank.imports.queries import Saved, Shown
from creditbank.imports.report import XLSX, BookReport, TextReport, media_type_of
from creditbank.imports.schemas import ImportOut, MappingIn, MappingOut, RowProblemOut
from creditbank.imports.taking import take_in
from creditbank.imports.telling import told
from creditbank.imports.template import template
from creditbank.providers import queries as providers
from creditbank.providers.domain import ForeignProvider, Provider
from creditbank.sealing import SealBroken
from creditbank.web.bodies import JsonBody, Read, json_answer, malformed, to_json
from creditbank.web.edge import Edge, EdgeDep
from creditbank.web.idempotency import REPLAYED, Answer, once
from creditbank.web.limits import too_large
from creditbank.web.paging import Cursor, Limit, Page, converted, natural, page_answer, place_of
from creditbank.web.problems import EdgeRefusal, documented, language_of

router = APIRouter(tags=["imports"])

Writer = Annotated[Actor, Depends(require("achievements:write"))]
Canceller = Annotated[Actor, Depends(require("achievements:write", while_stopped=True))]
MappingName = Annotated[str, InPath(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="the mapping's name")]

_PART_BYTES: Final = 4 * 1024 * 1024
EVENTS: Final = "text/event-stream"
# A stream ends by itself sooner than a server that is told to end would wait for it.
_LOOK_EVERY_SECONDS: Final = 0.5
_LOOKS_A_STREAM: Final = 24
_AGAIN_MILLISECONDS: Final = 500

_UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}, "example": "the file's bytes"}
            for media_type in MEDIA_TYPES
        },
    }
}
_mapping = JsonBody(MappingIn, {"columns": {"学员编号": "student_number", "课程": "title", "宿舍": ""}})


def _folder_of(request: Request) -> EvidenceFolder:
    found: EvidenceFolder = request.app.state.evidence
    return found


def _books_of(request: Request) -> asyncio.Semaphore:
    """Lets one workbook at a time be read or written: each is whole in memory."""
    found: asyncio.Semaphore = request.app.state.import_books
    return found


# --- Handing a file in ------------------------------------------------------------------------------------------------


@router.post(
    "/v1/imports",
    operation_id="import_achievements",
    status_code=202,
    openapi_extra=_UPLOAD,
    responses={202: {"model": ImportOut, "description": "taken in"}, **documented(404, 409, 415)},
)
async def import_achievements(
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    dry_run: Annotated[bool, Query(description="say what would become of the rows, and record nothing")] = False,
    on_error: Annotated[
        Literal["skip", "stop"], Query(description="what a row that is refused does: it is passed over, or all stops")
    ] = "skip",
    open_accounts: Annotated[
        bool, Query(description="open an account for whom nobody knows, if the row names them; needs `learners:write`")
    ] = False,
    mapping: Annotated[
        str | None, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a mapping of columns that was saved")
    ] = None,
) -> Response:
    """Hand in a file of achievements: CSV, a workbook of Excel, or JSON, one achievement a line.

    It is worked through after the answer: the position is kept, so that a row is recorded once whatever happens. The
    same file again, or one in which rows were corrected, records only what is not there yet.
    """
    format_ = MEDIA_TYPES.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if format_ is None:
        raise EdgeRefusal(415, terms={"wanted": ", ".join(MEDIA_TYPES)})
    if not can(actor, "achievement.state", Owned(actor.provider)):
        raise ForeignProvider(provider_code="")
    if open_accounts and "learners:write" not in actor.scopes:
        raise MissingScope(scope="learners:write")
    headings = await _headings(edge, actor, mapping)
    import_id, now = new_id(), edge.clock()
    key, wrapped = edge.vault.new_key(import_id)
    uploaded, kept = Pieces(_folder_of(request), key), Pieces(_folder_of(request), key)
    try:
        digest = await _upload(request, format_, uploaded)
        async with _books_of(request) if format_ in {"xlsx", "xls"} else nullcontext():
            found = await asyncio.to_thread(take_in, format_, uploaded, kept, headings, edge.settings.import_rows_max)
        speaker = Speaker(actor.client_id, actor.provider, actor.assurance, open_accounts)
        new = Import.begun(
            import_id,
            speaker,
            format_,
            found.columns,
            found.rows,
            is_dry=dry_run,
            on_error=on_error,
            job_id=new_id(),
            now=now,
            wrapped=wrapped,
        )

        async def work(connection: AsyncConnection) -> Answer:
            await actions.add(connection, new, kept.names, now)
            details = {"rows": new.rows, "format": format_, "dry_run": dry_run}
            await record(connection, actor.by, "import.add", f"import:{import_id}", details, now, new.owned)
            body = to_json(ImportOut.from_domain(new, "waiting", 0))
            return Answer(202, body, {"Location": f"/v1/imports/{import_id}"})

        asked = orjson.dumps([digest, dry_run, on_error, open_accounts, mapping])
        answer = await once(request, edge, actor.client_id, asked, work)
    except (Refusal, EdgeRefusal):
        # Of what else ends it nobody knows whether it was taken in; the sweep removes what nothing names.
        await asyncio.to_thread(kept.remove)
        raise
    finally:
        await asyncio.to_thread(uploaded.remove)
    if REPLAYED in answer.headers:
        # It was taken in the first time.
        await asyncio.to_thread(kept.remove)
    return answer


async def _headings(edge: Edge, actor: Actor, mapping: str | None) -> dict[str, str]:
    """The columns of a saved mapping by the keys of their headings. Raises MappingNotFound."""
    if mapping is None:
        return {}
    async with edge.database.read() as connection:
        saved = await queries.mapping_of(connection, actor.provider or "", mapping)
    return {key_of(heading): name for heading, name in saved.columns.items()}


async def _upload(request: Request, format_: Format, pieces: Pieces) -> str:
    """Seal and write the body as it comes; answers what it hashes to."""
    most = WORKBOOK_BYTES_MAX if format_ in {"xlsx", "xls"} else request.app.state.edge.settings.import_bytes_max
    digest, size, left = hashlib.sha256(), 0, bytearray()
    async for sent in request.stream():
        digest.update(sent)
        size += len(sent)
        if size > most:
            raise too_large(most)
        left += sent
        if len(left) >= _PART_BYTES:
            await asyncio.to_thread(pieces.keep_upload, bytes(left))
            left.clear()
    if left:
        await asyncio.to_thread(pieces.keep_upload, bytes(left))
    if not size:
        raise malformed(b"")
    return digest.hexdigest()


# --- Following it -----------------------------------------------------------------------------------------------------


async def _find(edge: Edge, actor: Actor, import_id: UUID) -> Shown:
    """An import that the actor may know of. Raises ImportNotFound."""
    async with edge.database.read() as connection:
        found = await queries.find(connection, import_id)
    if not can(actor, "import.follow", found.one.owned):
        raise ImportNotFound
    return found


def _show(found: Shown) -> dict[str, Any]:
    return ImportOut.from_domain(found.one, found.state, found.problems).model_dump(mode="json")


@router.get(
    "/v1/imports",
    operation_id="list_imports",
    responses={200: {"model": Page[ImportOut], "description": "a page of imports, the newest first"}, **documented()},
)
async def list_imports(
    request: Request, edge: EdgeDep, actor: Writer, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The files that were handed in: a provider's own and those of all under it."""
    own = part(actor, "import.follow", NOBODY_S)
    if isinstance(own, Denied):
        raise BankOnly
    before = converted(cursor, UUID)
    async with edge.database.read() as connection:
        found = await queries.listed(connection, own, before, limit + 1)
    return page_answer(request, found, limit, lambda shown: str(shown.one.id), _show)


@router.get(
    "/v1/imports/template",
    operation_id="read_import_template",
    responses={
        200: {"description": "a workbook to fill in", "content": {XLSX: {"schema": {"type": "string"}}}},
        **documented(),
    },
)
async def read_import_template(request: Request, actor: Writer) -> Response:
    """A workbook to fill in, in the caller's language: columns with notes, drop-downs, and the bank's codes beside."""
    made = await asyncio.to_thread(template, language_of(request))
    headers = {"Content-Disposition": 'attachment; filename="template.xlsx"'}
    return Response(made, 200, headers, XLSX)


@router.get(
    "/v1/imports/{id}",
    operation_id="read_import",
    responses={200: {"model": ImportOut, "description": "the import as it stands"}, **documented(404)},
)
async def read_import(id: UUID, edge: EdgeDep, actor: Writer) -> Response:
    """How far an import is, and what became of its rows."""
    return json_answer(_show(await _find(edge, actor, id)))


@router.delete(
    "/v1/imports/{id}",
    operation_id="cancel_import",
    responses={200: {"model": ImportOut, "description": "cancelled"}, **documented(404, 409)},
)
async def cancel_import(id: UUID, request: Request, edge: EdgeDep, actor: Canceller) -> Response:
    """End an import where it stands. What it recorded stays: it is taken back by revocations, or goes on with the file
    handed in again."""
    await _find(edge, actor, id)

    async def work(connection: AsyncConnection) -> Answer:
        now = edge.clock()
        one = await actions.cancel(connection, id, now)
        await record(connection, actor.by, "import.cancel", f"import:{id}", {}, now, one.owned)
        return Answer(200, to_json(_show(await queries.find(connection, id))))

    return await once(request, edge, actor.client_id, b"", work)


def _problem_place(text: str) -> tuple[int, int]:
    row, _, number = text.partition("/")
    return natural(row), natural(number)


@router.get(
    "/v1/imports/{id}/events",
    operation_id="follow_import",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "events `progress` and at last `end`, each with the import as it stands",
            "content": {EVENTS: {"schema": {"type": "string"}}},
        },
        **documented(404),
    },
)
async def follow_import(id: UUID, edge: EdgeDep, actor: Writer) -> Response:
    """The progress of an import as server-sent events, one whenever it has moved on.

    A stream lasts some seconds and is then asked for again, as browsers do by themselves, until it has told the end.
    """
    found = await _find(edge, actor, id)
    # Proxies are told to pass on each event as it comes.
    return StreamingResponse(_progress(edge, found), 200, {"X-Accel-Buffering": "no"}, EVENTS)


async def _progress(edge: Edge, found: Shown) -> AsyncIterator[bytes]:
    told_of = None
    for _ in range(_LOOKS_A_STREAM):
        is_over = found.state not in {"waiting", "running"}
        if is_over or (found.state, found.one.counts) != told_of:
            told_of = found.state, found.one.counts
            event, body = "end" if is_over else "progress", orjson.dumps(_show(found)).decode()
            yield format_sse_event(data_str=body, event=event, id=str(found.one.counts.rows), retry=_AGAIN_MILLISECONDS)
        if is_over:
            return
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        async with edge.database.read() as connection:
            found = await queries.find(connection, found.one.id)


@router.get(
    "/v1/imports/{id}/problems",
    operation_id="list_import_problems",
    responses={200: {"model": Page[RowProblemOut], "description": "a page of problems"}, **documented(404)},
)
async def list_import_problems(
    id: UUID, request: Request, edge: EdgeDep, actor: Writer, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What is wrong in the rows, in their order, each at its cell and in the caller's language."""
    await _find(edge, actor, id)
    after = converted(cursor, _problem_place)
    async with edge.database.read() as connection:
        found = await queries.problems_of(connection, id, after, limit + 1)
    language = language_of(request)

    def show(numbered: tuple[int, RowProblem]) -> dict[str, Any]:
        problem = numbered[1]
        return RowProblemOut.from_domain(problem, told(problem, language)).model_dump(mode="json")

    return page_answer(request, found, limit, lambda numbered: f"{numbered[1].row}/{numbered[0]}", show)


@router.get(
    "/v1/imports/{id}/report",
    operation_id="read_import_report",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "the file with a column of errors",
            "content": {
                media_type: {"schema": {"type": "string"}}
                for media_type, format_ in MEDIA_TYPES.items()
                if format_ != "xls"
            },
        },
        **documented(404),
    },
)
async def read_import_report(id: UUID, request: Request, edge: EdgeDep, actor: Writer) -> Response:
    """The file as it was handed in, with a column that says what is wrong in each row: correct it, hand it in again.

    It is there while the rows are kept. That it was read is written down.
    """
    one = (await _find(edge, actor, id)).one
    if one.wrapped is None:
        raise ImportFileGone
    async with edge.database.write() as connection:
        await record(connection, actor.by, "import.report", f"import:{id}", {}, edge.clock(), one.owned)
    async with edge.database.read() as connection:
        names = await queries.pieces_of(connection, id)
    pieces = Pieces(_folder_of(request), edge.vault.unwrap(id, one.wrapped), names)
    try:
        above = [] if one.format == "ndjson" else await asyncio.to_thread(pieces.rows, names.pop(0))
    except (FileNotFoundError, ValueError, SealBroken) as lost:
        raise ImportFileGone from lost
    media_type, suffix = media_type_of(one.format, one.rows)
    headers = {"Content-Disposition": f'attachment; filename="{id}.{suffix}"'}
    rows = _rows_with_problems(edge, id, pieces, names)
    if media_type != XLSX:
        return StreamingResponse(
            _text(TextReport(one.format, above, language_of(request)), rows), 200, headers, media_type
        )
    async with _books_of(request):
        book = await asyncio.to_thread(BookReport, above, language_of(request))
        async for given, problems in rows:
            await asyncio.to_thread(book.write, given, problems)
        return Response(await asyncio.to_thread(book.end), 200, headers, media_type)


async def _rows_with_problems(
    edge: Edge, import_id: UUID, pieces: Pieces, names: Sequence[str]
) -> AsyncIterator[tuple[list[Given], list[RowProblem]]]:
    """Piece by piece; a slow reader holds no connection and a piece in memory."""
    for name in names:
        rows = await asyncio.to_thread(pieces.rows, name)
        async with edge.database.read() as connection:
            problems = await queries.problems_between(connection, import_id, rows[0][0], rows[-1][0])
        yield rows, problems


async def _text(report: TextReport, rows: AsyncIterator[tuple[list[Given], list[RowProblem]]]) -> AsyncIterator[bytes]:
    yield report.head()
    async for given, problems in rows:
        yield await asyncio.to_thread(report.write, given, problems)


# --- Mappings of columns ----------------------------------------------------------------------------------------------


async def _own_provider(connection: AsyncConnection, actor: Actor, provider_id: UUID) -> Provider:
    """A provider for whom the actor may speak. Raises ProviderNotFound."""
    provider = await providers.find(connection, provider_id)
    if not can(actor, "achievement.state", Owned(provider.code)):
        raise ForeignProvider(provider_code=provider.code)
    return provider


@router.get(
    "/v1/providers/{id}/import-mappings",
    operation_id="list_import_mappings",
    responses={200: {"model": Page[MappingOut], "description": "a page of mappings"}, **documented(404)},
)
async def list_import_mappings(
    id: UUID, request: Request, edge: EdgeDep, actor: Writer, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The mappings of columns that a provider saved for its own sheets."""
    after = place_of(cursor)
    async with edge.database.read() as connection:
        provider = await _own_provider(connection, actor, id)
        found = await queries.mappings_of(connection, provider.code, after, limit + 1)
    return page_answer(request, found, limit, lambda saved: saved.name, _show_mapping)


def _show_mapping(saved: Saved) -> dict[str, Any]:
    out = MappingOut(name=saved.name, columns=dict(saved.columns), recorded_at=saved.recorded_at)
    return out.model_dump(mode="json")


@router.put(
    "/v1/providers/{id}/import-mappings/{name}",
    operation_id="save_import_mapping",
    openapi_extra=_mapping.documents,
    responses={200: {"model": MappingOut, "description": "saved"}, **documented(404, 409, 415)},
)
async def save_import_mapping(
    id: UUID,
    name: MappingName,
    request: Request,
    edge: EdgeDep,
    actor: Writer,
    body: Annotated[Read[MappingIn], Depends(_mapping)],
) -> Response:
    """Save which columns of a provider's own sheets hold what, under a name that imports give as `mapping`."""

    async def work(connection: AsyncConnection) -> Answer:
        provider, now = await _own_provider(connection, actor, id), edge.clock()
        await actions.save_mapping(connection, provider.code, name, body.value.columns, now)
        subject, details = f"provider:{id}", {"name": name}
        await record(connection, actor.by, "import_mapping.save", subject, details, now, Owned(provider.code))
        return Answer(200, to_json(_show_mapping(await queries.mapping_of(connection, provider.code, name))))

    return await once(request, edge, actor.client_id, body.raw, work)


@router.delete(
    "/v1/providers/{id}/import-mappings/{name}",
    operation_id="remove_import_mapping",
    status_code=204,
    responses={204: {"description": "removed"}, **documented(404, 409)},
)
async def remove_import_mapping(
    id: UUID, name: MappingName, request: Request, edge: EdgeDep, actor: Writer
) -> Response:
    """Remove a mapping. What was imported by it stays."""

    async def work(connection: AsyncConnection) -> Answer:
        provider, now = await _own_provider(connection, actor, id), edge.clock()
        await actions.remove_mapping(connection, provider.code, name)
        subject, details = f"provider:{id}", {"name": name}
        await record(connection, actor.by, "import_mapping.remove", subject, details, now, Owned(provider.code))
        return Answer(204, b"")

    return await once(request, edge, actor.client_id, b"", work)
