"""Two accounts of one person become one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Instant

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

_STATES = "'proposed', 'approved', 'done', 'undo_proposed', 'undoing', 'undone', 'declined'"


def upgrade() -> None:
    op.add_column("learners", sa.Column("likeness", sa.LargeBinary(), nullable=True))
    op.create_index("ix_learners_likeness", "learners", ["likeness"], unique=False)
    op.add_column("learners", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.create_index("ix_learners_merged_into", "learners", ["merged_into"], unique=False)
    op.add_column("learner_identities", sa.Column("merged_id", sa.Uuid(), nullable=True))
    op.add_column("achievements", sa.Column("named_id", sa.Uuid(), nullable=True))
    op.create_table(
        "merges",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("former_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=True),
        sa.Column("undo_reason", sa.Text(), nullable=True),
        sa.Column("undo_author", sa.Text(), nullable=True),
        sa.Column("undo_approver", sa.Text(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("undo_recorded_at", Instant(), nullable=True),
        sa.Column("undo_decided_at", Instant(), nullable=True),
        sa.CheckConstraint(f"state in ({_STATES})", name=op.f("ck_merges_state")),
        sa.CheckConstraint("learner_id <> merged_id", name=op.f("ck_merges_two_accounts")),
        sa.CheckConstraint("(state = 'proposed') = (decided_at is null)", name=op.f("ck_merges_decided")),
        sa.CheckConstraint("approver is null or approver <> author", name=op.f("ck_merges_two_people")),
        sa.CheckConstraint(
            "undo_approver is null or undo_approver <> undo_author", name=op.f("ck_merges_undo_by_two_people")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_merges_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_merges")),
    )
    op.create_index("ix_merges_merged_id", "merges", ["merged_id"], unique=False)
    op.create_table(
        "merge_steps",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("achievement_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("kind in ('moved', 'returned', 'lapsed', 'stayed')", name=op.f("ck_merge_steps_kind")),
        sa.ForeignKeyConstraint(
            ["learner_id", "merge_id"],
            ["merges.learner_id", "merges.id"],
            name=op.f("fk_merge_steps_learner_id_merge_id"),
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_merge_steps")),
        sa.UniqueConstraint(
            "learner_id",
            "merge_id",
            "achievement_id",
            "kind",
            name=op.f("uq_merge_steps_learner_id_merge_id_achievement_id_kind"),
        ),
    )
    op.create_table(
        "merge_dismissals",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("learner_id < other_id", name=op.f("ck_merge_dismissals_order")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_merge_dismissals_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_merge_dismissals")),
        sa.UniqueConstraint("learner_id", "other_id", name=op.f("uq_merge_dismissals_learner_id_other_id")),
    )
    _guard("merge_steps")
    _guard("merge_dismissals")


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
