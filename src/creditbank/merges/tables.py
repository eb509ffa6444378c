"""Tables of merges and of what each of them moved."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
)

from creditbank.database.metadata import Instant, metadata

# One row: that one account stand for another of the same person, proposed by one and decided by another, twice over.
merges = Table(
    "merges",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True, doc="the account that stands for both"),
    Column("id", Uuid, primary_key=True),
    Column("merged_id", Uuid, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("former_state", Text, nullable=False, doc="of the merged account"),
    Column("reason", Text, nullable=False, doc="a code"),
    Column("author", Text, nullable=False, doc="client:id or user:id"),
    Column("approver", Text, doc="the same of the second person"),
    Column("undo_reason", Text, doc="a code"),
    Column("undo_author", Text),
    Column("undo_approver", Text),
    Column("recorded_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("undo_recorded_at", Instant),
    Column("undo_decided_at", Instant),
    Column("is_despite_dismissal", Boolean, nullable=False, server_default=false(), doc="the two were said to be two"),
    CheckConstraint(
        "state in ('proposed', 'approved', 'done', 'undo_proposed', 'undoing', 'undone', 'declined')", name="state"
    ),
    CheckConstraint("learner_id <> merged_id", name="two_accounts"),
    CheckConstraint("(state = 'proposed') = (decided_at is null)", name="decided"),
    CheckConstraint("approver is null or approver <> author", name="two_people"),
    CheckConstraint("undo_approver is null or undo_approver <> undo_author", name="undo_by_two_people"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: what a merge, or its undoing, did with one achievement.
merge_steps = Table(
    "merge_steps",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("merge_id", Uuid, nullable=False),
    Column("achievement_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("kind in ('moved', 'returned', 'lapsed', 'stayed')", name="kind"),
    ForeignKeyConstraint(["learner_id", "merge_id"], ["merges.learner_id", "merges.id"]),
    UniqueConstraint("learner_id", "merge_id", "achievement_id", "kind"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: these two accounts, of people with one name and birth date, are two people's, or are to stay two.
merge_dismissals = Table(
    "merge_dismissals",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("other_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False, doc="a code"),
    Column("author", Text, nullable=False, doc="client:id or user:id"),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("learner_id", "other_id"),
    CheckConstraint("learner_id < other_id", name="order"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
