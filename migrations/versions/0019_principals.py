"""Who made a program; and of the roles that an identity provider gives, each at most once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_clients", sa.Column("made_by", sa.Text(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
