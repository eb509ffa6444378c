"""The one way into the ledger: post differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import insert_rows, update_rows
from creditbank.identifiers import new_id
from creditbank.ledger.domain import ACCOUNTS, Entry, Lot, LotTerms, Posting, seal_posting
from creditbank.ledger.tables import lots, postings

_TERMS = tuple(f.name for f in fields(LotTerms))


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a learner's chain stands: what the learner row keeps of it."""

    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What a settling does to one learner's ledger: lots made, lots moved or changed, and the entries that say so."""

    learner_id: UUID
    chain: Chain
    recorded_at: datetime
    made: Sequence[Lot]
    moved: Sequence[Lot]
    entries: Sequence[Entry]


async def post(connection: AsyncConnection, changes: Sequence[Change]) -> dict[UUID, Chain]:
    """Write the lots and append the postings of several learners; answer where each chain stands now.

    The learners must be locked and ``moved`` must hold each lot as it is after the entries: positions change only
    here, together with a posting.
    """
    chains: dict[UUID, Chain] = {}
    rows: list[dict[str, Any]] = []
    for change in changes:
        seq, head = change.chain.seq, change.chain.head
        for entry in change.entries:
            seq += 1
            posting = seal_posting(
                Posting(
                    change.learner_id,
                    new_id(),
                    seq,
                    entry.lot_id,
                    entry.movement.source,
                    entry.movement.target,
                    entry.movement.milli,
                    entry.movement.code,
                    entry.transaction_id,
                    entry.decision_id,
                    entry.effective,
                    change.recorded_at,
                    None,
                    head,
                    b"",
                )
            )
            head = posting.hash
            rows.append(_posting_row(posting))
        chains[change.learner_id] = Chain(seq, head)
    await insert_rows(connection, lots, [_lot_row(lot) for change in changes for lot in change.made])
    await update_rows(
        connection, lots, [_moved_row(lot) for change in changes for lot in change.moved], ("learner_id", "id")
    )
    await insert_rows(connection, postings, rows)
    return chains


def _posting_row(posting: Posting) -> dict[str, Any]:
    return {
        "learner_id": posting.learner_id,
        "id": posting.id,
        "seq": posting.seq,
        "lot_id": posting.lot_id,
        "source": posting.source.value,
        "target": posting.target.value,
        "amount_milli": posting.amount_milli,
        "code": posting.code.value,
        "transaction_id": posting.transaction_id,
        "decision_id": posting.decision_id,
        "effective": posting.effective,
        "recorded_at": posting.recorded_at,
        "reverses": posting.reverses,
        "previous": posting.previous,
        "hash": posting.hash,
    }


def _moved_row(lot: Lot) -> dict[str, Any]:
    row: dict[str, Any] = {"learner_id": lot.learner_id, "id": lot.id}
    row.update({name: getattr(lot.terms, name) for name in _TERMS})
    row.update({f"{account}_milli": lot.positions.get(account, 0) for account in ACCOUNTS})
    return row


def _lot_row(lot: Lot) -> dict[str, Any]:
    return {
        **_moved_row(lot),
        "rule_set_id": lot.key.rule_set_id,
        "binding": lot.key.binding,
        "unit": lot.key.unit,
        "number": lot.key.number,
    }
