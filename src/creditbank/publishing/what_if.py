"""What achievements would give, with nothing stored and nobody named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from creditbank.achievements.domain import VALID, Achievement, Version
from creditbank.recognition.domain import Known, fact_of
from creditbank.rules.evaluate import evaluate
from creditbank.rules.outcome import Decision
from creditbank.rulesets.domain import Book

_NOBODY: Final = UUID(int=0)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Supposed:
    """An achievement as a provider would state it, with all fields that ``Content`` has."""

    name: str
    content: Mapping[str, Any]


def suppose(supposed: Sequence[Supposed], book: Book, provider_types: Mapping[str, str], as_of: date) -> list[Decision]:
    """What the book's versions say of these achievements, which must have different names.

    The facts go the way of stored ones, so that the answer is the one that posting them would lead to; only the key is
    the given name. It may take long with large rules: call it in a thread.
    """
    known = Known(provider_types, {})
    facts = []
    for one in supposed:
        version = Version(_NOBODY, _NOBODY, 1, VALID, one.content, None, None, None, _NEVER)
        fact = fact_of(Achievement(_NOBODY, _NOBODY, [version]), book, known)
        facts.append(replace(fact, key=one.name))
    return list(evaluate(facts, book.versions, as_of).decisions)
