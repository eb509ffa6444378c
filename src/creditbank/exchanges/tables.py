"""Tables of exchanges. Both are only ever added to."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: credits that changed their unit or their institution, in one transaction.
exchanges = Table(
    "exchanges",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    Column("rule_set_version_id", Uuid, ForeignKey("rule_set_versions.id"), nullable=False),
    Column("conversion", Text, doc="the document's own id of the unit conversion"),
    Column("provider", Code, ForeignKey("providers.code"), doc="to whom credits were transferred"),
    Column("uses_milli", BigInteger, nullable=False),
    Column("gives_milli", BigInteger, nullable=False),
    Column("rest_milli", BigInteger, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("request", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("kind in ('convert', 'transfer')", name="kind"),
    CheckConstraint("(kind = 'convert') = (conversion is not null)", name="conversion"),
    CheckConstraint("(kind = 'transfer') = (provider is not null)", name="provider"),
    UniqueConstraint("learner_id", "request"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: what one lot gave up in an exchange, and the lot that came of it.
exchange_lines = Table(
    "exchange_lines",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("exchange_id", Uuid, nullable=False),
    Column("old_lot_id", Uuid, nullable=False),
    Column("uses_milli", BigInteger, nullable=False),
    Column("new_lot_id", Uuid, doc="none where it comes to less than a thousandth"),
    Column("gives_milli", BigInteger, nullable=False),
    CheckConstraint("uses_milli > 0 and gives_milli >= 0", name="amounts"),
    CheckConstraint("(gives_milli = 0) = (new_lot_id is null)", name="new_lot"),
    ForeignKeyConstraint(["learner_id", "exchange_id"], ["exchanges.learner_id", "exchanges.id"]),
    ForeignKeyConstraint(["learner_id", "old_lot_id"], ["lots.learner_id", "lots.id"]),
    ForeignKeyConstraint(["learner_id", "new_lot_id"], ["lots.learner_id", "lots.id"]),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
