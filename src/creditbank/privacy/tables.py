"""Tables of what learners ask of the bank about their own data."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from creditbank.database.metadata import Code, Instant, metadata

# One row: that a person be erased. It stays when they are, and names nobody.
erasures = Table(
    "erasures",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("reason", Text, nullable=False, doc="a code"),
    Column("state", Text, nullable=False),
    Column("author", Text, nullable=False, doc="client:id, or operator:name from the command line"),
    Column("approver", Text, doc="the same of the second person"),
    Column("recorded_at", Instant, nullable=False),
    Column("decided_at", Instant),
    CheckConstraint("state in ('proposed', 'approved', 'refused')", name="state"),
    CheckConstraint("(state = 'proposed') = (decided_at is null)", name="decided"),
    CheckConstraint("approver is null or approver <> author", name="two_people"),
    Index("ix_erasures_id", "id"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: somebody else than the learner read what is theirs, so many times in some seconds.
looks = Table(
    "looks",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("client_id", Uuid, nullable=False, doc="of a program, or of the person who was signed in"),
    Column("provider", Code, doc="for whom they acted then; none: the bank"),
    Column("route", Text, nullable=False, doc="method and path, without what is in them"),
    Column("times", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    CheckConstraint("times > 0", name="times"),
    # By it they are let go of.
    Index("ix_looks_last_at", "last_at"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
