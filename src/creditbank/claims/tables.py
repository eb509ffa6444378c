"""Tables of claims and their evidence. Rulings and reviews stand with recognition, which reads and opens them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: somebody asks that what was learnt elsewhere be recognised.
claims = Table(
    "claims",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("achievement_id", Uuid, nullable=False, doc="the fact, assured by nobody until the claim is accepted"),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False, doc="who assesses"),
    Column("state", Text, nullable=False),
    Column("lodged_by", Uuid, nullable=False),
    Column("decided_by", Uuid),
    Column("reason", Text, doc="a code, where it was rejected"),
    Column("appeals", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "achievement_id"], ["achievements.learner_id", "achievements.id"]),
    UniqueConstraint("learner_id", "achievement_id"),
    CheckConstraint("state in ('lodged', 'accepted', 'rejected', 'appealed', 'closed')", name="state"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: a file that shows something. Its bytes lie outside the database, sealed with the learner's key.
evidence_files = Table(
    "evidence_files",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False, doc="bytes, before sealing"),
    Column("mark", Text, nullable=False, doc="keyed hash of the content: the same file again is the same evidence"),
    Column("stored_as", Text, nullable=False, doc="SHA-256 of the sealed bytes: the file's name"),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("learner_id", "mark"),
    info={"dist": "learner", "learner_key": "learner_id"},
)
