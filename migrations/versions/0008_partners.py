"""Access of programs: test keys, allow-lists, public keys, last use, assertions that were taken, sandboxes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Instant, Json

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_clients", sa.Column("networks", sa.Text(), nullable=False, server_default=""))
    op.add_column("api_clients", sa.Column("public_keys", Json(), nullable=True))
    op.add_column("api_clients", sa.Column("suspended_at", Instant(), nullable=True))
    op.add_column("api_clients", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("api_keys", sa.Column("is_test", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("api_keys", sa.Column("last_used_at", Instant(), nullable=True))
    op.create_table(
        "assertion_ids",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_assertion_ids")),
    )
    op.create_index(op.f("ix_assertion_ids_expires_at"), "assertion_ids", ["expires_at"], unique=False)
    op.create_table(
        "sandbox_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ahead_microseconds", sa.BigInteger(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_sandbox_clock_single")),
        sa.CheckConstraint("ahead_microseconds >= 0", name=op.f("ck_sandbox_clock_forward")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_clock")),
    )


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
