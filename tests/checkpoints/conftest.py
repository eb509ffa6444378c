"""A bank with a signing key."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest_asyncio
from pydantic import SecretStr

from creditbank.checkpoints.actions import append, sign
from creditbank.checkpoints.domain import Checkpoint
from creditbank.checkpoints.notes import Signer, keys_of, signer_of
from creditbank.checkpoints.queries import latest, prove_inclusion
from creditbank.checkpoints.receipts import Receipt, read_receipt
from creditbank.checkpoints.schemas import show_proof
from creditbank.checkpoints.verify import verify_leaves, verify_log, verify_receipts
from creditbank.recognition.verify import Depth, Finding, verify_bank
from creditbank.rulesets.shelf import Shelf
from creditbank.settings import Settings
from creditbank.web.bodies import to_json
from tests.bank import ZONE, Bank, document, opened, settings_for

SEED = b"k" * 32
ORIGIN = "bank.test/log"


def signing_settings(url: str, **others: Any) -> Settings:
    """The settings of a bank that signs."""
    key = SecretStr(base64.b64encode(SEED).decode())
    return settings_for(url, checkpoint_key=key, checkpoint_origin=ORIGIN, **others)


@dataclass
class Keeper:
    """A bank, and whoever makes its checkpoints and keeps what leaves it."""

    bank: Bank
    settings: Settings
    signer: Signer

    async def checkpoint(self, *, limit: int = 2000) -> Checkpoint:
        """Make a checkpoint, as the command and the job do."""
        after: UUID | None = None
        while True:
            async with self.bank.database.write() as connection:
                after = (await append(connection, self.bank.vault, after=after, limit=limit)).after
                if after is None:
                    return await sign(connection, self.signer, self.bank.clock())

    async def checkpoint_kept(self) -> Checkpoint:
        """The checkpoint that was made last, as whoever asked for it has it."""
        async with self.bank.database.read() as connection:
            found = await latest(connection)
        assert found is not None
        return found

    async def proof(self, learner: UUID, *, size: int | None = None, after: int = 0) -> str:
        """What the learner keeps."""
        async with self.bank.database.snapshot() as connection:
            proof = await prove_inclusion(connection, self.bank.vault, learner, size=size, after=after)
        return to_json(show_proof(proof)).decode()

    async def verify(self, *kept: str) -> list[Finding]:
        """What a proof of the bank finds, held against what was kept."""
        receipts: list[Receipt] = [read_receipt(f"kept {n}", text) for n, text in enumerate(kept)]
        depth = Depth(also=(verify_leaves,))
        bank = self.bank
        pages = [page async for page in verify_bank(bank.database, bank.vault, Shelf(ZONE), bank.today(), depth)]
        findings = [finding for page in pages for finding in page.findings]
        keys = keys_of(self.settings)
        async with bank.database.snapshot() as connection:
            findings += await verify_log(connection, keys)
            findings += await verify_receipts(connection, receipts, keys)
        return findings


@pytest_asyncio.fixture
async def keeper(database_url: str) -> AsyncIterator[Keeper]:
    """A bank that grants every course its credits, with nobody in it."""
    settings = signing_settings(database_url)
    signer = signer_of(settings)
    assert signer is not None
    async with opened(database_url) as bank:
        await bank.publish(document())
        yield Keeper(bank, settings, signer)
