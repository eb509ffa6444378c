"""Privacy and audit: erasures, consents, looks, exports of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_exports", "consents", "consent_withdrawals", "looks")


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.CheckConstraint("state in ('proposed', 'approved', 'refused')", name=op.f("ck_erasures_state")),
        sa.CheckConstraint("(state = 'proposed') = (decided_at is null)", name=op.f("ck_erasures_decided")),
        sa.CheckConstraint("approver is null or approver <> author", name=op.f("ck_erasures_two_people")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_erasures_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_id", "erasures", ["id"], unique=False)
    op.create_table(
        "consents",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipient", Code(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("purpose", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("what <> ''", name=op.f("ck_consents_what")),
        sa.CheckConstraint("until is null or until > since", name=op.f("ck_consents_days")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_consents_learner_id")),
        sa.ForeignKeyConstraint(["recipient"], ["providers.code"], name=op.f("fk_consents_recipient")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_consents")),
    )
    op.create_table(
        "consent_withdrawals",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.Column("withdrawn_by", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id", "consent_id"],
            ["consents.learner_id", "consents.id"],
            name=op.f("fk_consent_withdrawals_learner_id_consent_id"),
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_consent_withdrawals")),
        sa.UniqueConstraint("learner_id", "consent_id", name=op.f("uq_consent_withdrawals_learner_id_consent_id")),
    )
    op.create_table(
        "looks",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=True),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.CheckConstraint("times > 0", name=op.f("ck_looks_times")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_looks_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_looks")),
    )
    op.create_table(
        "audit_exports",
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("exported_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_audit_exports")),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at", "id"], unique=False)
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
