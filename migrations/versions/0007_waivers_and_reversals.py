"""Waivers of debts by two people, evidence found by its file, and at most one reversal of a posting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

REVERSES = "reverses is not null"


def upgrade() -> None:
    op.create_table(
        "waivers",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("milli", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.CheckConstraint("milli > 0", name=op.f("ck_waivers_milli")),
        sa.CheckConstraint("state in ('proposed', 'approved', 'refused', 'withdrawn')", name=op.f("ck_waivers_state")),
        sa.CheckConstraint("(state = 'proposed') = (decided_by is null)", name=op.f("ck_waivers_decided")),
        sa.CheckConstraint("(state = 'proposed') = (decided_at is null)", name=op.f("ck_waivers_dated")),
        sa.CheckConstraint(
            "decided_by is null or (state = 'withdrawn') = (decided_by = author_id)",
            name=op.f("ck_waivers_two_people"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "review_id"],
            ["reviews.learner_id", "reviews.id"],
            name=op.f("fk_waivers_learner_id_review_id"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "lot_id"], ["lots.learner_id", "lots.id"], name=op.f("fk_waivers_learner_id_lot_id")
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_waivers_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_waivers")),
    )
    op.create_index("ix_evidence_files_stored_as", "evidence_files", ["stored_as"])
    op.create_index(
        "ix_postings_reverses",
        "postings",
        ["learner_id", "reverses", "target"],
        unique=True,
        postgresql_where=sa.text(REVERSES),
        sqlite_where=sa.text(REVERSES),
    )


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
