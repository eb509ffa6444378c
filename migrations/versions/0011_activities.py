"""Activities of the network: who was there, and how many without an account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

APPEND_ONLY = ("attendances",)


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.Column("series", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("category", Code(), nullable=True),
        sa.Column("starts", Instant(), nullable=False),
        sa.Column("ends", Instant(), nullable=False),
        sa.Column("hours_milli", sa.BigInteger(), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("status in ('held', 'cancelled')", name=op.f("ck_activities_status")),
        sa.CheckConstraint("ends > starts", name=op.f("ck_activities_times")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_activities_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities")),
    )
    op.create_index("ix_activities_provider", "activities", ["provider", "id"])
    op.create_table(
        "attendances",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("achievement_id", sa.Uuid(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("way in ('roster', 'code', 'sheet')", name=op.f("ck_attendances_way")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_attendances_activity_id")),
        sa.ForeignKeyConstraint(
            ["learner_id", "achievement_id"],
            ["achievements.learner_id", "achievements.id"],
            name=op.f("fk_attendances_learner_id_achievement_id"),
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_attendances")),
        sa.UniqueConstraint("learner_id", "activity_id", name=op.f("uq_attendances_learner_id_activity_id")),
    )
    op.create_index("ix_attendances_activity", "attendances", ["activity_id", "id"])
    op.create_table(
        "head_counts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("region", Code(), nullable=False),
        sa.Column("age_from", sa.Integer(), nullable=False),
        sa.Column("age_until", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("until > starts_on", name=op.f("ck_head_counts_days")),
        sa.CheckConstraint("age_from >= 0 and age_until > age_from", name=op.f("ck_head_counts_ages")),
        sa.CheckConstraint("people >= 0", name=op.f("ck_head_counts_people")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_head_counts_provider")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_head_counts_activity_id")),
        sa.ForeignKeyConstraint(["region"], ["regions.code"], name=op.f("fk_head_counts_region")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_head_counts")),
    )
    op.create_index("ix_head_counts_provider", "head_counts", ["provider", "id"])
    op.create_index("ix_head_counts_region", "head_counts", ["region", "starts_on"])
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
