"""Idempotency-Key: the same request again is answered as it was the first time, and done once.

The record is written in the transaction of the change itself. A second request with the key waits for the first (the
claim of the key is a unique row) and then replays its answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.engine import was_locked_out
from creditbank.database.statements import among, insert_new, update_rows
from creditbank.errors import Kind, Refusal
from creditbank.sealing import LearnerKey
from creditbank.web.edge import Edge
from creditbank.web.tables import idempotency_records

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
_FORM: Final = re.compile(r"^[\x21-\x7e]{1,255}$")
_BODY: Final = b"idempotency_records.body"


@dataclass(eq=False, kw_only=True)
class KeyReused(Refusal):
    """The key came before with another request."""

    code = "idempotency_key_reused"
    kind = Kind.INVALID
    pointer: str = "header:Idempotency-Key"


@dataclass(eq=False, kw_only=True)
class KeyInFlight(Refusal):
    """The first request with this key is still being worked on."""

    code = "idempotency_key_in_flight"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class KeyMalformed(Refusal):
    """The key is not 1 to 255 visible ASCII characters."""

    code = "idempotency_key_malformed"
    kind = Kind.INVALID
    pointer: str = "header:Idempotency-Key"


@dataclass(eq=False, kw_only=True)
class AnswerErased(Refusal):
    """The answer spoke of a learner who has been erased since."""

    code = "answer_erased"
    kind = Kind.GONE


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, as bytes. ``owner`` is the learner of whom it speaks: then it is kept sealed.

    An answer that speaks of many learners has no one key to be sealed with: it gives ``kept``, which names nobody, to
    be kept in place of its body and told again from.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    owner: tuple[UUID, LearnerKey] | None = None
    kept: bytes | None = None

    def response(self, *, replayed: bool = False) -> Response:
        """The answer as it goes out."""
        headers = {**self.headers, REPLAYED: "true"} if replayed else dict(self.headers)
        return Response(self.body, self.status, headers, self.media_type)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request under a key: the stored key and the fingerprint of what was asked."""

    key: bytes
    fingerprint: bytes


def attempt_of(request: Request, edge: Edge, client_id: UUID, body: bytes) -> Attempt | None:
    """The attempt that a request makes; None without the header. Raises KeyMalformed."""
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not _FORM.match(given):
        raise KeyMalformed
    asked = [request.method, request.url.path, request.headers.get("if-match", ""), body.decode("latin-1")]
    # What a person did in one place is no answer in another.
    place: tuple[str, ...] = request.scope.get("place", ())
    return Attempt(
        edge.vault.lookup_key("idempotency", str(client_id), *place, given),
        edge.vault.lookup_key("fingerprint", *asked),
    )


def to_row(attempt: Attempt, answer: Answer, now: datetime) -> dict[str, Any]:
    """The record of an answer."""
    body, learner_id = answer.body if answer.kept is None else answer.kept, None
    if answer.owner is not None:
        learner_id, key = answer.owner
        body = key.seal(body, _BODY)
    return {
        "key": attempt.key,
        "fingerprint": attempt.fingerprint,
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": body,
        "learner_id": learner_id,
        "media_type": answer.media_type,
        "created_at": now,
    }


async def recall(connection: AsyncConnection, edge: Edge, attempts: Sequence[Attempt]) -> dict[bytes, Answer | Refusal]:
    """What was answered to those of the attempts that were made before; a refusal where the request was another."""
    if not attempts:
        return {}
    fingerprints = {attempt.key: attempt.fingerprint for attempt in attempts}
    rows = await connection.execute(
        select(idempotency_records).where(among(connection, idempotency_records.c.key, list(fingerprints)))
    )
    found: dict[bytes, Answer | Refusal] = {}
    for row in rows.all():
        key = bytes(row.key)
        if bytes(row.fingerprint) != fingerprints[key]:
            found[key] = KeyReused()
        elif row.learner_id is None:
            found[key] = Answer(row.status, bytes(row.body), row.headers, row.media_type)
        else:
            learner_key = await edge.find_key(connection, row.learner_id)
            if learner_key is None:
                found[key] = AnswerErased()
                continue
            body = learner_key.open(bytes(row.body), _BODY)
            found[key] = Answer(row.status, body, row.headers, row.media_type, (row.learner_id, learner_key))
    return found


async def claim(connection: AsyncConnection, edge: Edge, attempts: Sequence[Attempt]) -> dict[bytes, Answer | Refusal]:
    """Hold the keys until the transaction ends; answers what ``recall`` does of those that came before.

    Whoever has one of the keys is waited for. A transaction claims its keys in their order and before it locks anything
    else: who waits for a key holds nothing but keys. Raises KeyInFlight.
    """
    now = edge.clock()
    rows = [to_row(attempt, Answer(0, b""), now) for attempt in sorted(attempts, key=lambda attempt: attempt.key)]
    try:
        new = await insert_new(connection, idempotency_records, rows)
    except DBAPIError as error:
        if was_locked_out(error):
            raise KeyInFlight from error
        raise
    return await recall(connection, edge, [attempt for attempt in attempts if attempt.key not in new])


async def keep(connection: AsyncConnection, edge: Edge, given: Sequence[tuple[Attempt, Answer | Refusal]]) -> None:
    """Store what was answered beside the claims; who was refused may come again under the key."""
    now = edge.clock()
    answered = [to_row(attempt, answer, now) for attempt, answer in given if isinstance(answer, Answer)]
    await update_rows(connection, idempotency_records, answered, ("key",))
    refused = [attempt.key for attempt, answer in given if isinstance(answer, Refusal)]
    if refused:
        await connection.execute(
            delete(idempotency_records).where(among(connection, idempotency_records.c.key, refused))
        )


async def once(
    request: Request,
    edge: Edge,
    client_id: UUID,
    body: bytes,
    work: Callable[[AsyncConnection], Awaitable[Answer]],
    retell: Callable[[AsyncConnection, bytes], Awaitable[Answer]] | None = None,
) -> Response:
    """Do ``work`` in one transaction and answer what it answers; under a key that came before, answer that again.

    ``retell`` makes the answer anew from what was ``kept`` of it.

    Raises what ``work`` raises, KeyReused, KeyInFlight after some seconds of waiting, AnswerErased.
    """
    attempt = attempt_of(request, edge, client_id, body)
    if attempt is None:
        async with edge.database.write() as connection:
            answer = await work(connection)
        return answer.response()
    async with edge.database.write() as connection:
        # The claim holds everybody else with this key until the answer is stored beside it.
        known = await claim(connection, edge, [attempt])
        if not known:
            found: Answer | Refusal = await work(connection)
            await keep(connection, edge, [(attempt, found)])
        else:
            found = known[attempt.key]
            if retell is not None and isinstance(found, Answer):
                found = await retell(connection, found.body)
    if isinstance(found, Refusal):
        raise found
    return found.response(replayed=bool(known))


async def forget(connection: AsyncConnection, before: datetime) -> int:
    """Remove the records older than ``before``; answers how many."""
    done = await connection.execute(delete(idempotency_records).where(idempotency_records.c.created_at < before))
    return done.rowcount
