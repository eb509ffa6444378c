"""Names for things: UUIDv7 for rows, numbers with a check digit for people to read aloud, paths for trees."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from uuid import UUID

from stdnum.iso7064 import mod_11_10
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7: unique without asking a database, and near its neighbours in an index."""
    return uuid7()


def new_number(prefix: str, digits: int) -> str:
    """A human number: ``prefix``, random digits, an ISO 7064 MOD 11,10 check digit, such as ``CQ1000000013``."""
    body = str(secrets.randbelow(9 * 10 ** (digits - 1)) + 10 ** (digits - 1))
    return f"{prefix}{body}{mod_11_10.calc_check_digit(body)}"


def is_number(text: str, prefix: str) -> bool:
    """Whether ``text`` is a human number with this prefix and a right check digit."""
    body = text.removeprefix(prefix)
    return text.startswith(prefix) and body.isascii() and body.isdigit() and bool(mod_11_10.is_valid(body))


def parent_of(path: str) -> str | None:
    """The path above this one; None at the top."""
    return path.rpartition("/")[0] or None


def is_under(path: str, top: str) -> bool:
    """Whether ``path`` is ``top`` or below it: ``cn/cq`` holds ``cn/cq/yz`` but not ``cn/cqx``."""
    return path == top or path.startswith(top + "/")


def lineage(path: str) -> Iterator[str]:
    """The path and those above it, from itself to the top."""
    at: str | None = path
    while at:
        yield at
        at = parent_of(at)
