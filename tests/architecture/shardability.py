"""The lint that keeps the tables spreadable over machines by learner (scale.md section 7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, MetaData, Sequence, Table, Uuid
from sqlalchemy.sql.schema import DefaultClause

DISTS: Final = ("learner", "lookup", "reference", "local")

# What a table may refer to. A learner's tables lie together, and reference tables lie everywhere.
_MAY_REFER: Final = {
    "learner": {"learner", "reference"},
    "lookup": {"reference"},
    "reference": {"reference"},
    "local": {"local", "reference"},
}


def lint(metadata: MetaData) -> list[str]:
    """What is wrong, one sentence each; empty when the tables can be spread."""
    return [fault for table in metadata.sorted_tables for fault in _faults(table)]


def _faults(table: Table) -> Iterator[str]:
    dist = table.info.get("dist")
    if dist not in DISTS:
        yield f"{table.name}: info['dist'] is {dist!r} and not one of {', '.join(DISTS)}"
        return
    yield from _made_by_the_server(table)
    yield from _references(table, dist)
    if dist == "learner":
        yield from _learner(table)
    elif "learner_key" in table.info:
        yield f"{table.name}: a {dist} table has no learner_key"
    if dist == "lookup":
        yield from _lookup(table)


def _made_by_the_server(table: Table) -> Iterator[str]:
    for column in table.columns:
        if column.identity is not None or isinstance(column.default, Sequence) or table.autoincrement_column is column:
            yield f"{table.name}.{column.name}: numbered by the server"
        default = column.server_default
        if isinstance(default, DefaultClause) and any(letter in str(default.arg) for letter in "(_"):
            yield f"{table.name}.{column.name}: computed by the server: {default.arg}"
        if column.name == "id" and isinstance(column.type, Integer | BigInteger) and table.info["dist"] != "reference":
            yield f"{table.name}.id: a number and not a UUID"


def _references(table: Table, dist: str) -> Iterator[str]:
    for key in table.foreign_key_constraints:
        to = key.referred_table
        theirs = to.info.get("dist")
        if theirs not in _MAY_REFER[dist]:
            yield f"{table.name}: {_names(key.columns)} refers from a {dist} table to {to.name}, a {theirs} table"
        elif dist == theirs == "learner" and not _carries_learner(key):
            yield f"{table.name}: {_names(key.columns)} refers to {to.name} without the learner"


def _carries_learner(key: ForeignKeyConstraint) -> bool:
    mine, theirs = key.table.info.get("learner_key"), key.referred_table.info.get("learner_key")
    return any(element.parent.name == mine and element.column.name == theirs for element in key.elements)


def _learner(table: Table) -> Iterator[str]:
    name = table.info.get("learner_key")
    key = table.columns.get(name) if isinstance(name, str) else None
    if key is None:
        yield f"{table.name}: info['learner_key'] names no column"
        return
    primary = [column.name for column in table.primary_key.columns]
    if primary not in ([name], [name, "id"]):
        yield f"{table.name}: the primary key is {primary} and not the learner, or the learner and id"
    if next(iter(table.columns)) is not key:
        yield f"{table.name}: {name} is not the first column"
    for column in (key, table.columns.get("id")):
        if column is not None and not (isinstance(column.type, Uuid) and not column.nullable):
            yield f"{table.name}.{column.name}: not a UUID that is always there"
    for unique in _uniques(table):
        if name not in unique:
            yield f"{table.name}: unique {unique} lacks {name}"


def _lookup(table: Table) -> Iterator[str]:
    primary = [column.name for column in table.primary_key.columns]
    if len(primary) != 1:
        yield f"{table.name}: a lookup table has one key and not {primary}"
    for unique in _uniques(table):
        if primary[0] not in unique:
            yield f"{table.name}: unique {unique} lacks {primary[0]}, by which the table is spread"


def _uniques(table: Table) -> list[list[str]]:
    constraints = [c for c in table.constraints if c.__visit_name__ == "unique_constraint"]
    found = [[column.name for column in constraint.columns] for constraint in constraints]  # type: ignore[attr-defined]
    found += [[column.name for column in index.columns] for index in table.indexes if index.unique]
    return sorted(found)


def _names(columns: Iterable[Column[object]]) -> str:
    return ", ".join(column.name for column in columns)
