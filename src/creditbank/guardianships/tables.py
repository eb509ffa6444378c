"""The table of guardianships."""

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, Table, Text, Uuid

from creditbank.database.metadata import Instant, metadata

# One row: somebody acts for a minor. It names nobody: who the two are stands in their accounts. What ends is marked.
guardianships = Table(
    "guardianships",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True, doc="the minor"),
    Column("id", Uuid, primary_key=True),
    Column("guardian_id", Uuid, nullable=False, doc="the guardian's own account"),
    Column("grant_id", Uuid, nullable=False, doc="the role by which the guardian acts"),
    Column("user_id", Uuid, nullable=False, doc="as whom the guardian signs in"),
    Column("kind", Text, nullable=False),
    Column("evidence", Text, nullable=False, doc="what the officer has seen, as a code"),
    Column("since", Date, nullable=False),
    Column("until", Date, nullable=False, doc="the day on which the minor is of age"),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("ended_by", Text),
    Column("ended_at", Instant),
    CheckConstraint("until > since", name="days"),
    CheckConstraint("guardian_id <> learner_id", name="two"),
    CheckConstraint("(ended_by is null) = (ended_at is null)", name="ended"),
    Index("ix_guardianships_guardian_id", "guardian_id"),
    info={"dist": "learner", "learner_key": "learner_id"},
)
