"""Accounts: what an account is, from opened to erased."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_STATES = "'pending', 'active', 'closed', 'deceased', 'merged', 'erased'"


def upgrade() -> None:
    # In SQL, which both databases read alike: the table is neither copied nor locked for long, and keeps its triggers.
    op.execute(
        "alter table learners add column state text not null default 'active' "
        f"constraint ck_learners_state check (state in ({_STATES}))"
    )


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
