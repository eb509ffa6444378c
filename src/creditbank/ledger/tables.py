"""Tables of lots and postings (rules/v1 section 17)."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    or_,
    text,
)

from creditbank.database.metadata import Code, Instant, index_where, metadata
from creditbank.ledger.domain import Account

_PLAIN = ("pending", "available", "reserved", "redeemed", "expired", "excess")

# One row: the credits of one grant of one decision, and where they are now. Positions change only with a posting.
lots = Table(
    "lots",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("rule_set_id", Uuid, ForeignKey("rule_sets.id"), nullable=False),
    # What a lot is identified by, through every re-evaluation: rule set, binding, unit, running number.
    Column("binding", Text, nullable=False, doc="achievement ids in slot order, separated by commas"),
    Column("unit", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("decision_id", Uuid, nullable=False, doc="the decision that now stands behind it"),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False, doc="of the lead achievement"),
    Column("kind", Text, nullable=False, doc="of the lead achievement"),
    Column("credit_unit", Text, nullable=False),
    Column("category", Text),
    Column("level", SmallInteger),
    Column("grade_scale", Text),
    Column("grade", Text),
    Column("effective", Date, nullable=False, doc="the governing date"),
    Column("expires", Date, doc="the first day on which it can no longer be used"),
    *[Column(f"{name}_milli", BigInteger, nullable=False, server_default=text("0")) for name in Account],
    *[CheckConstraint(f"{name}_milli >= 0", name=name) for name in _PLAIN],
    CheckConstraint("owed_milli <= 0", name="owed"),
    CheckConstraint(" + ".join(f"{name}_milli" for name in Account) + " = 0", name="balanced"),
    ForeignKeyConstraint(["learner_id", "decision_id"], ["decisions.learner_id", "decisions.id"]),
    UniqueConstraint("learner_id", "rule_set_id", "binding", "unit", "number"),
    info={"dist": "learner", "learner_key": "learner_id"},
)


def is_unexpired() -> ColumnElement[bool]:
    """Whether a lot has credits that its date, once reached, would expire."""
    return or_(lots.c.available_milli > 0, lots.c.pending_milli > 0, lots.c.excess_milli > 0)


# What the daily round asks for: few lots have a date, and fewer have reached it and are not expired.
index_where("ix_lots_to_expire", lots.c.expires, is_unexpired())

# One row: what one act of a person or of time did to one learner's ledger. A settling is its evaluation instead.
ledger_transactions = Table(
    "ledger_transactions",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True, doc="the postings' transaction_id"),
    Column("key", Text, nullable=False, doc="the same key again is the same act: kept for ever"),
    Column(
        "code", Text, nullable=False, doc="hold, redeem, void, timeout, expire, annul, write_off, convert, transfer"
    ),
    Column("reason", Text, doc="a code; what a person wrote is sealed where it was said"),
    Column("client_id", Uuid, doc="who did it; none: time"),
    Column("approver_id", Uuid, doc="the second person, where two are needed"),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("learner_id", "key"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: credits reserved for an application, until it is decided, withdrawn, or its time is over.
holds = Table(
    "holds",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("placed_on", Date, nullable=False, doc="credits are judged on this day"),
    Column("until", Instant, nullable=False, doc="when it lapses"),
    Column("state", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("ended_at", Instant),
    CheckConstraint("state in ('open', 'redeemed', 'voided', 'timed_out', 'broken')", name="state"),
    CheckConstraint("(state = 'open') = (ended_at is null)", name="ended"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: what a hold reserves of one lot.
hold_lines = Table(
    "hold_lines",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("hold_id", Uuid, nullable=False),
    Column("lot_id", Uuid, nullable=False),
    Column("milli", BigInteger, nullable=False),
    Column("redeemed_milli", BigInteger, nullable=False, server_default=text("0")),
    Column("posting_id", Uuid, nullable=False, doc="the HOLD by which it was reserved"),
    ForeignKeyConstraint(["learner_id", "hold_id"], ["holds.learner_id", "holds.id"]),
    ForeignKeyConstraint(["learner_id", "lot_id"], ["lots.learner_id", "lots.id"]),
    UniqueConstraint("learner_id", "hold_id", "lot_id"),
    CheckConstraint("milli > 0 and redeemed_milli >= 0 and redeemed_milli <= milli", name="amounts"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: an amount moved from one account of a lot to another. Balanced by construction; never changed.
postings = Table(
    "postings",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False, doc="from 1, without a gap"),
    Column("lot_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("amount_milli", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("transaction_id", Uuid, nullable=False, doc="what was posted together; the evaluation's id when it settles"),
    Column("decision_id", Uuid, nullable=False),
    Column("effective", Date, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("reverses", Uuid, doc="the one posting that it undoes (decision 0029)"),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    ForeignKeyConstraint(["learner_id", "lot_id"], ["lots.learner_id", "lots.id"]),
    ForeignKeyConstraint(["learner_id", "decision_id"], ["decisions.learner_id", "decisions.id"]),
    UniqueConstraint("learner_id", "seq"),
    CheckConstraint("amount_milli > 0", name="amount"),
    CheckConstraint("source <> target", name="accounts"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# A posting is undone once: what an annulment gives back goes to several accounts, and once to each.
index_where(
    "ix_postings_reverses",
    postings.c.learner_id,
    postings.c.reverses.is_not(None),
    postings.c.reverses,
    postings.c.target,
    unique=True,
)
