"""Privacy: erasures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


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


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
