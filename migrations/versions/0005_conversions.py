"""Applications for awards, awards, and exchanges of credits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant, Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APPEND_ONLY = ("awards", "exchange_lines", "exchanges", "stack_uses")


def upgrade() -> None:
    op.create_table(
        "conversions",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_version_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("provider", Code(), nullable=True),
        sa.Column("total_milli", sa.BigInteger(), nullable=False),
        sa.Column("applied_by", sa.Uuid(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("shares", Json(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("outcome in ('approved', 'rejected', 'withdrawn')", name=op.f("ck_conversions_outcome")),
        sa.ForeignKeyConstraint(
            ["learner_id", "hold_id"], ["holds.learner_id", "holds.id"], name=op.f("fk_conversions_learner_id_hold_id")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_conversions_learner_id")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_conversions_provider")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_conversions_rule_set_id")),
        sa.ForeignKeyConstraint(
            ["rule_set_version_id"], ["rule_set_versions.id"], name=op.f("fk_conversions_rule_set_version_id")
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_conversions")),
        sa.UniqueConstraint("learner_id", "hold_id", name=op.f("uq_conversions_learner_id_hold_id")),
        sa.UniqueConstraint("learner_id", "request", name=op.f("uq_conversions_learner_id_request")),
    )
    op.create_index("ix_conversions_id", "conversions", ["id"], unique=False)
    op.create_index("ix_conversions_provider", "conversions", ["provider", "id"], unique=False)
    op.create_table(
        "awards",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversion_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("awarded_on", sa.Date(), nullable=False),
        sa.Column("is_part", sa.Boolean(), nullable=False),
        sa.Column("milli", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id", "conversion_id"],
            ["conversions.learner_id", "conversions.id"],
            name=op.f("fk_awards_learner_id_conversion_id"),
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_awards_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_awards")),
        sa.UniqueConstraint("learner_id", "conversion_id", name=op.f("uq_awards_learner_id_conversion_id")),
    )
    op.create_table(
        "award_numbers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("award_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_award_numbers")),
    )
    op.create_table(
        "stack_uses",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversion_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("award_id", sa.Uuid(), nullable=False),
        sa.Column("milli", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("milli > 0", name=op.f("ck_stack_uses_amount")),
        sa.ForeignKeyConstraint(
            ["learner_id", "award_id"],
            ["awards.learner_id", "awards.id"],
            name=op.f("fk_stack_uses_learner_id_award_id"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "conversion_id"],
            ["conversions.learner_id", "conversions.id"],
            name=op.f("fk_stack_uses_learner_id_conversion_id"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "lot_id"], ["lots.learner_id", "lots.id"], name=op.f("fk_stack_uses_learner_id_lot_id")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_stack_uses_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_stack_uses")),
        sa.UniqueConstraint(
            "learner_id",
            "conversion_id",
            "lot_id",
            "award_id",
            name=op.f("uq_stack_uses_learner_id_conversion_id_lot_id_award_id"),
        ),
    )
    op.create_table(
        "annulments",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("award_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.CheckConstraint("(state = 'proposed') = (approver_id is null)", name=op.f("ck_annulments_decided")),
        sa.CheckConstraint("state in ('proposed', 'approved', 'refused')", name=op.f("ck_annulments_state")),
        sa.CheckConstraint("approver_id is null or approver_id <> author_id", name=op.f("ck_annulments_two_people")),
        sa.ForeignKeyConstraint(
            ["learner_id", "award_id"],
            ["awards.learner_id", "awards.id"],
            name=op.f("fk_annulments_learner_id_award_id"),
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_annulments_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_annulments")),
    )
    op.create_table(
        "exchanges",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_version_id", sa.Uuid(), nullable=False),
        sa.Column("conversion", sa.Text(), nullable=True),
        sa.Column("provider", Code(), nullable=True),
        sa.Column("uses_milli", sa.BigInteger(), nullable=False),
        sa.Column("gives_milli", sa.BigInteger(), nullable=False),
        sa.Column("rest_milli", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("(kind = 'convert') = (conversion is not null)", name=op.f("ck_exchanges_conversion")),
        sa.CheckConstraint("(kind = 'transfer') = (provider is not null)", name=op.f("ck_exchanges_provider")),
        sa.CheckConstraint("kind in ('convert', 'transfer')", name=op.f("ck_exchanges_kind")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_exchanges_learner_id")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_exchanges_provider")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_exchanges_rule_set_id")),
        sa.ForeignKeyConstraint(
            ["rule_set_version_id"], ["rule_set_versions.id"], name=op.f("fk_exchanges_rule_set_version_id")
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_exchanges")),
        sa.UniqueConstraint("learner_id", "request", name=op.f("uq_exchanges_learner_id_request")),
    )
    op.create_table(
        "exchange_lines",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("exchange_id", sa.Uuid(), nullable=False),
        sa.Column("old_lot_id", sa.Uuid(), nullable=False),
        sa.Column("uses_milli", sa.BigInteger(), nullable=False),
        sa.Column("new_lot_id", sa.Uuid(), nullable=True),
        sa.Column("gives_milli", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(gives_milli = 0) = (new_lot_id is null)", name=op.f("ck_exchange_lines_new_lot")),
        sa.CheckConstraint("uses_milli > 0 and gives_milli >= 0", name=op.f("ck_exchange_lines_amounts")),
        sa.ForeignKeyConstraint(
            ["learner_id", "exchange_id"],
            ["exchanges.learner_id", "exchanges.id"],
            name=op.f("fk_exchange_lines_learner_id_exchange_id"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "new_lot_id"],
            ["lots.learner_id", "lots.id"],
            name=op.f("fk_exchange_lines_learner_id_new_lot_id"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "old_lot_id"],
            ["lots.learner_id", "lots.id"],
            name=op.f("fk_exchange_lines_learner_id_old_lot_id"),
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_exchange_lines_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_exchange_lines")),
    )
    for table in APPEND_ONLY:
        _guard(table)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")


def _guard(table: str) -> None:
    """Refuse change and removal, as the first migration does for its tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table} "
            "for each row execute function creditbank_refuse_change()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function creditbank_refuse_change()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, '{table} is append-only: {verb} refused'); end"
        )
