"""Tables of rule sets, their versions, and the epoch that keys the compiled book."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, Json, metadata

# One row: a rule set's registration: who owns it and for whom it is. What it says stands in its versions.
rule_sets = Table(
    "rule_sets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False, unique=True, doc="the document's own ruleset.id"),
    Column("owner", Code, ForeignKey("providers.code"), doc="none: the bank"),
    Column("audience", Text, nullable=False, doc="who is settled by it (rules/v1 section 9)"),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("audience in ('everyone', 'enrolled')", name="audience"),
    info={"dist": "reference"},
)

# One row: one version of a rule set: a document, on its way from draft to published. A published one never changes,
# only an approved one is published, and another document makes a draft of any other: triggers hold it.
rule_set_versions = Table(
    "rule_set_versions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("document", Text, nullable=False, doc="canonical JSON (rules/v1 section 2)"),
    Column("sha256", Text, nullable=False, doc="of the canonical JSON, hexadecimal"),
    Column("revision", Integer, nullable=False, doc="rises with each change of document or state; part of the ETag"),
    Column("approved_by", Text, doc="user:id, client:id, or operator:name from the command line"),
    Column("approved_at", Instant),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("rule_set_id", "number"),
    CheckConstraint(
        "state in ('draft', 'validated', 'simulated', 'approved', 'published', 'withdrawn')",
        name="state",
    ),
    CheckConstraint("(approved_by is null) = (approved_at is null)", name="approval"),
    CheckConstraint("state not in ('approved', 'published', 'withdrawn') or approved_by is not null", name="approved"),
    info={"dist": "reference"},
)

# One row: somebody put this document into a version. Whoever did may not approve the version.
rule_set_edits = Table(
    "rule_set_edits",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version_id", Uuid, ForeignKey("rule_set_versions.id"), nullable=False, index=True),
    Column("sha256", Text, nullable=False),
    Column("editor", Text, nullable=False, doc="user:id, client:id, or operator:name from the command line"),
    Column("edited_at", Instant, nullable=False),
    info={"dist": "reference"},
)

# One row: what publishing this very document would change, as far as it was asked. Counting stands in the job's
# progress until the report is whole. Of learners the report holds ids and amounts, nothing else.
rule_set_simulations = Table(
    "rule_set_simulations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version_id", Uuid, ForeignKey("rule_set_versions.id"), nullable=False, index=True),
    Column("sha256", Text, nullable=False, doc="of the document that was simulated"),
    Column("sample", Integer, doc="about how many learners; none: all"),
    Column("as_of", Date, nullable=False),
    Column("job_id", Uuid, doc="none: whoever asked at the command line runs it"),
    Column("asked_at", Instant, nullable=False),
    Column("report", Json()),
    Column("ended_at", Instant),
    CheckConstraint("(report is null) = (ended_at is null)", name="ended"),
    info={"dist": "reference"},
)

# One row: this version governs these days, as the bank held it in that time (rules/v1 section 12). Two rows of one
# rule set never overlap in both times: EXCLUDE on PostgreSQL, a trigger on SQLite. Only its known time is ever closed.
rule_set_publications = Table(
    "rule_set_publications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False, index=True),
    Column("version_id", Uuid, ForeignKey("rule_set_versions.id"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, doc="the first day outside"),
    Column("known_from", Instant, nullable=False),
    Column("known_until", Instant),
    CheckConstraint("valid_until is null or valid_until > valid_from", name="valid"),
    CheckConstraint("known_until is null or known_until > known_from", name="known"),
    info={"dist": "reference"},
)

# One row in all. Read FOR SHARE by every settling and updated by every publication, so that no process settles with
# rules that have been replaced; the compiled book is kept under its value.
rules_epoch = Table(
    "rules_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
    info={"dist": "reference"},
)
