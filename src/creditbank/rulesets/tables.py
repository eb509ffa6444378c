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

from creditbank.database.metadata import Code, Instant, metadata

# One row: a rule set's registration: who owns it. What it says stands in its versions.
rule_sets = Table(
    "rule_sets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False, unique=True, doc="the document's own ruleset.id"),
    Column("provider", Code, ForeignKey("providers.code"), doc="the owner; none: the bank"),
    Column("created_at", Instant, nullable=False),
    info={"dist": "reference"},
)

# One row: one version of a rule set: a document. A published one never changes (a trigger holds it).
rule_set_versions = Table(
    "rule_set_versions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("document", Text, nullable=False, doc="canonical JSON (rules/v1 section 2)"),
    Column("sha256", Text, nullable=False, doc="of the canonical JSON, hexadecimal"),
    Column("revision", Integer, nullable=False, doc="rises with each change of a draft; the ETag"),
    Column("created_by", Uuid, doc="the client; none: the command line"),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("rule_set_id", "number"),
    CheckConstraint("state in ('draft', 'published', 'withdrawn')", name="state"),
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
