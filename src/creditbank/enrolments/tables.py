"""Tables of enrolments. Both are only ever added to."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Table,
    Text,
    Uuid,
)

from creditbank.database.metadata import Instant, Json, metadata

# One row: a learner entered a programme. By which version it is governed follows from its days and is not stored.
enrolments = Table(
    "enrolments",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    Column("programme", Text, nullable=False, doc="the document's own id"),
    Column("enrolled_on", Date, nullable=False),
    Column("applied_on", Date, doc="none: the day of enrolment"),
    Column("client_id", Uuid, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("applied_on is null or applied_on <= enrolled_on", name="days"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: what happened to an enrolment: an interruption, a resumption, an election, a choice of the learner, its end.
enrolment_changes = Table(
    "enrolment_changes",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("enrolment_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("day", Date, nullable=False, doc="the first day on which it holds"),
    Column("detail", Json(), nullable=False, doc="ids and numbers only: a version, requirements by lot"),
    Column("client_id", Uuid, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "enrolment_id"], ["enrolments.learner_id", "enrolments.id"]),
    CheckConstraint("kind in ('interrupted', 'resumed', 'elected', 'pinned', 'ended')", name="kind"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
