"""Short words for what the tests of programmes do over a bank without HTTP: audit, apply, decide, waive, enrol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from creditbank.access.domain import SCOPES, Actor
from creditbank.awards.domain import Conversion, Wanted
from creditbank.conversions.actions import (
    Application,
    Asked,
    Counter,
    Verdict,
    apply_for,
    decide,
    decide_annulment,
    propose_annulment,
    settle_alone,
    take_application,
)
from creditbank.enrolments.domain import ChangeKind, Enrolment
from creditbank.identifiers import new_id
from creditbank.learners.queries import load, lock
from creditbank.programmes import actions
from creditbank.programmes.actions import NewEnrolment
from creditbank.programmes.auditing import Audit
from creditbank.programmes.domain import ProgrammeRef, place_of
from creditbank.programmes.queries import audit_of
from creditbank.programmes.turns import Answers, in_turns
from creditbank.recognition.queries import RULING, ruling_bytes
from creditbank.recognition.tables import rulings
from creditbank.rules.numbers import decimal_text
from creditbank.rulesets.queries import rule_set_by_code
from tests.bank import BANKER, CLIENT, Bank

OTHER = Actor(UUID("01900000-0000-7000-8000-0000000a5507"), None, frozenset(SCOPES), "signed")


def named(programme: str) -> ProgrammeRef:
    """A programme, of the town unless it is said otherwise."""
    rule_set, _, name = programme.rpartition(".")
    return ProgrammeRef(rule_set or "town", name)


def credits_of(milli: Mapping[Any, int]) -> dict[str, str]:
    """Whole numbers of thousandths as people write them."""
    return {str(name): decimal_text(f"{amount}/1000") for name, amount in milli.items()}


async def audited(bank: Bank, learner: UUID, programme: str) -> Audit:
    """How a learner stands in a programme."""
    async with bank.database.snapshot() as connection:
        book = await bank.shelf.book_seen(connection)
        one = (await load(connection, bank.vault, [learner]))[learner]
        return await audit_of(connection, bank.shelf, book, one, named(programme), bank.today())


def counter_of(bank: Bank) -> Counter:
    """What acts need beside a connection."""
    return Counter(bank.vault, bank.shelf, bank.clock, timedelta(days=60))


async def applied(bank: Bank, learner: UUID, programme: str, wanted: Sequence[Wanted] | None = None) -> Conversion:
    """Apply for an award. Raises the refusal."""
    asked = Asked(BANKER, str(new_id()), b"")
    application = Application(learner, named(programme), wanted)
    counter, today = counter_of(bank), bank.today()

    async def turn(answers: Answers) -> Conversion:
        async with bank.database.write() as connection:
            return await apply_for(connection, counter, asked, application, today, answers)

    async def settle_first() -> None:
        async with bank.database.write() as connection:
            await settle_alone(connection, counter, learner, today)

    return await take_application(turn, settle_first)


async def decided(bank: Bank, conversion: Conversion, amounts: Mapping[UUID, int] | None = None) -> Conversion:
    """Approve an application, whole or in part."""
    async with bank.database.write() as connection:
        verdict = Verdict(True, amounts, ())
        return await decide(connection, counter_of(bank), BANKER, conversion.id, verdict, bank.today())


async def annulled(bank: Bank, conversion: Conversion) -> Conversion:
    """Withdraw an award, by two people."""
    at = (counter_of(bank), conversion.id, bank.today())
    async with bank.database.write() as connection:
        await propose_annulment(connection, at[0], BANKER, at[1], "other", at[2])
    async with bank.database.write() as connection:
        return await decide_annulment(connection, at[0], OTHER, at[1], approves=True, today=at[2])


async def learnt(bank: Bank, learner: UUID, *lots: Mapping[str, Any]) -> list[UUID]:
    """Record achievements, each of a unit of its own; answers the lot of each in the town."""
    made = []
    for number, lot in enumerate(lots):
        made.append(await bank.record(learner, f"a{number}", **{"provider": "own", "unit": f"U{number}", **lot}))
    async with bank.database.read() as connection:
        town = await rule_set_by_code(connection, "town")
    assert town is not None
    found = {lot.key.binding: lot.id for lot in await bank.lots(learner) if lot.key.rule_set_id == town.id}
    return [found[str(one.id)] for one in made if str(one.id) in found]


async def waived(bank: Bank, learner: UUID, what: str) -> None:
    """A ruling that waives a requirement or a cap of the town."""
    async with bank.database.write() as connection:
        key = (await load(connection, bank.vault, [learner]))[learner].key
        said = {"what": what, "reason": "studied there before"}
        values = {
            "learner_id": learner, "id": new_id(), "kind": "waive", "rule_set": "town", "state": "approved",
            "content": key.seal(ruling_bytes(said), RULING), "author_id": CLIENT, "approver_id": new_id(),
            "recorded_at": bank.clock(),
        }  # fmt: skip
        await connection.execute(insert(rulings).values(**values))


async def enrolled(bank: Bank, learner: UUID, programme: str, day: date | None = None) -> Enrolment:
    """Enter a learner in a programme."""
    async with bank.database.write() as connection:
        locked = (await lock(connection, bank.vault, [learner]))[learner]
        book = await bank.shelf.book(connection)
        new = NewEnrolment(named(programme), day or bank.today(), None)
        return await actions.enrol(connection, book, locked, new, CLIENT, bank.clock(), bank.today())


async def changed(bank: Bank, enrolment: Enrolment, kind: ChangeKind, **wanted: Any) -> Enrolment:
    """Change an enrolment in a programme of the town."""
    ref, today = named(enrolment.programme), bank.today()

    async def turn(answers: Answers) -> Enrolment:
        async with bank.database.write() as connection:
            locked = (await lock(connection, bank.vault, [enrolment.learner_id]))[enrolment.learner_id]
            book, now = await bank.shelf.book(connection), bank.clock()
            return await actions.change(
                connection, bank.shelf, book, locked, ref, enrolment, kind, today, wanted, CLIENT, now, today, answers
            )

    return await in_turns(turn)


async def asking(bank: Bank, programme: str, milli: int | None = None, award: str | None = None) -> None:
    """Say what a programme asks for before it takes a learner."""
    async with bank.database.write() as connection:
        book = await bank.shelf.book(connection)
        place = place_of(book, named(programme))
        await actions.ask_for(connection, book, place, milli, named(award) if award else None, bank.clock())
