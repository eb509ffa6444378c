"""Opening accounts: numbers, identities under HMAC, and who has an identity first."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from creditbank.access.domain import Actor
from creditbank.access.policy import can
from creditbank.identifiers import is_number
from creditbank.learners import actions
from creditbank.learners.actions import Mending, NotOpened, Opened, mend, open_accounts
from creditbank.learners.domain import (
    Application,
    BirthDateDiffers,
    Identity,
    IdentityTaken,
    Learner,
    LearnerNotFound,
    NumberForm,
    Profile,
    Reference,
    birth_date_of,
    mask,
    normalise,
)
from creditbank.learners.queries import find, lookup_key, resolve
from creditbank.providers.domain import UnknownProvider
from tests.bank import SCHOOL, Bank

FORM = NumberForm("CQ", 9)
PHONE, CARD = Identity("phone", "13800138000"), Identity("id_card", "11010519491231002X")


def application(name: str, *identities: Identity) -> Application:
    return Application(name, date(1990, 5, 6), None, identities, "cq/school")


async def open_all(bank: Bank, *applications: Application) -> list[Opened | NotOpened]:
    async with bank.database.write() as connection:
        return await open_accounts(connection, bank.vault, FORM, applications, bank.clock())


async def found_by(bank: Bank, reference: Reference) -> UUID | None:
    key = lookup_key(bank.vault, reference)
    assert key is not None
    async with bank.database.read() as connection:
        return (await resolve(connection, [key])).get(key)


async def test_an_account_is_found_by_its_number_and_by_each_identity(bank: Bank) -> None:
    (opened,) = await open_all(bank, application("Li Wei", PHONE, CARD))
    assert isinstance(opened, Opened)
    learner = opened.learner

    assert is_number(learner.profile.number, "CQ")
    for reference in (Reference(number=learner.profile.number), Reference(identity=PHONE), Reference(identity=CARD)):
        assert await found_by(bank, reference) == learner.id
    assert await found_by(bank, Reference(identity=Identity("phone", "13800138001"))) is None
    async with bank.database.read() as connection:
        assert (await find(connection, bank.vault, learner.id))[0] == learner


async def test_nobody_asks_after_an_identity_beside_one_that_is_taken_anyway(bank: Bank) -> None:
    outcomes = await open_all(
        bank, application("A", CARD), application("B", CARD, PHONE), application("C", PHONE), application("D", PHONE)
    )

    # Of the second nothing was looked at: its phone number stayed free for the third.
    assert [type(one).__name__ for one in outcomes] == ["Opened", "IdentityTaken", "Opened", "IdentityTaken"]


async def test_a_student_number_of_no_institution_opens_nothing(bank: Bank) -> None:
    nowhere = Identity("student_number", "2024001", "cq/nowhere")

    refused, opened = await open_all(bank, application("A", CARD, nowhere), application("B", CARD))

    assert isinstance(refused, UnknownProvider)
    assert refused.pointer == "/identities/1/issuer"
    assert isinstance(opened, Opened)


async def test_a_student_number_that_was_stored_without_an_issuer_finds_nobody_and_keeps_nobody_from_it(
    bank: Bank,
) -> None:
    """As the bank's own programs could once leave one (decision 37)."""
    await bank.enter("cq/college")
    number = "2024001"
    (former,) = await open_all(bank, application("A", Identity("student_number", number)))
    opened = [Identity("student_number", number, issuer) for issuer in (SCHOOL, "cq/college")]

    assert isinstance(former, Opened)
    for identity in opened:
        assert await found_by(bank, Reference(identity=identity)) is None
        (own,) = await open_all(bank, application("B", identity))
        assert isinstance(own, Opened)
        assert await found_by(bank, Reference(identity=identity)) == own.learner.id


async def test_identities_are_stored_as_keys_that_need_the_secret(bank: Bank) -> None:
    await open_all(bank, application("Li Wei", PHONE))

    rows = await bank.sql("select key, type from learner_identities order by type")

    assert [row.type for row in rows] == ["number", "phone"]
    assert bytes(rows[1].key) == bank.vault.lookup_key("phone", "", PHONE.value)
    assert all(len(bytes(row.key)) == 32 for row in rows)


async def test_an_identity_is_of_one_account(bank: Bank) -> None:
    await open_all(bank, application("Li Wei", PHONE))

    outcomes = await open_all(
        bank,
        application("An Impostor", CARD, PHONE),
        application("Zhang San", Identity("passport", "E1")),
        application("Her Double", Identity("passport", "E1")),
    )

    assert [type(outcome).__name__ for outcome in outcomes] == ["IdentityTaken", "Opened", "IdentityTaken"]
    assert isinstance(outcomes[0], IdentityTaken)
    assert (outcomes[0].terms(), outcomes[0].pointer) == ({}, "/identities")
    # What the impostor had claimed beside it is free again, and no number is left behind.
    assert await bank.count("learners") == 2
    assert await bank.count("learner_identities") == 4
    assert isinstance((await open_all(bank, application("Wang Wu", CARD)))[0], Opened)


