"""Forgetting: whose roles an erasure takes back, and looks by their age, are found without reading all."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_user_roles_learner_id", "user_roles", ["learner_id"], unique=False)
    op.create_index("ix_looks_last_at", "looks", ["last_at"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
