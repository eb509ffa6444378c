"""What rule documents of this bank are checked against: its kinds with their typed facts, and its categories."""

from __future__ import annotations

from functools import cache
from typing import cast, get_args

from creditbank.codes import code_list
from creditbank.rules.registry import FactType, Registry


@cache
def bank_registry() -> Registry:
    """The registry of the code lists. Raises ValueError for a type that no fact can have: the lists are the bank's."""
    kinds = {
        code: {name: _typed(code, name, type_) for name, type_ in item.facts.items()}
        for code, item in code_list("kinds").items()
    }
    return Registry(kinds, frozenset(code_list("categories")))


def _typed(kind: str, name: str, type_: str) -> FactType:
    if type_ not in get_args(FactType):
        raise ValueError(f"{kind}.{name}: {type_} is no type of fact")
    return cast(FactType, type_)
