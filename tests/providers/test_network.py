"""The network as a tree by code: who can be entered where, and what never changes."""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import UUID

import pytest

from creditbank.identifiers import new_id
from creditbank.providers.actions import NewProvider, ProviderChange, change, enter, lock
from creditbank.providers.domain import (
    Accreditation,
    Provider,
    ProviderCodeTaken,
    ProviderNotFound,
    UnknownParent,
    is_code,
)
from tests.bank import Bank

CODES = ["cq", "cq/yz", "a-b_c/1", "/".join("abcdefgh"), "a" * 32]
NO_CODES = [
    "",
    "/",
    "CQ",
    "cq/",
    "/cq",
    "cq//yz",
    "cq/-x",
    "_cq",
    "cq yz",
    "重庆",
    "a" * 33,
    "/".join("abcdefghi"),
    "cq\n",
]


@pytest.mark.parametrize("code", CODES)
def test_codes(code: str) -> None:
    assert is_code(code)


@pytest.mark.parametrize("code", NO_CODES)
def test_what_is_no_code(code: str) -> None:
    assert not is_code(code)


COVERED = [
    (None, "2024-01-01", True),
    ("MATH", "2024-12-31", True),
    ("MATH", "2025-01-01", False),
    ("MATH", "2023-12-31", False),
    ("ART", "2024-06-01", False),
]


@pytest.mark.parametrize(("offering", "on", "expected"), COVERED)
def test_an_accreditation_covers_its_days_and_its_offering(offering: str | None, on: str, expected: bool) -> None:
    entry = Accreditation(UUID(int=1), "niie", "cq", "MATH", date(2024, 1, 1), date(2025, 1, 1))
    whole = Accreditation(UUID(int=1), "niie", "cq", None, date(2024, 1, 1), None)

    assert entry.covers(offering, date.fromisoformat(on)) is (expected and offering == "MATH")
    assert whole.covers(offering, date.fromisoformat(on)) is (date.fromisoformat(on) >= date(2024, 1, 1))


async def enter_one(bank: Bank, code: str) -> Provider:
    async with bank.database.write() as connection:
        return await enter(connection, NewProvider(code, "学校", "School", "college", "500103"), bank.clock())


async def test_an_institution_is_entered_under_one_that_is_there(bank: Bank) -> None:
    assert (await enter_one(bank, "cq/school/annex")).parent == "cq/school"
    with pytest.raises(UnknownParent):
        await enter_one(bank, "cq/nowhere/annex")
    with pytest.raises(ProviderCodeTaken):
        await enter_one(bank, "cq/school")
    assert await bank.count("providers") == 3


async def test_of_two_who_enter_one_code_at_once_one_has_it(bank: Bank) -> None:
    outcomes = await asyncio.gather(*(enter_one(bank, "cq/new") for _ in range(4)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Provider", *["ProviderCodeTaken"] * 3]


async def test_a_change_leaves_what_it_does_not_name(bank: Bank) -> None:
    former = await enter_one(bank, "cq/new")

    async with bank.database.write() as connection:
        changed = await change(connection, await lock(connection, former.id), ProviderChange(status="suspended"))
    async with bank.database.write() as connection:
        stored = await lock(connection, former.id)

    assert stored == changed
    assert (stored.status, stored.revision, stored.name_en, stored.region) == ("suspended", 2, "School", "500103")
    async with bank.database.write() as connection:
        with pytest.raises(ProviderNotFound):
            await lock(connection, new_id())
