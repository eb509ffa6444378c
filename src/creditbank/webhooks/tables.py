"""Tables of webhooks and of the outbox."""

from sqlalchemy import (
    BigInteger,
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

# One row: an address of a partner's to which events are sent.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Whose events it is told, with those of all below; none: the bank's, which are everybody's.
    Column("provider", Code, ForeignKey("providers.code"), index=True),
    # Addresses of group robots and the like hold a token, so the address is as secret as the secrets.
    Column("url", LargeBinary, nullable=False, doc="sealed by the bank; empty once removed"),
    Column("secrets", LargeBinary, nullable=False, doc="sealed by the bank: those that sign; empty once removed"),
    Column("former_until", Instant, doc="until when the former secret signs too"),
    Column("types", Text, nullable=False, doc="space separated"),
    Column("state", Text, nullable=False),
    Column("failing_since", Instant, doc="of the first failure since something was delivered"),
    Column("disabled_at", Instant),
    Column("disabled_reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("made_by", Text, nullable=False, doc="user:id or client:id"),
    Column("removed_at", Instant),
    Column("revision", Integer, nullable=False, doc="rises with each change; the ETag"),
    CheckConstraint("state in ('active', 'paused', 'disabled', 'removed')", name="state"),
    CheckConstraint("(state = 'disabled') = (disabled_at is not null)", name="disabled"),
    CheckConstraint("(state = 'removed') = (removed_at is not null)", name="removed"),
    info={"dist": "reference"},
)

# One row in all. It rises with each change of who is told what; settling reads it with the epoch of the rules, so that
# nobody has to ask who listens while nobody does.
webhooks_epoch = Table(
    "webhooks_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
    info={"dist": "reference"},
)

# One row: an event and the webhook that is to be told of it, written in the transaction of what happened. Kept some
# time after it was delivered, so that it can be looked up and sent again.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True, doc="the webhook-id, and the id of the CloudEvent"),
    Column("webhook_id", Uuid, ForeignKey("webhooks.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("path", Text, nullable=False, doc="of what it happened to"),
    Column("data", Json(), nullable=False, doc="ids, codes and numbers; nothing that names a person"),
    Column("occurred_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    # While somebody carries it: when he is given up as dead. None once it is delivered or given up.
    Column("next_at", Instant),
    Column("tries", Integer, nullable=False, doc="since it was first to be sent, or to be sent again"),
    Column("log", Json(), nullable=False, doc="what became of each try; never a word of what the receiver said"),
    Column("ended_at", Instant),
    CheckConstraint("state in ('waiting', 'delivered', 'failed')", name="state"),
    CheckConstraint("(state = 'waiting') = (next_at is not null)", name="waiting"),
    CheckConstraint("(state = 'waiting') = (ended_at is null)", name="ended"),
    Index("ix_webhook_deliveries_order", "webhook_id", "occurred_at", "id"),
    info={"dist": "local"},
)
index_where(
    "ix_webhook_deliveries_due",
    webhook_deliveries.c.webhook_id,
    webhook_deliveries.c.next_at.is_not(None),
    webhook_deliveries.c.next_at,
)
