"""Tables of applications for awards, awards and their annulments."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, Json, metadata

# One row: an application for an award. How it stands is told by its hold; how people ended it, by ``outcome``.
conversions = Table(
    "conversions",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("hold_id", Uuid, nullable=False),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    Column("rule_set_version_id", Uuid, ForeignKey("rule_set_versions.id"), nullable=False, doc="frozen with the hold"),
    Column("programme", Text, nullable=False, doc="the document's own id"),
    Column("provider", Code, ForeignKey("providers.code"), doc="who decides; none: the bank"),
    Column("total_milli", BigInteger, nullable=False, doc="what was applied for: held and counted once more"),
    Column("applied_by", Uuid, nullable=False, doc="the client"),
    # The same request again is the same application, for ever: what was asked with it, and its keyed hash.
    Column("request", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("shares", Json(), nullable=False, doc="which lot fills which requirement: ids and amounts only"),
    Column("outcome", Text, doc="how people ended it"),
    Column("reasons", Text, nullable=False, doc="codes, separated by spaces"),
    Column("decided_by", Uuid),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("outcome in ('approved', 'rejected', 'withdrawn')", name="outcome"),
    ForeignKeyConstraint(["learner_id", "hold_id"], ["holds.learner_id", "holds.id"]),
    UniqueConstraint("learner_id", "request"),
    UniqueConstraint("learner_id", "hold_id"),
    Index("ix_conversions_id", "id"),
    Index("ix_conversions_provider", "provider", "id"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: an award made. It is withdrawn by an annulment and never changed.
awards = Table(
    "awards",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("conversion_id", Uuid, nullable=False),
    Column("number", Text, nullable=False, doc="for people to read aloud"),
    Column("awarded_on", Date, nullable=False),
    Column("is_part", Boolean, nullable=False, doc="made with less than was applied for"),
    Column("milli", BigInteger, nullable=False, doc="thousandths used: redeemed, and counted once more"),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "conversion_id"], ["conversions.learner_id", "conversions.id"]),
    UniqueConstraint("learner_id", "conversion_id"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: whose award a number is.
award_numbers = Table(
    "award_numbers",
    metadata,
    Column("number", Text, primary_key=True),
    Column("learner_id", Uuid, nullable=False),
    Column("award_id", Uuid, nullable=False),
    info={"dist": "lookup"},
)

# One row: credits redeemed for an earlier award that count once more in this application. No posting says so.
stack_uses = Table(
    "stack_uses",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("conversion_id", Uuid, nullable=False),
    Column("lot_id", Uuid, nullable=False),
    Column("award_id", Uuid, nullable=False, doc="for which they were redeemed"),
    Column("milli", BigInteger, nullable=False),
    CheckConstraint("milli > 0", name="amount"),
    ForeignKeyConstraint(["learner_id", "conversion_id"], ["conversions.learner_id", "conversions.id"]),
    ForeignKeyConstraint(["learner_id", "award_id"], ["awards.learner_id", "awards.id"]),
    ForeignKeyConstraint(["learner_id", "lot_id"], ["lots.learner_id", "lots.id"]),
    UniqueConstraint("learner_id", "conversion_id", "lot_id", "award_id"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: that an award be withdrawn, proposed by one and decided by another.
annulments = Table(
    "annulments",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("award_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False, doc="a code"),
    Column("state", Text, nullable=False),
    Column("author_id", Uuid, nullable=False),
    Column("approver_id", Uuid),
    Column("recorded_at", Instant, nullable=False),
    Column("decided_at", Instant),
    CheckConstraint("state in ('proposed', 'approved', 'refused')", name="state"),
    CheckConstraint("approver_id is null or approver_id <> author_id", name="two_people"),
    CheckConstraint("(state = 'proposed') = (approver_id is null)", name="decided"),
    ForeignKeyConstraint(["learner_id", "award_id"], ["awards.learner_id", "awards.id"]),
    info={"dist": "learner", "learner_key": "learner_id"},
)
