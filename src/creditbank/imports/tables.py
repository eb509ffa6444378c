"""Tables of imports. None says anything of a person: rows lie outside the database, sealed; problems name places."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, Json, metadata

# One row: a file that somebody handed in, who they were, and how far it is.
imports = Table(
    "imports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Code, doc="for whom the client spoke; null: the bank"),
    Column("client_id", Uuid, nullable=False),
    Column("assurance", Text, nullable=False, doc="what the credential may assure at most"),
    Column("opens_accounts", Boolean, nullable=False),
    Column("format", Text, nullable=False),
    Column("columns", Json(), nullable=False, doc="by place the name of what the column holds"),
    Column("rows", Integer, nullable=False),
    Column("is_dry", Boolean, nullable=False),
    Column("on_error", Text, nullable=False),
    Column("state", Text, nullable=False),
    # Together the position: written in the transaction of each chunk, so that a chunk is done once in effect.
    Column("recorded", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("wrapped", LargeBinary, doc="the key that the rows are sealed with; null when it was destroyed"),
    Column("forgets_at_end", Boolean, nullable=False, doc="somebody was erased meanwhile who may stand in it"),
    Column("recorded_at", Instant, nullable=False),
    Column("ended_at", Instant),
    CheckConstraint("format in ('csv', 'xlsx', 'xls', 'ndjson')", name="format"),
    CheckConstraint("on_error in ('skip', 'stop')", name="on_error"),
    CheckConstraint("state in ('open', 'done', 'stopped', 'cancelled')", name="state"),
    CheckConstraint("(state = 'open') = (ended_at is null)", name="ended"),
    Index("ix_imports_provider", "provider", "id"),
    info={"dist": "local"},
)

# One row: some of the rows of a file, sealed, and the name under which they lie among the files of evidence.
import_pieces = Table(
    "import_pieces",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("stored_as", Text, nullable=False, doc="SHA-256 of the sealed bytes: the file's name"),
    Index("ix_import_pieces_stored_as", "stored_as"),
    info={"dist": "local"},
)

# One row: one thing wrong in one row of a file.
import_problems = Table(
    "import_problems",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("column", Integer, doc="from 1; null for what is wrong with the row as a whole"),
    Column("pointer", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("says", Text, nullable=False),
    Column("terms", Json(), nullable=False, doc="the bank's own words and numbers, never what was sent"),
    info={"dist": "local"},
)

# One row: which columns of a provider's own sheets hold what.
import_mappings = Table(
    "import_mappings",
    metadata,
    Column("provider", Code, ForeignKey("providers.code"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("columns", Json(), nullable=False, doc="by heading the name of what the column holds"),
    Column("recorded_at", Instant, nullable=False),
    info={"dist": "reference"},
)
