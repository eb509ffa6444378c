"""Programmes: the catalogue's offerings, enrolments, admissions, what holds are for, audits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant, Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APPEND_ONLY = ("enrolments", "enrolment_changes", "programme_holds", "programme_audits")


def upgrade() -> None:
    op.create_table(
        "offerings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("category", Code(), nullable=True),
        sa.Column("level", Json(), nullable=False),
        sa.Column("credits_milli", sa.BigInteger(), nullable=True),
        sa.Column("hours_milli", sa.BigInteger(), nullable=True),
        sa.Column("fee_milli", sa.BigInteger(), nullable=True),
        sa.Column("places", sa.Integer(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("assumed", Json(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("status in ('open', 'closed')", name=op.f("ck_offerings_status")),
        sa.CheckConstraint(
            "ends_on is null or starts_on is null or ends_on >= starts_on", name=op.f("ck_offerings_days")
        ),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_offerings_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offerings")),
        sa.UniqueConstraint("provider", "code", name=op.f("uq_offerings_provider_code")),
    )
    op.create_index("ix_offerings_kind", "offerings", ["kind", "status"], unique=False)
    op.create_table(
        "enrolments",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("enrolled_on", sa.Date(), nullable=False),
        sa.Column("applied_on", sa.Date(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("applied_on is null or applied_on <= enrolled_on", name=op.f("ck_enrolments_days")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_enrolments_learner_id")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_enrolments_rule_set_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_enrolments")),
    )
    op.create_table(
        "enrolment_changes",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("enrolment_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("detail", Json(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "kind in ('interrupted', 'resumed', 'elected', 'pinned', 'ended')", name=op.f("ck_enrolment_changes_kind")
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "enrolment_id"],
            ["enrolments.learner_id", "enrolments.id"],
            name=op.f("fk_enrolment_changes_learner_id_enrolment_id"),
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_enrolment_changes")),
    )
    op.create_table(
        "programme_admissions",
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("credits_milli", sa.BigInteger(), nullable=True),
        sa.Column("award", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("credits_milli is null or credits_milli > 0", name=op.f("ck_programme_admissions_credits")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_programme_admissions_rule_set_id")),
        sa.PrimaryKeyConstraint("rule_set_id", "programme", name=op.f("pk_programme_admissions")),
    )
    op.create_table(
        "programme_holds",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id", "id"], ["holds.learner_id", "holds.id"], name=op.f("fk_programme_holds_learner_id_id")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_programme_holds_learner_id")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_programme_holds_rule_set_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_programme_holds")),
    )
    op.create_table(
        "programme_audits",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("inputs_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("answer", Json(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_programme_audits_learner_id")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_programme_audits_rule_set_id")),
        sa.ForeignKeyConstraint(["version_id"], ["rule_set_versions.id"], name=op.f("fk_programme_audits_version_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_programme_audits")),
        sa.UniqueConstraint(
            "learner_id",
            "rule_set_id",
            "programme",
            "inputs_sha256",
            name=op.f("uq_programme_audits_learner_id_rule_set_id_programme_inputs_sha256"),
        ),
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
