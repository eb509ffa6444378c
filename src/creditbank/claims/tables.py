"""Tables of claims and their evidence. Rulings and reviews stand with recognition, which reads and opens them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
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

# One row: somebody proposed that a debt be waived, and what another made of it.
waivers = Table(
    "waivers",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("review_id", Uuid, nullable=False),
    Column("lot_id", Uuid, nullable=False),
    Column("milli", BigInteger, nullable=False, doc="what was owed when it was proposed, and is waived"),
    Column("reason", Text, nullable=False, doc="a code"),
    Column("state", Text, nullable=False),
    Column("author_id", Uuid, nullable=False),
    Column("decided_by", Uuid, doc="who approved or refused it; its author, where it was withdrawn"),
    Column("recorded_at", Instant, nullable=False),
    Column("decided_at", Instant),
    ForeignKeyConstraint(["learner_id", "review_id"], ["reviews.learner_id", "reviews.id"]),
    ForeignKeyConstraint(["learner_id", "lot_id"], ["lots.learner_id", "lots.id"]),
    CheckConstraint("milli > 0", name="milli"),
    CheckConstraint("state in ('proposed', 'approved', 'refused', 'withdrawn')", name="state"),
    CheckConstraint("(state = 'proposed') = (decided_by is null)", name="decided"),
    CheckConstraint("(state = 'proposed') = (decided_at is null)", name="dated"),
    CheckConstraint("decided_by is null or (state = 'withdrawn') = (decided_by = author_id)", name="two_people"),
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
    Index("ix_evidence_files_stored_as", "stored_as"),
    info={"dist": "learner", "learner_key": "learner_id"},
)
