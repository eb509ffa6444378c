"""One MetaData for all tables, the column types they share, and what a row's ``dist`` mark means.

Every table says how it would be spread over machines (scale.md section 7; held by a lint over this metadata):

- ``learner``    owned by a learner, spread by ``learner_id``;
- ``lookup``     found by one key that is unique across learners, spread by that key;
- ``reference``  small and rarely written, copied to every machine;
- ``local``      kept on the coordinator.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import JSON, BigInteger, Column, ColumnElement, Dialect, Index, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

Dist = Literal["learner", "lookup", "reference", "local"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """A UTC instant to the microsecond: ``timestamptz``; on SQLite, which has none, whole microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type on this database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What is stored for an aware datetime."""
        if value is None or dialect.name == "postgresql":
            return value
        gap = value - _EPOCH
        return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The aware datetime that was stored."""
        if value is None or dialect.name == "postgresql":
            return value  # type: ignore[no-any-return]
        return _EPOCH + timedelta(microseconds=value)


class Code(TypeDecorator[str]):
    """Text compared byte by byte, so that a range over a path's prefix can use the index on every database."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """``text COLLATE "C"`` on PostgreSQL; SQLite compares bytes by itself."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())


def Json() -> JSON:
    """A JSON column: ``jsonb`` on PostgreSQL."""
    return JSON().with_variant(JSONB(), "postgresql")


def index_where(
    name: str, column: Column[Any], condition: ColumnElement[bool], *further: Column[Any], unique: bool = False
) -> Index:
    """An index over only the rows for which the condition holds; a query that says it too can use the index."""
    return Index(name, column, *further, unique=unique, postgresql_where=condition, sqlite_where=condition)
