"""Tables of evaluations and decisions. Both are only ever added to."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from creditbank.database.metadata import Instant, metadata

# One row: one run of the engine for one learner that led to at least one decision.
evaluations = Table(
    "evaluations",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("cause", Text, nullable=False, doc="achievement, amendment, revocation, rules, accreditation, date, merge"),
    Column("as_of", Date, nullable=False),
    Column("epoch", BigInteger, nullable=False, doc="of the book it read: rules and registers as they stood then"),
    # Over ids, version numbers and the hashes of rules only: no text about a person is ever inside a hash.
    Column("input_sha256", LargeBinary, nullable=False),
    Column("engine", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: what one rule made of one binding, when that was first so. The latest for a binding counts.
decisions = Table(
    "decisions",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("evaluation_id", Uuid, nullable=False),
    # None for what no rule took, and for a decision of which nothing is left.
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id")),
    Column("rule_set_version_id", Uuid, ForeignKey("rule_set_versions.id")),
    # A later version that reaches the binding and keeps what this one gave, since it promises never less.
    Column("kept_by_version_id", Uuid),
    Column("rule", Text),
    Column("effect", Text, nullable=False, doc="grant, deny, review, conditional, none, or withdrawn"),
    Column("binding", Text, nullable=False, doc="achievement ids in slot order, separated by commas"),
    Column("mark", LargeBinary, nullable=False, doc="keyed hash of the trace: tells an equal decision from another"),
    Column("trace", LargeBinary, nullable=False, doc="sealed: rules/v1 section 14"),
    # Then the trace is sealed with the key to what is held of each of them, one within the other, in this order.
    Column("merged_ids", Text, doc="the merged accounts of whose achievements it speaks, separated by commas"),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "evaluation_id"], ["evaluations.learner_id", "evaluations.id"]),
    Index("ix_decisions_rule_set_version", "rule_set_version_id"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: what a person decided about a learner's credits, an input of every evaluation once another approved it.
rulings = Table(
    "rulings",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("rule_set", Text, nullable=False, doc="the document's own id"),
    # What it says, with the person's reason: free text about a person is sealed.
    Column("content", LargeBinary, nullable=False, doc="sealed"),
    Column("state", Text, nullable=False),
    Column("author_id", Uuid, nullable=False),
    Column("approver_id", Uuid),
    Column("expires", Date, doc="the first day on which it no longer holds"),
    Column("recorded_at", Instant, nullable=False),
    Column("decided_at", Instant),
    CheckConstraint("kind in ('insert', 'force', 'waive', 'block', 'value')", name="kind"),
    CheckConstraint("state in ('proposed', 'approved', 'refused', 'withdrawn')", name="state"),
    CheckConstraint("approver_id is null or approver_id <> author_id", name="two_people"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: something about a learner that waits for a person.
reviews = Table(
    "reviews",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False, doc="decision: a rule or a missing value asks for one; debt; claim; appeal"),
    Column("subject_id", Uuid, nullable=False, doc="the decision, the lot, the claim"),
    Column("rule_set", Text),
    Column(
        "reason", Text, nullable=False, doc="a code: of two reviews with one reason each is a precedent of the other"
    ),
    Column("provider", Text, doc="whose work it is; none: the bank's"),
    Column("owner_id", Uuid, doc="the client who took it"),
    Column("state", Text, nullable=False),
    Column("outcome", Text, doc="a code: how it was decided"),
    Column("due_on", Date, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("closed_at", Instant),
    CheckConstraint("kind in ('decision', 'debt', 'claim', 'appeal')", name="kind"),
    CheckConstraint("(state = 'open') = (closed_at is null)", name="closed"),
    CheckConstraint("state in ('open', 'closed')", name="state"),
    Index("ix_reviews_open", "state", "due_on", "id"),
    info={"dist": "learner", "learner_key": "learner_id"},
)
