"""The table of codes that bring learners into their accounts."""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Uuid

from creditbank.database.metadata import Instant, metadata

# One row: a code that still lives. It is removed when it is used, replaced or dead; who issued and who used it, and
# when, stands in the audit log.
activation_codes = Table(
    "activation_codes",
    metadata,
    Column("key", LargeBinary, primary_key=True, doc="HMAC of the code: nobody reads codes out of the database"),
    Column("learner_id", Uuid, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("wrong", Integer, nullable=False, doc="answers beside it that were wrong"),
    Index("ix_activation_codes_learner_id", "learner_id"),
    info={"dist": "lookup"},
)
