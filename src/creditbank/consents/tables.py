"""Tables of consents. Both are only ever added to: what was allowed, and until when, stays to be shown."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: a learner lets an institution read something.
consents = Table(
    "consents",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("recipient", Code, ForeignKey("providers.code"), nullable=False),
    Column("what", Text, nullable=False, doc="codes, separated by spaces"),
    Column("purpose", LargeBinary, nullable=False, doc="sealed: a text that may name the person"),
    Column("since", Date, nullable=False),
    Column("until", Date, doc="the first day on which it no longer holds"),
    Column("given_by", Uuid, nullable=False, doc="the client who wrote it down"),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("what <> ''", name="what"),
    CheckConstraint("until is null or until > since", name="days"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: a consent was withdrawn. It opens nothing from then on.
consent_withdrawals = Table(
    "consent_withdrawals",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("consent_id", Uuid, nullable=False),
    Column("withdrawn_by", Uuid, nullable=False, doc="the client who wrote it down"),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "consent_id"], ["consents.learner_id", "consents.id"]),
    UniqueConstraint("learner_id", "consent_id"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
