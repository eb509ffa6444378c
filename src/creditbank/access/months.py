"""Months of the audit log: exported as files in one hash chain, and forgotten when they are old and were exported.

A file has one event a line, and at its head the hash with which the month before ended. Each line's hash is SHA-256 of
the hash before it and the line, so that no line can be changed, left out or put in without the file's end differing;
the end stands in the file's last line and in the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.events import AuditEvent, Exported, Place, count_events, events_in_order, exports
from creditbank.access.tables import audit_events, audit_exports
from creditbank.database.schema import forget_month
from creditbank.database.statements import insert_rows

FORMAT: Final = "creditbank.audit/v2"
# Lines of the first named a client or a person by its id only; they are chained alike.
_FIRST: Final = "creditbank.audit/v1"
_FORMATS: Final = (FORMAT, _FIRST)
BEGINNING: Final = bytes(32)
"""What the first month's file goes on from."""

_EVENTS_A_READ: Final = 1000
# No transaction of the bank's lasts nearly as long.
_SETTLING: Final = timedelta(hours=6)


class ExportBroken(ValueError):
    """A file is not what was exported, or does not go on where the one before ended."""


def month_of(instant: datetime) -> str:
    """The month of an instant in UTC, by which the log is cut: ``2026-11``."""
    return f"{instant.astimezone(UTC):%Y-%m}"


def month_open_at(now: datetime) -> str:
    """The first month that is not to be exported yet: whoever stamped an event before midnight may still be at work."""
    return month_of(now - _SETTLING)


def span_of(month: str) -> tuple[datetime, datetime]:
    """The instants at which a month begins and ends. Raises ValueError."""
    begins = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    year, number = divmod(begins.year * 12 + begins.month, 12)
    return begins, begins.replace(year=year, month=number + 1)


def months_before(month: str, count: int) -> str:
    """The month so many months before."""
    begins, _ = span_of(month)
    year, number = divmod(begins.year * 12 + begins.month - 1 - count, 12)
    return f"{year:04d}-{number + 1:02d}"


def months_between(first: str, end: str) -> Iterator[str]:
    """The months from ``first`` on, before ``end``."""
    while first < end:
        yield first
        first = month_of(span_of(first)[1])


def _plain(event: AuditEvent, form: str) -> dict[str, Any]:
    if form == _FIRST:
        return {
            "id": str(event.id),
            "at": event.at.astimezone(UTC).isoformat(),
            "client": event.by.actor if event.by.kind in {"client", "person"} else None,
            "action": event.action,
            "subject": event.subject,
            "details": dict(event.details),
            "request_id": event.request_id,
        }
    return {
        "id": str(event.id),
        "at": event.at.astimezone(UTC).isoformat(),
        "kind": event.by.kind,
        "actor": event.by.actor,
        "provider": event.by.provider,
        "action": event.action,
        "subject": event.subject,
        "owner": event.about.provider,
        "learner": str(event.about.learner_id) if event.about.learner_id is not None else None,
        "details": dict(event.details),
        "request_id": event.request_id,
    }


def _next(before: bytes, line: bytes) -> bytes:
    return hashlib.sha256(before + line).digest()


async def lines_of(
    connection: AsyncConnection, month: str, previous: bytes, form: str = FORMAT
) -> AsyncIterator[tuple[bytes, bytes, int]]:
    """The lines of a month's file, each with the chain's hash after it and the events so far."""
    since, until = span_of(month)
    head = orjson.dumps({"format": form, "month": month, "previous": previous.hex()}) + b"\n"
    chain, count = _next(previous, head), 0
    yield head, chain, count
    after: Place | None = None
    while True:
        found = await events_in_order(connection, since, until, after=after, limit=_EVENTS_A_READ)
        for event in found:
            line = orjson.dumps(_plain(event, form), option=orjson.OPT_SORT_KEYS) + b"\n"
            chain, count = _next(chain, line), count + 1
            yield line, chain, count
        if len(found) < _EVENTS_A_READ:
            break
        after = found[-1].at, found[-1].id
    yield orjson.dumps({"events": count, "hash": chain.hex()}) + b"\n", chain, count


async def mark_exported(connection: AsyncConnection, done: Exported, previous: bytes, now: datetime) -> None:
    """Write down that a month was exported."""
    row = {
        "month": done.month,
        "events": done.events,
        "previous": previous,
        "hash": done.hash,
        "exported_at": now,
    }
    await insert_rows(connection, audit_exports, [row])


def check_file(lines: Iterable[bytes], previous: bytes | None = None) -> Exported:
    """What a file says, once all of it was hashed again; ``previous`` is where the one before it ended.

    Raises ExportBroken.
    """
    chain, count, month, end = b"", 0, "", None
    for number, line in enumerate(lines, 1):
        if end is not None:
            raise ExportBroken(f"line {number} comes after the end")
        try:
            plain = json.loads(line)
            if number == 1:
                if plain["format"] not in _FORMATS:
                    raise ExportBroken("it is no export of an audit log")
                month, chain = str(plain["month"]), bytes.fromhex(plain["previous"])
                if previous is not None and chain != previous:
                    raise ExportBroken(f"{month} does not go on where the month before it ended")
            elif "hash" in plain and "action" not in plain:
                end = bytes.fromhex(plain["hash"]), int(plain["events"])
                continue
            else:
                count += 1
        except ExportBroken:
            raise
        except (ValueError, KeyError, TypeError) as wrong:
            raise ExportBroken(f"line {number} is none of ours") from wrong
        chain = _next(chain, line)
    if end is None:
        raise ExportBroken("it was cut: its end is missing")
    if end != (chain, count):
        raise ExportBroken(f"{month} is not what was exported: a line was changed, left out or put in")
    return Exported(month, count, chain)


async def forget_old(connection: AsyncConnection, now: datetime, kept: int) -> list[str]:
    """Let go of the months that are older than ``kept`` whole months and were exported as they are; answers them."""
    oldest = months_before(month_of(now), kept)
    gone, previous = [], BEGINNING
    for done in await exports(connection):
        if done.month >= oldest:
            break
        since, until = span_of(done.month)
        events = await count_events(connection, since, until)
        # What was not exported is not forgotten, whatever its age.
        if events and events == done.events and await _is_as_exported(connection, done, previous):
            await forget_month(connection, audit_events.name, since, until)
            gone.append(done.month)
        previous = done.hash
    return gone


async def _is_as_exported(connection: AsyncConnection, done: Exported, previous: bytes) -> bool:
    """Whether the month's file would end as it did if it were written now, in the form of now or of then."""
    for form in _FORMATS:
        chain = previous
        async for _, after, _ in lines_of(connection, done.month, previous, form):
            chain = after
        if chain == done.hash:
            return True
    return False
