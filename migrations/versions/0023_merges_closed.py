"""What a merge holds of another person has a key of its own; a merge may be proposed of two that were dismissed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merges", sa.Column("is_despite_dismissal", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "merged_keys",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merged_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_merged_keys_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_merged_keys")),
        sa.UniqueConstraint("learner_id", "merged_id", name=op.f("uq_merged_keys_learner_id_merged_id")),
    )
    op.create_index("ix_merged_keys_merged_id", "merged_keys", ["merged_id"], unique=False)
    op.add_column("achievement_versions", sa.Column("merged_id", sa.Uuid(), nullable=True))
    op.add_column("decisions", sa.Column("merged_ids", sa.Text(), nullable=True))
    op.create_index("ix_attendances_achievement_id", "attendances", ["achievement_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
