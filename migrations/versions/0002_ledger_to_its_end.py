"""The ledger to its end: acts, holds, rulings, and the work that waits for people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNEXPIRED = "available_milli > 0 or pending_milli > 0 or excess_milli > 0"

APPEND_ONLY = ("ledger_transactions",)


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("placed_on", sa.Date(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("(state = 'open') = (ended_at is null)", name=op.f("ck_holds_ended")),
        sa.CheckConstraint(
            "state in ('open', 'redeemed', 'voided', 'timed_out', 'broken')", name=op.f("ck_holds_state")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_holds_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_holds")),
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("approver_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_ledger_transactions_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("learner_id", "key", name=op.f("uq_ledger_transactions_learner_id_key")),
    )
    op.create_table(
        "reviews",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("rule_set", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.CheckConstraint("(state = 'open') = (closed_at is null)", name=op.f("ck_reviews_closed")),
        sa.CheckConstraint("kind in ('decision', 'debt', 'claim', 'appeal')", name=op.f("ck_reviews_kind")),
        sa.CheckConstraint("state in ('open', 'closed')", name=op.f("ck_reviews_state")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_reviews_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_reviews")),
    )
    op.create_index(
        "ix_lots_to_expire",
        "lots",
        ["expires"],
        unique=False,
        postgresql_where=sa.text(UNEXPIRED),
        sqlite_where=sa.text(UNEXPIRED),
    )
    op.create_index("ix_reviews_open", "reviews", ["state", "due_on", "id"], unique=False)
    op.create_table(
        "rulings",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule_set", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=True),
        sa.Column("expires", sa.Date(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.CheckConstraint("kind in ('insert', 'force', 'waive', 'block', 'value')", name=op.f("ck_rulings_kind")),
        sa.CheckConstraint("state in ('proposed', 'approved', 'refused', 'withdrawn')", name=op.f("ck_rulings_state")),
        sa.CheckConstraint("approver_id is null or approver_id <> author_id", name=op.f("ck_rulings_two_people")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_rulings_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_rulings")),
    )
    op.create_table(
        "hold_lines",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("milli", sa.BigInteger(), nullable=False),
        sa.Column("redeemed_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "milli > 0 and redeemed_milli >= 0 and redeemed_milli <= milli", name=op.f("ck_hold_lines_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "hold_id"], ["holds.learner_id", "holds.id"], name=op.f("fk_hold_lines_learner_id_hold_id")
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "lot_id"], ["lots.learner_id", "lots.id"], name=op.f("fk_hold_lines_learner_id_lot_id")
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_hold_lines")),
        sa.UniqueConstraint("learner_id", "hold_id", "lot_id", name=op.f("uq_hold_lines_learner_id_hold_id_lot_id")),
    )
    op.create_table(
        "claims",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("achievement_id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lodged_by", sa.Uuid(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("appeals", sa.Integer(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "state in ('lodged', 'accepted', 'rejected', 'appealed', 'closed')", name=op.f("ck_claims_state")
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "achievement_id"],
            ["achievements.learner_id", "achievements.id"],
            name=op.f("fk_claims_learner_id_achievement_id"),
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_claims_learner_id")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_claims_provider")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_claims")),
        sa.UniqueConstraint("learner_id", "achievement_id", name=op.f("uq_claims_learner_id_achievement_id")),
    )
    op.create_table(
        "evidence_files",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("stored_as", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_evidence_files_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_evidence_files")),
        sa.UniqueConstraint("learner_id", "mark", name=op.f("uq_evidence_files_learner_id_mark")),
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
