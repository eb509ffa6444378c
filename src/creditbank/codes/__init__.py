"""The bank's code lists (kinds, categories, types of provider, series of activities), read once from their files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

ListName = Literal["kinds", "categories", "provider_types", "activity_series"]


@dataclass(frozen=True, slots=True)
class Item:
    """A code with its names; of a kind also the facts that its achievements may have, each with its type."""

    code: str
    zh: str
    en: str
    facts: Mapping[str, str] = field(default_factory=dict)


@cache
def code_list(name: ListName) -> dict[str, Item]:
    """The list of that name, by code, in the order of its file."""
    text = files("creditbank.codes").joinpath("lists", f"{name}.toml").read_text("utf-8")
    return {
        code: Item(code, given["zh"], given["en"], given.get("facts", {}))
        for code, given in tomllib.loads(text).items()
    }
