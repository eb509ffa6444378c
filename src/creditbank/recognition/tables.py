"""Tables of evaluations and decisions. Both are only ever added to."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, Table, Text, Uuid

from creditbank.database.metadata import Instant, metadata

# One row: one run of the engine for one learner that led to at least one decision.
evaluations = Table(
    "evaluations",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("cause", Text, nullable=False, doc="achievement, amendment, revocation, rules, accreditation, date"),
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
    Column("rule", Text),
    Column("effect", Text, nullable=False, doc="grant, deny, review, conditional, none, or withdrawn"),
    Column("binding", Text, nullable=False, doc="achievement ids in slot order, separated by commas"),
    Column("mark", LargeBinary, nullable=False, doc="keyed hash of the trace: tells an equal decision from another"),
    Column("trace", LargeBinary, nullable=False, doc="sealed: rules/v1 section 14"),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "evaluation_id"], ["evaluations.learner_id", "evaluations.id"]),
    Index("ix_decisions_rule_set_version", "rule_set_version_id"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
