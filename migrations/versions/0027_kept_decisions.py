"""A decision says which later version lets it stand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("kept_by_version_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
