"""Whom an award admits, and who may apply for one: standing awards are asked, and enrolments (decision 28)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
import pytest_asyncio

from creditbank.enrolments.domain import ChangeKind
from creditbank.programmes.domain import AdmissionAwardMissing, AdmissionCreditsShort, NotEnrolled
from tests.bank import Bank, document, granting, opened
from tests.programmes.desk import annulled, applied, asking, changed, decided, enrolled, learnt

PROGRAMMES = [
    {"id": "certificate", "total": 3, "reuse": {"stack_into": ["badge"]}},
    {"id": "badge", "total": 3},
    {"id": "degree", "total": 5},
]


@pytest_asyncio.fixture
async def bank(database_url: str) -> AsyncIterator[Bank]:
    """A bank with a town that has a certificate, a badge upon it, and a degree."""
    async with opened(database_url) as made:
        await made.enter("own")
        await made.publish(document(granting("own", kind="course"), programmes=PROGRAMMES))
        yield made


async def a_learner(bank: Bank) -> UUID:
    """A learner with one course of five credits."""
    (learner,) = await bank.open("Li Wei")
    await learnt(bank, learner, {"credits": "5"})
    return learner


async def nothing(bank: Bank, learner: UUID) -> None:
    """No application."""


async def held(bank: Bank, learner: UUID) -> None:
    """An application that waits."""
    await applied(bank, learner, "certificate")


async def awarded(bank: Bank, learner: UUID) -> None:
    """The award."""
    await decided(bank, await applied(bank, learner, "certificate"))


async def in_part(bank: Bank, learner: UUID) -> None:
    """The award in part."""
    made = await applied(bank, learner, "certificate")
    await decided(bank, made, {line.lot_id: 2000 for line in made.hold.lines})


async def in_two_parts(bank: Bank, learner: UUID) -> None:
    """The award in part, then the rest of it."""
    await in_part(bank, learner)
    await awarded(bank, learner)


async def withdrawn(bank: Bank, learner: UUID) -> None:
    """The award, annulled."""
    await annulled(bank, await decided(bank, await applied(bank, learner, "certificate")))


async def withdrawn_and_something_else(bank: Bank, learner: UUID) -> None:
    """The award, annulled, and then the same lot redeemed for another."""
    await withdrawn(bank, learner)
    await decided(bank, await applied(bank, learner, "badge"))


async def on_another(bank: Bank, learner: UUID) -> None:
    """The certificate, and the badge made of its credits alone."""
    await awarded(bank, learner)
    made = await decided(bank, await applied(bank, learner, "badge"))
    assert not made.hold.lines


Doing = Callable[[Bank, UUID], Awaitable[None]]


@pytest.mark.parametrize(
    ("doing", "award", "admits"),
    [
        (nothing, "certificate", False),
        (held, "certificate", False),
        (awarded, "certificate", True),
        (in_part, "certificate", False),
        (in_two_parts, "certificate", True),
        (withdrawn, "certificate", False),
        (withdrawn_and_something_else, "certificate", False),
        (withdrawn_and_something_else, "badge", True),
        (on_another, "badge", True),
    ],
)
async def test_whom_an_award_admits(bank: Bank, doing: Doing, award: str, admits: bool) -> None:
    await asking(bank, "degree", award=f"town.{award}")
    learner = await a_learner(bank)
    await doing(bank, learner)

    if admits:
        assert (await enrolled(bank, learner, "degree")).programme == "degree"
    else:
        with pytest.raises(AdmissionAwardMissing):
            await enrolled(bank, learner, "degree")


@pytest.mark.parametrize(
    ("doing", "milli", "admits"),
    [
        (nothing, 5000, True),
        (nothing, 5001, False),
        # Credits are banked whether they are free, held or redeemed, and once however often they count.
        (held, 5000, True),
        (on_another, 5000, True),
        (on_another, 5001, False),
        (withdrawn, 5000, True),
    ],
)
async def test_whom_banked_credits_admit(bank: Bank, doing: Doing, milli: int, admits: bool) -> None:
    await asking(bank, "degree", milli)
    learner = await a_learner(bank)
    await doing(bank, learner)

    if admits:
        await enrolled(bank, learner, "degree")
    else:
        with pytest.raises(AdmissionCreditsShort):
            await enrolled(bank, learner, "degree")


async def test_a_programme_that_admits_makes_its_award_for_those_it_admitted(bank: Bank) -> None:
    await asking(bank, "degree", 4000)
    learner = await a_learner(bank)

    with pytest.raises(NotEnrolled) as refused:
        await applied(bank, learner, "degree")
    enrolment = await enrolled(bank, learner, "degree")
    ended = await changed(bank, enrolment, ChangeKind.ENDED)
    with pytest.raises(NotEnrolled):
        await applied(bank, learner, "degree")
    assert ended.ended_on == bank.today()
    await enrolled(bank, learner, "degree")

    assert (await applied(bank, learner, "degree")).programme == "degree"
    assert (refused.value.programme, refused.value.learner) == ("town.degree", learner)
    # What asks for nothing needs no enrolment.
    other = await a_second_learner(bank)
    assert (await applied(bank, other, "certificate")).programme == "certificate"


async def a_second_learner(bank: Bank) -> UUID:
    """Another learner with five credits."""
    (learner,) = await bank.open("Wang Fang")
    await bank.record(learner, "b0", provider="own", unit="U0", credits="5")
    return learner
