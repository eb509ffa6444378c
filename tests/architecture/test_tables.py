"""Tables stay spreadable over machines by learner (scale.md section 7), and every table says how."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from creditbank.database.metadata import metadata
from tests.architecture.shardability import lint
from tests.architecture.source import import_all, modules

LEARNER = {"dist": "learner", "learner_key": "learner_id"}
REFERENCE = {"dist": "reference"}


def test_the_tables_can_be_spread_by_learner() -> None:
    import_all()

    assert lint(metadata) == []


def test_the_lint_sees_every_file_of_tables() -> None:
    import_all()
    files = [module for module in modules() if module.name.endswith("tables.py")]

    declared = {
        str(call.args[0].value)  # type: ignore[attr-defined]
        for module in files
        for call in module.calls()
        if getattr(call.func, "id", "") == "Table"
    }

    assert declared == set(metadata.tables)
    assert len(declared) >= 19


def learners(tables: MetaData) -> Table:
    """A sound table of learners."""
    return Table("learners", tables, Column("id", Uuid, primary_key=True), info={**LEARNER, "learner_key": "id"})


def owned(tables: MetaData, *parts: Column[object] | ForeignKeyConstraint | UniqueConstraint | Index) -> Table:
    """A sound table that a learner owns, but for ``parts``."""
    learners(tables)
    return Table(
        "owned",
        tables,
        Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
        Column("id", Uuid, primary_key=True),
        *parts,
        info=LEARNER,
    )


Build = Callable[[MetaData], object]

BAD: list[tuple[str, Build, str]] = [
    ("no dist", lambda m: Table("t", m, Column("id", Uuid, primary_key=True)), "info['dist'] is None"),
    (
        "a dist of one's own",
        lambda m: Table("t", m, Column("id", Uuid, primary_key=True), info={"dist": "spread"}),
        "info['dist'] is 'spread'",
    ),
    (
        "id first in the key",
        lambda m: Table(
            "t", m, Column("id", Uuid, primary_key=True), Column("learner_id", Uuid, primary_key=True), info=LEARNER
        ),
        "primary key is ['id', 'learner_id']",
    ),
    (
        "the learner not in the key",
        lambda m: Table("t", m, Column("learner_id", Uuid), Column("id", Uuid, primary_key=True), info=LEARNER),
        "primary key is ['id']",
    ),
    ("no learner at all", lambda m: Table("t", m, Column("id", Uuid, primary_key=True), info=LEARNER), "no column"),
    (
        "the learner not the first column",
        lambda m: Table("t", m, Column("note", Text), Column("learner_id", Uuid, primary_key=True), info=LEARNER),
        "not the first column",
    ),
    (
        "a learner that is a number",
        lambda m: Table("t", m, Column("learner_id", BigInteger, primary_key=True), info=LEARNER),
        "not a UUID",
    ),
    ("a column unique for all learners", lambda m: owned(m, Column("n", Text, unique=True)), "unique ['n']"),
    (
        "a constraint unique for all learners",
        lambda m: owned(m, Column("a", Text), Column("b", Text), UniqueConstraint("a", "b")),
        "unique ['a', 'b']",
    ),
    (
        "an index unique for all learners",
        lambda m: owned(m, Column("n", Text), Index("ix", "n", unique=True)),
        "unique ['n']",
    ),
    (
        "a reference to another learner's row",
        lambda m: owned(m, Column("friend", Uuid, ForeignKey("learners.id"))),
        "friend refers to learners without the learner",
    ),
    (
        "a reference crosswise",
        lambda m: owned(
            m, Column("other", Uuid), ForeignKeyConstraint(["id", "learner_id"], ["owned.learner_id", "owned.id"])
        ),
        "refers to owned without the learner",
    ),
    (
        "a reference table that points at learners",
        lambda m: Table(
            "t",
            m,
            Column("id", Uuid, primary_key=True),
            Column("learner_id", Uuid, ForeignKey(learners(m).c.id)),
            info=REFERENCE,
        ),
        "from a reference table to learners",
    ),
    (
        "a learner's table that points at a lookup table",
        lambda m: owned(
            m,
            Column(
                "key",
                LargeBinary,
                ForeignKey(Table("l", m, Column("key", LargeBinary, primary_key=True), info={"dist": "lookup"}).c.key),
            ),
        ),
        "to l, a lookup table",
    ),
    (
        "a lookup table of two keys",
        lambda m: Table(
            "l", m, Column("a", Text, primary_key=True), Column("b", Text, primary_key=True), info={"dist": "lookup"}
        ),
        "has one key",
    ),
    (
        "a lookup table unique by something else too",
        lambda m: Table(
            "l",
            m,
            Column("key", LargeBinary, primary_key=True),
            Column("n", Text, unique=True),
            info={"dist": "lookup"},
        ),
        "lacks key",
    ),
    ("an identity", lambda m: owned(m, Column("n", BigInteger, Identity())), "numbered by the server"),
    ("a sequence", lambda m: owned(m, Column("n", BigInteger, Sequence("s"))), "numbered by the server"),
    (
        "a serial key",
        lambda m: Table("t", m, Column("id", Integer, primary_key=True), info={"dist": "local"}),
        "numbered by the server",
    ),
    (
        "an instant of the server's",
        lambda m: owned(m, Column("at", Text, server_default=text("now()"))),
        "computed by the server",
    ),
    (
        "the server's clock without brackets",
        lambda m: owned(m, Column("at", Text, server_default=text("current_timestamp"))),
        "computed by the server",
    ),
]


@pytest.mark.parametrize(("build", "fault"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_the_lint_finds(build: Build, fault: str) -> None:
    tables = MetaData()
    build(tables)

    assert any(fault in found for found in lint(tables)), lint(tables)


def test_the_lint_lets_a_sound_schema_pass() -> None:
    tables = MetaData()
    Table("schools", tables, Column("id", Uuid, primary_key=True), Column("code", Text, unique=True), info=REFERENCE)
    owned(
        tables,
        Column("school", Uuid, ForeignKey("schools.id")),
        Column("former", Uuid),
        Column("n", Integer, server_default=text("0")),
        ForeignKeyConstraint(["learner_id", "former"], ["owned.learner_id", "owned.id"]),
        UniqueConstraint("learner_id", "n"),
    )

    assert lint(tables) == []
