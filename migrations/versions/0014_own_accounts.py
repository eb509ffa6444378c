"""Learners come into their own accounts: codes."""

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
        "activation_codes",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_activation_codes")),
    )
    op.create_index("ix_activation_codes_learner_id", "activation_codes", ["learner_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
