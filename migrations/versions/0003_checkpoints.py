"""Checkpoints: the log of where every learner's chain stood, and what was signed of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = ("checkpoint_hashes", "checkpoint_leaves", "checkpoints")


def upgrade() -> None:
    op.create_table(
        "checkpoint_hashes",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_checkpoint_hashes")),
    )
    op.create_table(
        "checkpoint_log",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_checkpoint_log_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoint_log")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "checkpoint_leaves",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_checkpoint_leaves_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_checkpoint_leaves")),
        sa.UniqueConstraint("learner_id", "seq", name=op.f("uq_checkpoint_leaves_learner_id_seq")),
    )
    op.execute("insert into checkpoint_log (id, size) values (1, 0)")
    for table in APPEND_ONLY:
        _guard(table)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")


def _guard(table: str) -> None:
    """Refuse change and removal, as the first migration does for its tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table} "
            "for each row execute function creditbank_refuse_change()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function creditbank_refuse_change()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, '{table} is append-only: {verb} refused'); end"
        )
