"""The table of offerings."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, Json, metadata

# One row: something that can be learnt, as its provider announces it. What it gives is told by the rules, never here.
offerings = Table(
    "offerings",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False),
    Column("code", Text, nullable=False, doc="the provider's own; what achievements name as their code"),
    Column("kind", Text, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("unit", Text),
    Column("category", Code),
    Column("level", Json(), nullable=False, doc="value by framework"),
    Column("credits_milli", BigInteger),
    Column("hours_milli", BigInteger),
    Column("fee_milli", BigInteger, doc="thousandths of a yuan"),
    Column("places", Integer),
    Column("starts_on", Date),
    Column("ends_on", Date, doc="the last day"),
    Column("assumed", Json(), nullable=False, doc="what planning takes whoever completes it to have"),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revision", Integer, nullable=False, doc="rises with each change; the ETag"),
    UniqueConstraint("provider", "code"),
    CheckConstraint("status in ('open', 'closed')", name="status"),
    CheckConstraint("ends_on is null or starts_on is null or ends_on >= starts_on", name="days"),
    Index("ix_offerings_kind", "kind", "status"),
    info={"dist": "reference"},
)
