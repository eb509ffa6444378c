"""The job table (scale.md section 4: a lease and a fence token, at least once on both databases)."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text, Uuid

from creditbank.database.metadata import Instant, Json, metadata

# One row: one piece of work, from being asked for until it is done or given up.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("payload", Json(), nullable=False, doc="what to do; ids only, never personal data"),
    Column("progress", Json(), nullable=False, doc="where the work stands: written in the transaction of each step"),
    # The same work asked for twice is one job while this key stands; it is emptied when the job ends.
    Column("dedup_key", Text, unique=True),
    Column("state", Text, nullable=False),
    Column("run_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_until", Instant),
    # Rises with each lease. A step commits only under the token it began with, so a worker that was thought dead and
    # comes back changes nothing.
    Column("lease_token", BigInteger, nullable=False),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    CheckConstraint("state in ('waiting', 'running', 'done', 'failed')", name="state"),
    Index("ix_jobs_due", "state", "run_at"),
    info={"dist": "local"},
)
