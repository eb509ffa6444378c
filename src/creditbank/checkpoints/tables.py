"""Tables of the checkpoint log. Nothing in it names a person, and nothing but its size ever changes."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Instant, metadata

# The one row: how many leaves there are, signed or not yet. Who appends locks it first.
checkpoint_log = Table(
    "checkpoint_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
    info={"dist": "reference"},
)

# One row: a complete subtree of the log, a leaf being the smallest. Its position follows from its place (domain).
checkpoint_hashes = Table(
    "checkpoint_hashes",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    info={"dist": "lookup", "append_only": True},
)

# One row: where a learner's chain stood when a checkpoint found it changed.
checkpoint_leaves = Table(
    "checkpoint_leaves",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False, doc="of the last posting"),
    Column("head", LargeBinary, nullable=False, doc="hash of the last posting"),
    Column("place", BigInteger, nullable=False, doc="of the leaf in the log, from 0"),
    # A chain only grows: a learner has changed when there is no leaf of their present seq.
    UniqueConstraint("learner_id", "seq"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: the log signed at a size.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("note", Text, nullable=False, doc="the signed text: origin, size, root, time, signature"),
    info={"dist": "local", "append_only": True},
)
