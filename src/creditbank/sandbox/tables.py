"""The one thing that a sandbox keeps and a bank does not: how far its clock is ahead."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table

from creditbank.database.metadata import Instant, metadata

# One row in a sandbox, none in a bank: by this row a database is known to be no real books.
sandbox_clock = Table(
    "sandbox_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ahead_microseconds", BigInteger, nullable=False),
    Column("made_at", Instant, nullable=False, doc="by the clock of the bank"),
    CheckConstraint("id = 1", name="single"),
    CheckConstraint("ahead_microseconds >= 0", name="forward"),
    info={"dist": "reference"},
)
