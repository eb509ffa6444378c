"""What is hashed of a posting: written by hand for speed, and the same bytes as the JSON that is documented."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from creditbank.clock import microseconds
from creditbank.ledger.domain import Account, Code, Posting, canonical, digest

POSTINGS = st.builds(
    Posting,
    learner_id=st.uuids(),
    id=st.uuids(),
    seq=st.integers(1, 2**63 - 1),
    lot_id=st.uuids(),
    source=st.sampled_from(Account),
    target=st.sampled_from(Account),
    amount_milli=st.integers(1, 2**63 - 1),
    code=st.sampled_from(Code),
    transaction_id=st.uuids(),
    decision_id=st.uuids(),
    effective=st.dates(),
    recorded_at=st.datetimes(timezones=st.just(UTC)),
    reverses=st.none() | st.uuids(),
    previous=st.binary(min_size=32, max_size=32),
    hash=st.just(b""),
)


@given(posting=POSTINGS)
def test_it_is_the_compact_json_of_the_fields(posting: Posting) -> None:
    fields = [
        str(posting.learner_id),
        posting.seq,
        str(posting.id),
        str(posting.lot_id),
        posting.source.value,
        posting.target.value,
        posting.amount_milli,
        posting.code.value,
        str(posting.transaction_id),
        str(posting.decision_id),
        posting.effective.isoformat(),
        microseconds(posting.recorded_at),
        str(posting.reverses) if posting.reverses else None,
        posting.previous.hex(),
    ]

    assert canonical(posting) == json.dumps(fields, separators=(",", ":"))
    assert digest(posting) == hashlib.sha256(canonical(posting).encode()).digest()


def test_the_documented_example() -> None:
    """If this fails, no hash that any bank ever stored is right any more."""
    posting = Posting(
        UUID(int=1),
        UUID(int=2),
        1,
        UUID(int=3),
        Account.ISSUED,
        Account.AVAILABLE,
        2500,
        Code.ACCRUE,
        UUID(int=4),
        UUID(int=5),
        date(2026, 6, 20),
        datetime(2026, 6, 21, 1, 2, 3, 4, tzinfo=UTC),
        None,
        bytes(32),
        b"",
    )

    zeros = "00000000-0000-0000-0000-00000000000"
    assert canonical(posting) == (
        f'["{zeros}1",1,"{zeros}2","{zeros}3","issued","available",2500,"ACCRUE","{zeros}4","{zeros}5",'
        f'"2026-06-20",1782003723000004,null,"{"00" * 32}"]'
    )
    assert digest(posting).hex() == hashlib.sha256(canonical(posting).encode()).hexdigest()
