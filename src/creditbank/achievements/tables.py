"""Tables of achievements, their versions, and the look-up that makes a provider's external id unique."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: a provider's external id is taken. Claimed before the achievement is stored, in the same transaction.
achievement_keys = Table(
    "achievement_keys",
    metadata,
    Column("key", LargeBinary, primary_key=True, doc="HMAC of provider code and external id"),
    Column("learner_id", Uuid, nullable=False),
    # Not unique: no one machine could say so where the table is spread by its key.
    Column("achievement_id", Uuid, nullable=False, index=True),
    info={"dist": "lookup"},
)

# One row: an achievement, whatever its versions say.
achievements = Table(
    "achievements",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False, index=True),
    Column("named_id", Uuid, doc="the merged account that whoever stated it named; none: the learner's own"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: what was stated of an achievement at one time, whole. Never changed.
achievement_versions = Table(
    "achievement_versions",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("achievement_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False, doc="from 1; the highest counts"),
    Column("status", Text, nullable=False),
    # In the clear only what finds learners to re-evaluate and counts for statistics; none of it names a person.
    Column("kind", Text, nullable=False),
    Column("code", Text),
    Column("completed", Date, nullable=False),
    Column("content", LargeBinary, nullable=False, doc="sealed: the whole statement"),
    Column("reason", LargeBinary, doc="sealed: why it was amended or revoked"),
    # The day a revocation takes effect in the ledger; none: the day it was recorded.
    Column("effective", Date),
    Column("client_id", Uuid, doc="who stated it"),
    Column("recorded_at", Instant, nullable=False),
    Column("merged_id", Uuid, doc="the merged account of which it was stated: it is sealed with the key to that one's"),
    ForeignKeyConstraint(["learner_id", "achievement_id"], ["achievements.learner_id", "achievements.id"]),
    UniqueConstraint("learner_id", "achievement_id", "number"),
    CheckConstraint("status in ('valid', 'revoked', 'quarantined')", name="status"),
    CheckConstraint("number >= 1", name="number"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
