"""The compiled book, kept by a process for as long as the bank's rules stay what they are."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import for_share
from creditbank.providers.domain import Accreditation
from creditbank.providers.queries import all_accreditations
from creditbank.rules.compile import compile_version
from creditbank.rules.telling.names import Wording, wording_of
from creditbank.rulesets.domain import Book, Chapter, Entry
from creditbank.rulesets.queries import history, in_force, layered_of, published_documents
from creditbank.rulesets.tables import rules_epoch
from creditbank.webhooks import queries as webhooks

# Who listens rides on the question that every settling asks anyway: while nobody does, it costs nothing.
_EPOCH = select(rules_epoch.c.epoch, webhooks.EPOCH.scalar_subquery().label("listening"))


_FORMER_MAX: Final = 32
"""So many former versions are kept compiled at most."""


class Shelf:
    """Holds one book. Asking for it within a transaction also keeps the rules from changing until that ends."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._book: Book | None = None
        # Compiled versions by the hash of their document: a published document never changes, so neither does this.
        self._compiled: dict[str, Wording] = {}
        # Versions that govern nothing any more but are still named by what was decided under them.
        self._former: dict[tuple[str, int], Wording] = {}

    async def book(self, connection: AsyncConnection) -> Book:
        """The book of the present epoch; made anew when a publication or an accreditation changed it."""
        epoch, listening = (await connection.execute(for_share(connection, _EPOCH))).one()
        return await self._at(epoch, listening, connection)

    async def book_seen(self, connection: AsyncConnection) -> Book:
        """The book of the epoch that this connection sees, for whoever only looks and holds nobody up."""
        epoch, listening = (await connection.execute(_EPOCH)).one()
        return await self._at(epoch, listening, connection)

    async def wordings(
        self, connection: AsyncConnection, versions: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Wording]:
        """How these versions call things, whether they govern still or not."""
        book = await self.book_seen(connection)
        former = await self._read(connection, {version for version in versions if version not in book.wordings})
        return {**book.wordings, **former}

    async def former(self, connection: AsyncConnection, chapters: Collection[Chapter]) -> dict[UUID, Entry]:
        """The versions of these publications, compiled, whether they govern still or not, by version."""
        if not chapters:
            return {}
        found = await self._read(connection, {(one.code, one.number) for one in chapters})
        return {
            one.publication.version_id: Entry(
                one.rule_set_id, one.publication.version_id, found[one.code, one.number].compiled
            )
            for one in chapters
        }

    async def _read(
        self, connection: AsyncConnection, versions: Collection[tuple[str, int]]
    ) -> dict[tuple[str, int], Wording]:
        """Published versions, from what was compiled before as far as it is still kept."""
        # What is used goes to the end, so that what has lain longest goes first.
        found = {version: self._former.pop(version) for version in versions if version in self._former}
        self._former.update(found)
        for code, number, document, sha256 in await published_documents(connection, set(versions) - set(found)):
            if len(self._former) >= _FORMER_MAX:
                self._former.pop(next(iter(self._former)))
            self._former[code, number] = found[code, number] = await compile_stored(connection, document, sha256)
        return found

    async def _at(self, epoch: int, listening: int, connection: AsyncConnection) -> Book:
        book = self._book
        if book is None or book.epoch != epoch:
            book = await self._make(connection, epoch)
            self._book = book
        if book.listeners.epoch != listening:
            self._book = book = book.told_to(await webhooks.listeners_at(connection, listening))
        return book

    async def _make(self, connection: AsyncConnection, epoch: int) -> Book:
        entries: dict[tuple[str, int], Entry] = {}
        wordings: dict[tuple[str, int], Wording] = {}
        restricted: set[UUID] = set()
        kept: dict[str, Wording] = {}
        for one in await in_force(connection):
            wording = self._compiled.get(one.sha256) or await compile_stored(connection, one.document, one.sha256)
            key = (one.rule_set.code, one.number)
            kept[one.sha256] = wordings[key] = wording
            # The days are those of the publication: a successor may have cut short what the document left open.
            valid = one.publication.valid
            governing = replace(wording.compiled, valid_from=valid.start, valid_until=valid.until)
            entries[key] = Entry(one.rule_set.id, one.publication.version_id, governing)
            if one.rule_set.audience != "everyone":
                restricted.add(one.rule_set.id)
        self._compiled = kept
        registers: dict[str, dict[str, list[Accreditation]]] = defaultdict(lambda: defaultdict(list))
        barred: dict[str, list[Accreditation]] = defaultdict(list)
        for entry in await all_accreditations(connection):
            listed = barred if entry.is_black else registers[entry.register]
            listed[entry.provider_code].append(entry)
        return Book(
            epoch,
            entries,
            {name: dict(by_provider) for name, by_provider in registers.items()},
            [entry.compiled for entry in entries.values() if entry.rule_set_id not in restricted],
            dict(barred),
            wordings,
            frozenset(restricted),
            await history(connection),
            zone=self._zone,
        )


async def compile_stored(connection: AsyncConnection, document: str, sha256: str) -> Wording:
    """The compiled form of a stored document, with its titles and what it extends; all was checked when stored."""
    layered = await layered_of(connection, document)
    # Compiling takes long enough to be noticed by everybody else whom this process serves.
    return await asyncio.to_thread(lambda: wording_of(layered, compile_version(layered, sha256=sha256)))
