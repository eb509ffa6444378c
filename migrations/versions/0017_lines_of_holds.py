"""A line of a hold keeps the posting that reserved it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# What reserved a line was posted in the act that placed the hold, and no two acts of a learner have one instant.
FOUND = """
update hold_lines set posting_id = (
    select postings.id from postings join holds
        on holds.learner_id = postings.learner_id and holds.recorded_at = postings.recorded_at
    where postings.learner_id = hold_lines.learner_id and holds.id = hold_lines.hold_id
        and postings.lot_id = hold_lines.lot_id and postings.code = 'HOLD'
)
"""


def upgrade() -> None:
    op.add_column("hold_lines", sa.Column("posting_id", sa.Uuid(), nullable=True))
    op.execute(FOUND)
    with op.batch_alter_table("hold_lines") as lines:
        lines.alter_column("posting_id", existing_type=sa.Uuid(), nullable=False)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
