"""Names for things: UUIDv7 for rows, numbers with a check digit for people to read aloud, paths for trees."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final
from uuid import UUID

from stdnum import numdb
from stdnum.cn import ric
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_11_10, mod_37_36
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


# Crockford's base 32: no I, L, O or U, and whoever reads an I or an O for a 1 or a 0 is understood.
_CODE_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("ILO", "110")
_CODE_CHARS: Final = 16


def new_code(choose: Callable[[str], str]) -> str:
    """A code to be printed and typed, such as ``7KQ2-M9XD-4T0V-RB3H``: 75 bits that ``choose`` draws, one to check.

    The check character is that of ISO 7064's hybrid systems, over 32 letters.
    """
    body = "".join(choose(_CODE_LETTERS) for _ in range(_CODE_CHARS - 1))
    whole = body + mod_37_36.calc_check_digit(body, _CODE_LETTERS)
    return "-".join(whole[at : at + 4] for at in range(0, _CODE_CHARS, 4))


def code_of(text: str) -> str | None:
    """The code in its one form, however it was typed; None when it was mistyped or is none."""
    plain = re.sub(r"[\s\-]+", "", unicodedata.normalize("NFKC", text)).upper().translate(_MISREAD)
    is_one = len(plain) == _CODE_CHARS and mod_37_36.is_valid(plain, _CODE_LETTERS)
    return plain if is_one else None


# Whose residents have cards too, and whose code is in no list of places.
_TAIWAN: Final = "830000"
_ID_CARD: Final = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)


def id_card_of(text: str) -> str | None:
    """The number of a resident identity card in its one form; None when its sum, date or place cannot be."""
    number = ric.compact(text)
    if not _ID_CARD.fullmatch(number) or ric.calc_check_digit(number) != number[-1]:
        return None
    try:
        ric.get_birth_date(number)
    except ValidationError:
        return None
    # That a place had its code in the year of birth is not asked: who was registered late has a later one.
    is_place = number.startswith(_TAIWAN) or all(known for _, known in numdb.get("cn/loc").info(number[:6]))
    return number if is_place else None


def born_on(id_card: str) -> date:
    """The birth date in the number of a card."""
    found: date = ric.get_birth_date(id_card)
    return found


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
