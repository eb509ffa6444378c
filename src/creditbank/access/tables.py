"""Tables of API clients, their keys, and the audit log."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, Json, index_where, metadata

# One row: a program of a partner or of the bank that may call the API.
api_clients = Table(
    "api_clients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    # The code of the provider that the client acts for, with everything under it; none for the bank's own clients.
    Column("provider", Code, ForeignKey("providers.code")),
    Column("scopes", Text, nullable=False, doc="space separated"),
    # The most that achievements of this client may be assured: what it says of its own assurance is capped by it.
    Column("assurance", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("made_by", Text, doc="user:id or client:id, whoever let it in; none: operator"),
    Column("networks", Text, nullable=False, doc="space separated; none: it may call from everywhere"),
    Column("public_keys", Json(), doc="a JWK set, by value: the bank fetches nothing that a client names"),
    Column("public_key_makers", Json(), doc="of each of them, by its kid, whoever gave it: as api_keys.made_by"),
    Column("suspended_at", Instant),
    Column("revision", Integer, nullable=False, doc="rises with each change; the ETag"),
    info={"dist": "reference"},
)

# One row: one key of a client. Two may live at once, so that a key can be changed without a pause.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True, doc="the public part, printed in the key itself"),
    Column("client_id", Uuid, ForeignKey("api_clients.id"), nullable=False, index=True),
    Column("secret_sha256", LargeBinary, nullable=False, doc="of 256 random bits, so no slow hash is needed"),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("is_test", Boolean, nullable=False, doc="opens the sandbox only"),
    Column("last_used_at", Instant, doc="to the minute or so"),
    Column("made_by", Text, doc="user:id or client:id, as whom it counts where two people are needed; none: itself"),
    info={"dist": "reference"},
)

# One row: an assertion with which a client proved itself, or the state with which a person came back from an identity
# provider. It is taken once, by whichever process; kept till it expires.
assertion_ids = Table(
    "assertion_ids",
    metadata,
    Column("key", LargeBinary, primary_key=True, doc="SHA-256 over client and assertion id, or over the state"),
    Column("expires_at", Instant, nullable=False, index=True),
    info={"dist": "local"},
)

# One row: somebody did something. Partitioned by month on PostgreSQL; rows are never changed.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, primary_key=True),
    Column("actor_kind", Text, nullable=False, server_default="system"),
    Column("actor", Text, doc="the id of a client or a person, or the name of an operator or a part of the bank"),
    Column("provider", Code, doc="for whom it was done; none: for the bank, or by a learner"),
    Column("action", Text, nullable=False, doc="noun.verb, such as rule_set.publish"),
    Column("subject", Text, nullable=False, doc="what it was done to: type:id"),
    # Whose that was then, as the policy says it. No reference: the log outlives what it speaks of.
    Column("owner", Code, doc="the provider whose that is"),
    Column("learner_id", Uuid, doc="the learner of whom that is"),
    # Ids and codes only: whatever names a person does not enter the log (architecture, personal data).
    Column("details", Json(), nullable=False),
    Column("request_id", Text),
    CheckConstraint("action <> ''", name="action"),
    CheckConstraint("actor_kind in ('client', 'person', 'system', 'command_line')", name="actor_kind"),
    Index("ix_audit_events_subject", "subject"),
    Index("ix_audit_events_learner_id", "learner_id"),
    Index("ix_audit_events_at", "at", "id"),
    info={"dist": "local"},
    postgresql_partition_by="RANGE (at)",
)
# Whoever asks by one of these asks for the latest first. What is of nobody is asked for by none of them.
for _by in (audit_events.c.actor, audit_events.c.provider, audit_events.c.owner):
    index_where(f"ix_audit_events_{_by.name}_at", _by, _by.is_not(None), audit_events.c.at, audit_events.c.id)

# One row: a month of the audit log that was written to a file. Only such a month is ever forgotten.
audit_exports = Table(
    "audit_exports",
    metadata,
    Column("month", Text, primary_key=True, doc="such as 2026-11, in UTC"),
    Column("events", BigInteger, nullable=False),
    Column("previous", LargeBinary, nullable=False, doc="hash with which the file of the month before ends"),
    Column("hash", LargeBinary, nullable=False, doc="hash with which this file ends"),
    Column("exported_at", Instant, nullable=False),
    info={"dist": "local", "append_only": True},
)
