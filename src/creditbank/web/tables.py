"""The table of answers already given, by Idempotency-Key."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text, Uuid

from creditbank.database.metadata import Instant, Json, metadata

# One row: what was answered to one key of one client. Kept some days, then removed by a job.
idempotency_records = Table(
    "idempotency_records",
    metadata,
    Column("key", LargeBinary, primary_key=True, doc="HMAC of client and key"),
    Column("fingerprint", LargeBinary, nullable=False, doc="HMAC of method, path and body"),
    Column("status", Integer, nullable=False),
    Column("headers", Json(), nullable=False),
    # Sealed with the learner's key when there is a learner in the answer; else as it was sent.
    Column("body", LargeBinary, nullable=False),
    Column("learner_id", Uuid),
    Column("media_type", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    info={"dist": "lookup"},
)
