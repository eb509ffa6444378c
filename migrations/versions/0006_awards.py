"""Which programme a hold is for stands with its application: the table that said so once more goes."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("programme_holds")


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
