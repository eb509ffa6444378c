"""The compiled book, kept by a process for as long as the bank's rules stay what they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import for_share
from creditbank.providers.domain import Accreditation
from creditbank.providers.queries import all_accreditations
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import read_documents
from creditbank.rulesets.domain import Book, Entry
from creditbank.rulesets.queries import in_force
from creditbank.rulesets.tables import rules_epoch

_EPOCH = select(rules_epoch.c.epoch)


class Shelf:
    """Holds one book. Asking for it within a transaction also keeps the rules from changing until that ends."""

    def __init__(self) -> None:
        self._book: Book | None = None
        # Compiled versions by the hash of their document: a published document never changes, so neither does this.
        self._compiled: dict[str, CompiledVersion] = {}

    async def book(self, connection: AsyncConnection) -> Book:
        """The book of the present epoch; made anew when a publication or an accreditation changed it."""
        return await self._at((await connection.execute(for_share(connection, _EPOCH))).scalar_one(), connection)

    async def book_seen(self, connection: AsyncConnection) -> Book:
        """The book of the epoch that this connection sees, for whoever only looks and holds nobody up."""
        return await self._at((await connection.execute(_EPOCH)).scalar_one(), connection)

    async def _at(self, epoch: int, connection: AsyncConnection) -> Book:
        book = self._book
        if book is None or book.epoch != epoch:
            book = await self._make(connection, epoch)
            self._book = book
        return book

    async def _make(self, connection: AsyncConnection, epoch: int) -> Book:
        entries: dict[tuple[str, int], Entry] = {}
        kept: dict[str, CompiledVersion] = {}
        for rule_set, publication, document, sha256, number in await in_force(connection):
            compiled = self._compiled.get(sha256) or compile_document(document, sha256)
            kept[sha256] = compiled
            # The days are those of the publication: a successor may have cut short what the document left open.
            governing = replace(compiled, valid_from=publication.valid.start, valid_until=publication.valid.until)
            entries[(rule_set.code, number)] = Entry(rule_set.id, publication.version_id, governing)
        self._compiled = kept
        registers: dict[str, dict[str, list[Accreditation]]] = defaultdict(lambda: defaultdict(list))
        for entry in await all_accreditations(connection):
            registers[entry.register][entry.provider_code].append(entry)
        return Book(
            epoch,
            entries,
            {name: dict(by_provider) for name, by_provider in registers.items()},
            [entry.compiled for entry in entries.values()],
        )


def compile_document(document: str, sha256: str) -> CompiledVersion:
    """The compiled form of a stored document; it was checked when it was stored."""
    parsed = read_documents(document, format="json")
    return compile_version(parsed[0].layered, sha256=sha256)
