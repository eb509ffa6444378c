"""What an operator sees of the programs that may call the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from rich.table import Table
from rich.text import Text

from creditbank.access.domain import Client
from creditbank.access.queries import page_of_clients
from creditbank.database.engine import Database

_PAGE = 200
_MINUTE = "%Y-%m-%d %H:%M"


async def list_clients(database: Database, now: datetime) -> Table:
    """Each client and its keys that are not revoked: whom it acts for, how many scopes, when each was used."""
    headings = ("client", "name", "acts for", "scopes", "key", "kind", "expires", "last used")
    table = Table(*headings, box=None, pad_edge=False)
    after: UUID | None = None
    while True:
        async with database.snapshot() as connection:
            page = await page_of_clients(connection, top=None, after=after, limit=_PAGE)
        for client in page:
            for row in _rows(client, now):
                table.add_row(*row)
        if len(page) < _PAGE:
            return table
        after = page[-1].id


def _rows(client: Client, now: datetime) -> Iterator[tuple[str | Text, ...]]:
    about: tuple[str | Text, ...] = (
        str(client.id),
        Text(client.name),
        client.provider or "the bank",
        str(len(client.scopes)),
    )
    if client.suspended_at is not None:
        yield (*about, "suspended", "", f"{client.suspended_at:{_MINUTE}}", "")
        return
    keys = [key for key in client.keys if key.revoked_at is None]
    if not keys:
        yield (*about, "none", "", "", "")
    for key in keys:
        used = f"{key.last_used_at:{_MINUTE}}" if key.last_used_at else "never"
        expires = f"{key.expires_at:{_MINUTE}}" if key.expires_at else "never"
        expired = key.expires_at is not None and key.expires_at <= now
        yield (*about, key.id, "test" if key.is_test else "live", "expired" if expired else expires, used)
        about = ("", "", "", "")
