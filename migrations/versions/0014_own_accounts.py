"""Learners come into their own accounts, and guardians act for minors."""

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

    op.create_table(
        "guardianships",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("registered_by", sa.Text(), nullable=False),
        sa.Column("registered_at", Instant(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("until > since", name=op.f("ck_guardianships_days")),
        sa.CheckConstraint("guardian_id <> learner_id", name=op.f("ck_guardianships_two")),
        sa.CheckConstraint("(ended_by is null) = (ended_at is null)", name=op.f("ck_guardianships_ended")),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_guardianships_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_guardianships")),
    )
    op.create_index("ix_guardianships_guardian_id", "guardianships", ["guardian_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
