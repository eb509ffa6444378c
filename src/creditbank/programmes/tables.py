"""Tables of programmes: what they ask of whoever enters, the audits that were answered."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Instant, Json, metadata

# One row: what a programme asks for before it takes a learner. The rule language has no word for it (decision 24).
programme_admissions = Table(
    "programme_admissions",
    metadata,
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), primary_key=True),
    Column("programme", Text, primary_key=True, doc="the document's own id"),
    Column("credits_milli", BigInteger, doc="banked in the programme's unit; none: nothing asked"),
    Column("award", Text, doc="the programme whose award is asked for, as rule-set.programme"),
    Column("revision", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("credits_milli is null or credits_milli > 0", name="credits"),
    info={"dist": "reference"},
)

# One row: an audit as it was answered, with a hash of all that it read: the same inputs are not computed again, and no
# answer is lost when a later one takes its place. Lots and requirements stand in it by their ids.
programme_audits = Table(
    "programme_audits",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    Column("programme", Text, nullable=False),
    Column("version_id", Uuid, ForeignKey("rule_set_versions.id"), nullable=False),
    Column("as_of", Date, nullable=False, doc="the day on which it was first so"),
    Column("inputs_sha256", LargeBinary, nullable=False),
    Column("answer", Json(), nullable=False),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("learner_id", "rule_set_id", "programme", "inputs_sha256"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