async def test_a_student_number_is_one_at_the_institution_that_gave_it(bank: Bank) -> None:
    mine, theirs = (Identity("student_number", "2024001", issuer) for issuer in ("cq/school", "cq"))

    outcomes = await open_all(bank, application("Li Wei", mine), application("Zhang San", theirs))

    assert all(isinstance(outcome, Opened) for outcome in outcomes)
    assert await found_by(bank, Reference(identity=mine)) != await found_by(bank, Reference(identity=theirs))


async def test_a_number_that_is_taken_is_made_again(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(["CQ1000000013"] * 3 + ["CQ1000000021", "CQ100000003X"])
    monkeypatch.setattr(actions, "new_number", lambda prefix, digits: next(numbers))

    first = await open_all(bank, application("Li Wei"))
    second = await open_all(bank, application("Zhang San"))

    given = [opened.learner.profile.number for opened in (*first, *second) if isinstance(opened, Opened)]
    assert given == ["CQ1000000013", "CQ1000000021"]


async def test_mending_changes_what_is_given_and_nothing_else(bank: Bank) -> None:
    (opened,) = await open_all(bank, application("Li Wei", PHONE))
    assert isinstance(opened, Opened)
    former = opened.learner

    async with bank.database.write() as connection:
        mended = await mend(connection, bank.vault, former.id, Mending(name="Li Wei 李伟"), bank.today(), bank.clock())
    async with bank.database.read() as connection:
        (stored, _) = await find(connection, bank.vault, former.id)

    assert stored == mended
    assert (stored.profile.name, stored.revision) == ("Li Wei 李伟", 2)
    assert (stored.profile.birth_date, stored.profile.identities, stored.region) == (
        former.profile.birth_date, former.profile.identities, former.region,
    )  # fmt: skip


async def test_without_its_key_an_account_is_not_there(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.sql("delete from learner_keys")

    async with bank.database.read() as connection:
        with pytest.raises(LearnerNotFound):
            await find(connection, bank.vault, learner)


def test_an_account_is_seen_by_who_opened_it_those_above_and_the_bank() -> None:
    learner = Learner(UUID(int=1), Profile("CQ1", "Li Wei", None, ()), None, "cq/school", 1)
    nobodys = Learner(UUID(int=1), Profile("CQ1", "Li Wei", None, ()), None, None, 1)

    def sees(provider: str | None, whom: Learner = learner) -> bool:
        return bool(can(Actor(UUID(int=2), provider, frozenset(), "provider"), "account.read", whom.owned))

    assert [sees(provider) for provider in (None, "cq/school", "cq", "cq/other", "cq/school/annex")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert (sees(None, nobodys), sees("cq", nobodys)) == (True, False)


@pytest.mark.parametrize(("name", "masked"), [("张三丰", "张**"), ("Li Wei", "L*****"), ("王", "王"), ("", "")])
def test_a_masked_name(name: str, masked: str) -> None:
    assert mask(name) == masked


TYPED = {
    "a card in small letters and full width": ("id_card", "１１０１０５19491231002x", "11010519491231002X"),
    "a card with spaces": ("id_card", " 110105 19491231 002X ", "11010519491231002X"),
    "a card with a wrong sum": ("id_card", "110105194912310021", None),
    "a card with a day that never was": ("id_card", "110105194902310026", None),
    "a card of a place that never was": ("id_card", "990105194912310023", None),
    "a card of a place that got its code later": ("id_card", "500103199001011232", "500103199001011232"),
    "a card of a county that is none": ("id_card", "500199199001011235", None),
    "a card of fifteen digits": ("id_card", "110105491231002", None),
    "a card with digits of another script": ("id_card", "١١٠١٠٥19491231002X", None),
    "a phone with its country": ("phone", "+86 138-0013-8000", "13800138000"),
    "a phone with its country otherwise": ("phone", "0086 138 0013 8000", "13800138000"),
    "a phone of another country": ("phone", "+44 20 7946 0958", "442079460958"),
    "a phone of letters": ("phone", "call me", None),
    "a passport": ("passport", " e-1234 567a", "E1234567A"),
    "a passport of nothing": ("passport", "--", None),
    "a student number as its school writes it": ("student_number", "ａb-2026/17", "ab-2026/17"),
    "a student number of spaces": ("student_number", "\u3000", None),
}


@pytest.mark.parametrize(("type_", "typed", "form"), TYPED.values(), ids=TYPED)
def test_an_identity_has_one_form_however_it_was_typed(type_: str, typed: str, form: str | None) -> None:
    assert normalise(type_, typed) == form
    if form is not None:
        assert normalise(type_, form) == form


def test_the_birth_date_is_the_one_on_the_card() -> None:
    on_card = date(1949, 12, 31)
    assert birth_date_of(None, [PHONE, CARD]) == on_card
    assert birth_date_of(on_card, [CARD]) == on_card
    assert birth_date_of(None, [PHONE]) is None
    with pytest.raises(BirthDateDiffers):
        birth_date_of(date(1949, 12, 30), [CARD])
