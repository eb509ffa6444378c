"""Indexes for what is looked for by the hour, by an erasure, and by anybody on the public list of activities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None

WHOLE = (("failed_logins", "at"), ("sessions", "used_at"), ("activities", "ends"))
SOME = (("sessions", "learner_id"), ("sessions", "ended_at"))


def upgrade() -> None:
    for table, column in WHOLE:
        op.create_index(f"ix_{table}_{column}", table, [column], unique=False)
    for table, column in SOME:
        some = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], unique=False, postgresql_where=some, sqlite_where=some)
    op.create_index("ix_activities_series", "activities", ["series", "id"], unique=False)
    if op.get_context().dialect.name == "postgresql":
        # The type that every other code has; it means the same, and rewrites nothing.
        op.execute('alter table providers alter column region type varchar collate "C"')


def downgrade() -> None:
    op.drop_index("ix_activities_series", "activities")
    for table, column in (*WHOLE, *SOME):
        op.drop_index(f"ix_{table}_{column}", table)
