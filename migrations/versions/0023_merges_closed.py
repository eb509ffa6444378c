"""What a merge holds of another person has a key of its own; a merge may be proposed of two that were dismissed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("merges", sa.Column("is_despite_dismissal", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
