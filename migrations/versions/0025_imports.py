"""Files of results: imports, their rows, their problems, and the mappings that providers saved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant, Json

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("assurance", sa.Text(), nullable=False),
        sa.Column("opens_accounts", sa.Boolean(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("columns", Json(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("is_dry", sa.Boolean(), nullable=False),
        sa.Column("on_error", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("forgets_at_end", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("format in ('csv', 'xlsx', 'xls', 'ndjson')", name=op.f("ck_imports_format")),
        sa.CheckConstraint("on_error in ('skip', 'stop')", name=op.f("ck_imports_on_error")),
        sa.CheckConstraint("state in ('open', 'done', 'stopped', 'cancelled')", name=op.f("ck_imports_state")),
        sa.CheckConstraint("(state = 'open') = (ended_at is null)", name=op.f("ck_imports_ended")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_provider", "imports", ["provider", "id"], unique=False)
    op.create_table(
        "import_pieces",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stored_as", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_pieces_import_id")),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_import_pieces")),
    )
    op.create_index("ix_import_pieces_stored_as", "import_pieces", ["stored_as"], unique=False)
    op.create_table(
        "import_problems",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("column", sa.Integer(), nullable=True),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.Column("terms", Json(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_problems_import_id")),
        sa.PrimaryKeyConstraint("import_id", "row", "number", name=op.f("pk_import_problems")),
    )
    op.create_table(
        "import_mappings",
        sa.Column("provider", Code(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("columns", Json(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_import_mappings_provider")),
        sa.PrimaryKeyConstraint("provider", "name", name=op.f("pk_import_mappings")),
    )


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
