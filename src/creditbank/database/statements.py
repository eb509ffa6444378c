"""Portable statements over many rows: a constant number of round trips and of distinct SQL texts, on both databases.

PostgreSQL takes arrays (``unnest``), so that one prepared statement serves every size, and many new rows by COPY;
SQLite runs in this process and takes the rows one by one without a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Executable,
    Insert,
    Table,
    Update,
    any_,
    bindparam,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[str, Any]

_COPY_ROWS_MIN: Final = 100
"""From so many rows on COPY is quicker than arrays: about half the work on both sides, for one more round trip."""


def is_postgresql(connection: AsyncConnection) -> bool:
    """Whether this connection leads to PostgreSQL."""
    return connection.dialect.name == "postgresql"


def _array(column: Column[Any], name: str | None = None) -> ColumnElement[Any]:
    # Of one dimension, or a list that is a value of its own (of a JSON column) would be taken for a further one.
    return bindparam(name or column.name, type_=postgresql.ARRAY(column.type, dimensions=1))


def _arrays(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}


@cache
def _unnest(table: Table, names: tuple[str, ...]) -> Any:
    return select(*[func.unnest(_array(table.c[name])).label(name) for name in names])


@cache
def _insert_arrays(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).from_select(list(names), _unnest(table, names))


@cache
def _insert_new_arrays(table: Table, names: tuple[str, ...]) -> Executable:
    key = next(iter(table.primary_key.columns))
    claimed = postgresql.insert(table).from_select(list(names), _unnest(table, names))
    return claimed.on_conflict_do_nothing().returning(key)


@cache
def _update_arrays(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Update:
    given = select(
        *[func.unnest(_array(table.c[name], f"new_{name}")).label(name) for name in (*keys, *names)]
    ).subquery("given")
    return (
        update(table)
        .where(*[table.c[name] == given.c[name] for name in keys])
        .values({name: given.c[name] for name in names})
    )


@cache
def _update_each(table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Update:
    return (
        update(table)
        .where(*[table.c[name] == bindparam(f"new_{name}") for name in keys])
        .values({name: bindparam(f"new_{name}") for name in names})
    )


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all name the same columns. Nothing happens for none."""
    if not rows:
        return
    names = tuple(rows[0])
    if not is_postgresql(connection):
        await connection.execute(insert(table), [dict(row) for row in rows])
    elif len(rows) < _COPY_ROWS_MIN:
        await connection.execute(_insert_arrays(table, names), _arrays(rows, names))
    else:
        await _copy(connection, table, names, rows)


async def _copy(connection: AsyncConnection, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins the transaction with the first statement it sees, and COPY goes past it.
        await connection.execute(text("select 1"))
    kept = [_to_driver(table.c[name], connection.dialect) for name in names]
    if any(kept):
        to_driver = [convert or _as_it_is for convert in kept]
        records = [[to(row[name]) for to, name in zip(to_driver, names, strict=True)] for row in rows]
    else:
        records = [[row[name] for name in names] for row in rows]
    await driver.copy_records_to_table(table.name, columns=names, records=records)


def _to_driver(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _as_it_is(value: Any) -> Any:
    return value


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> set[Any]:
    """Insert rows whose key is not there yet and answer the keys (first primary key column) that were inserted.

    On PostgreSQL this waits for a transaction that holds one of the keys, so that the verdict is final.
    """
    if not rows:
        return set()
    names = tuple(rows[0])
    if is_postgresql(connection):
        found = await connection.execute(_insert_new_arrays(table, names), _arrays(rows, names))
    else:
        key = next(iter(table.primary_key.columns))
        statement = sqlite.insert(table).on_conflict_do_nothing().returning(key)
        found = await connection.execute(statement, [dict(row) for row in rows])
    return set(found.scalars())


async def update_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row], keys: tuple[str, ...]) -> None:
    """Update rows by ``keys``, each to its own values; all name the same columns."""
    if not rows:
        return
    names = tuple(name for name in rows[0] if name not in keys)
    renamed = [{f"new_{name}": value for name, value in row.items()} for row in rows]
    if is_postgresql(connection):
        await connection.execute(_update_arrays(table, keys, names), _arrays(renamed, tuple(renamed[0])))
    else:
        await connection.execute(_update_each(table, keys, names), renamed)


def among(connection: AsyncConnection, column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """``column`` is one of ``values``; on PostgreSQL one SQL text whatever their number."""
    if is_postgresql(connection):
        return column == any_(bindparam(None, list(values), type_=postgresql.ARRAY(column.type)))
    return column.in_(list(values))


def pairs_among(
    connection: AsyncConnection, columns: tuple[Column[Any], Column[Any]], pairs: Sequence[tuple[Any, Any]]
) -> ColumnElement[bool]:
    """The two columns together are one of ``pairs``; on PostgreSQL one SQL text whatever their number."""
    if is_postgresql(connection):
        given = [
            func.unnest(bindparam(None, [pair[i] for pair in pairs], type_=postgresql.ARRAY(columns[i].type)))
            for i in (0, 1)
        ]
        return tuple_(*columns).in_(select(*given))
    return tuple_(*columns).in_(list(pairs))


def for_update(connection: AsyncConnection, statement: Any, table: Table) -> Any:
    """Lock the rows of ``table`` that a SELECT finds. SQLite's one writer holds them all already.

    The lock is NO KEY: no key is ever changed, and whoever only refers to such a row need not wait. A settling that
    writes lots of a rule set would otherwise wait for the publication that waits for it.
    """
    return statement.with_for_update(of=table, key_share=True) if is_postgresql(connection) else statement


def for_share(connection: AsyncConnection, statement: Any) -> Any:
    """Keep others from changing the rows that a SELECT finds until this transaction ends."""
    return statement.with_for_update(read=True) if is_postgresql(connection) else statement


async def hold(connection: AsyncConnection, keys: Sequence[bytes]) -> None:
    """Wait for whoever holds one of these keys, and hold them until this transaction ends.

    For what is counted and then added to: nobody counts between. SQLite's one writer holds everything already. Two keys
    whose first bytes are alike are one, and somebody waits for nothing.
    """
    if is_postgresql(connection):
        # In one order, so that two transactions never wait for each other.
        for number in sorted({int.from_bytes(key[:8], signed=True) for key in keys}):
            await connection.execute(select(func.pg_advisory_xact_lock(bindparam(None, number, type_=BigInteger))))


def skip_locked(connection: AsyncConnection, statement: Any) -> Any:
    """Lock the rows that a SELECT finds and pass over those that somebody else holds."""
    return statement.with_for_update(skip_locked=True) if is_postgresql(connection) else statement


def under(column: Column[Any], path: str) -> ColumnElement[bool]:
    """``column`` holds ``path`` or a path below it, found by one range of the index.

    ``0`` is what follows ``/`` in ASCII. Between ``a`` and ``a/`` lie also ``a-b`` and the like: they are left out.
    """
    return (column >= path) & (column < path + "0") & ((column == path) | (column >= path + "/"))


def starting(column: Column[Any], digits: str) -> ColumnElement[bool]:
    """``column`` holds a text of digits that begins with these; ``:`` is what follows ``9`` in ASCII."""
    return (column >= digits) & (column < digits + ":")
