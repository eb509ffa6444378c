"""A walk through everything that can happen to a learner's credits, with the invariants of rules/v1 section 18 checked
after each step. The test runs a few short walks; ``python -m bench.books`` runs long ones."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.domain import SCOPES, Actor
from creditbank.achievements.queries import of_learners
from creditbank.awards import queries
from creditbank.awards.domain import Conversion, State, used_elsewhere
from creditbank.conversions.actions import (
    Application,
    Asked,
    Counter,
    Verdict,
    apply_for,
    decide,
    decide_annulment,
    propose_annulment,
    withdraw,
)
from creditbank.conversions.jobs import ask_lapsing
from creditbank.conversions.taking import take_application
from creditbank.credits import Credits
from creditbank.errors import Refusal
from creditbank.exchanges.actions import Wish, exchange
from creditbank.exchanges.domain import Exchange
from creditbank.intake.actions import amend, revoke
from creditbank.learners.queries import load, lock
from creditbank.ledger.actions import Act, waive_debt
from creditbank.ledger.domain import Account, Code, Hold, HoldState, Lot, Posting, usable_milli
from creditbank.ledger.queries import holds_by_id, positions_at
from creditbank.programmes.domain import ProgrammeRef, place_of
from creditbank.programmes.turns import Answers
from creditbank.publishing.dates import ask_dates
from creditbank.recognition.domain import evaluate_achievements
from creditbank.recognition.reach import Touched, load_all
from creditbank.recognition.tables import reviews
from creditbank.rulesets.domain import Book
from tests.bank import ZONE, Bank, content, document, granting, opened, submission

T = TypeVar("T")

PLAIN = (
    Account.PENDING, Account.AVAILABLE, Account.RESERVED, Account.REDEEMED, Account.EXPIRED, Account.EXCESS,
)  # fmt: skip
LEARNERS = (*PLAIN, Account.OWED, Account.WRITE_OFF, Account.EXCHANGE)
AWARDS = ("certificate", "diploma", "other")
FIRST, SECOND = (Actor(UUID(int=n), None, frozenset(SCOPES), "verified") for n in (1, 2))
HOLD_DAYS = 60

CREDITS = st.sampled_from(["0.5", "1", "2", "3", "5"])
UNITS = st.sampled_from(["A", "B", "C", "D", "E", "F"])
DAYS = st.integers(0, 400)


def town(cap: int, number: int, *, waives: bool) -> dict[str, Any]:
    """The rules in force, by how much counts in a year: every version governs the same days, a correction of the last.

    All that is under ``unique``, a limit by the year and a validity, so that every way of an amount is walked.
    """
    programmes = [
        {"id": "certificate", "total": "3", "reuse": {"stack_into": ["diploma"]}},
        {"id": "diploma", "total": "6"},
        {"id": "other", "total": "2"},
    ]
    plain = document(
        granting("own", kind=["course"]),
        version=number,
        programmes=programmes,
        calendars={"year": {"starts": ["01-01"]}},
        limits=[{"id": "year", "per": "year", "at_most": {"credits": str(cap)}}],
        unique={"key": "unit"},
        validity={"max": "P2Y"},
        unit_conversions=[
            {"id": "there", "from": "CR", "to": "PT", "factor": "2/3"},
            {"id": "back", "from": "PT", "to": "CR", "factor": "3/2"},
        ],
    )
    if waives:
        plain["ruleset"]["after_redemption"] = "write_off"
    return plain


OTHERWISE: dict[str, dict[str, Any]] = {
    "denied": {"id": "no", "match": {"kind": ["course"]}, "effect": "deny"},
    "half": granting("half", {"native": "1/2"}, kind=["course"]),
    "none": granting("talks", kind=["talk"]),
    "one unit": {"id": "one", "match": {"kind": ["course"]}, "grant": [{"unit": "ONE", "credits": {"native": 1}}]},
}
"""What a correction may make of courses."""


def rival() -> dict[str, Any]:
    """Other rules that count the same learning."""
    programmes = [{"id": "certificate", "total": "3"}]
    return document(granting("own", kind=["course"]), id_="rival", programmes=programmes)


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the bank has of the learner at one time."""

    lots: Mapping[UUID, Lot]
    postings: Sequence[Posting]
    conversions: Sequence[Conversion]
    holds: Sequence[Hold]


class Books(RuleBasedStateMachine):
    """One learner, two rule sets, and everything that may happen."""

    template: Path
    waives = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.version = 1
        self.serial = 0
        self.cap = 8
        self.ended: dict[UUID, HoldState] = {}
        self.seen = Seen({}, [], [], [])

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do it and wait for it."""
        return self.loop.run_until_complete(doing)

    @initialize()
    def open(self) -> None:
        """Open the bank."""
        file = self.folder / "books.sqlite"
        shutil.copyfile(self.template, file)
        self.opened = opened(f"sqlite+aiosqlite:///{file}")
        self.bank: Bank = self.run(self.opened.__aenter__())
        self.counter = Counter(self.bank.vault, self.bank.shelf, self.bank.clock, timedelta(days=HOLD_DAYS))
        self.run(self.bank.publish(town(self.cap, 1, waives=self.waives)))
        self.run(self.bank.publish(rival()))
        self.run(self.ask_for_what_days_bring())
        self.run(self.bank.work())
        (self.learner,) = self.run(self.bank.open("Li Wei"))
        self.look()

    async def ask_for_what_days_bring(self) -> None:
        """The jobs that a server asks for when it starts, and that ask for themselves again."""
        today = self.bank.today()
        async with self.bank.database.write() as connection:
            await ask_dates(connection, self.bank.clock, today - timedelta(days=1), today, ZONE)
            await ask_lapsing(connection, self.bank.clock)

    def teardown(self) -> None:
        """Revoke everything (invariant 14), and close the bank."""
        try:
            if hasattr(self, "bank"):
                self.revoke_everything()
        finally:
            if hasattr(self, "bank"):
                self.run(self.opened.__aexit__(None, None, None))
            self.loop.close()
            shutil.rmtree(self.folder)

    # --- What is done -------------------------------------------------------------------------------------------------

    def fresh(self) -> str:
        """A name that nothing has yet."""
        self.serial += 1
        return f"n{self.serial}"

    def do(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T | Refusal:
        """Do it in a transaction; what is refused keeps nothing, and changes nothing (invariant 24)."""

        async def done() -> T:
            async with self.bank.database.write() as connection:
                return await work(connection)

        return self.attempt(done, is_settled_first=False)

    def attempt(self, work: Callable[[], Awaitable[T]], *, is_settled_first: bool = True) -> T | Refusal:
        """Do what opens its transactions itself: an application may settle the learner in one of its own before."""

        async def done() -> T:
            return await work()

        try:
            found = self.run(done())
        except Refusal as refused:
            before = self.seen
            self.look()
            assert self.seen == before or is_settled_first, "24: what was refused changed something"
            new = {posting.code for posting in self.seen.postings[len(before.postings) :]}
            assert Code.HOLD not in new, "24: what was refused holds something"
            assert len(self.seen.conversions) == len(before.conversions), "24: what was refused is there"
            return refused
        self.look()
        return found

    def look(self) -> None:
        """See how the learner stands."""

        async def seen() -> Seen:
            lots = await self.bank.lots(self.learner)
            postings = await self.bank.postings(self.learner)
            async with self.bank.database.snapshot() as connection:
                found = await queries.conversions_of(connection, self.learner)
                held = await holds_by_id(connection, [(self.learner, one.hold.id) for one in found])
            return Seen({lot.id: lot for lot in lots}, postings, found, list(held.values()))

        self.seen = self.run(seen())

    def pick(self, state: State, index: int) -> Conversion | None:
        """One of the applications in a state."""
        found = [one for one in self.seen.conversions if one.state is state]
        return found[index % len(found)] if found else None

    def facts(self) -> list[tuple[UUID, Mapping[str, Any]]]:
        """The achievements that hold, with what was stated of them."""

        async def read() -> list[tuple[UUID, Mapping[str, Any]]]:
            async with self.bank.database.snapshot() as connection:
                key = (await load(connection, self.bank.vault, [self.learner]))[self.learner].key
                mine = (await of_learners(connection, {self.learner: key}))[self.learner]
            return [(a.id, a.current.content) for a in mine if a.current.status == "valid"]

        return self.run(read())

    def change(self, achievement: UUID, **others: Any) -> None:
        """State an achievement anew."""
        stated = dict(self.facts())[achievement]
        now = {**content(stated["external_id"]), **stated, **others}
        if now == stated:
            return

        async def work(connection: AsyncConnection) -> object:
            return await amend(
                connection, self.bank.desk, achievement, now, reason="anew", actor=FIRST, today=self.bank.today()
            )

        self.do(work)

    @rule(credits_=CREDITS, unit=UNITS, days=DAYS)
    def record(self, credits_: str, unit: str, days: int) -> None:
        """A provider states an achievement."""
        day = self.bank.today() - timedelta(days=days)
        stated = submission(self.learner, self.fresh(), credits=credits_, unit=unit, completed=day.isoformat())
        self.run(self.bank.submit(stated))
        self.look()

    @rule(index=st.integers(0, 9), credits_=CREDITS)
    def restate(self, index: int, credits_: str) -> None:
        """A provider states one anew."""
        if found := self.facts():
            self.change(found[index % len(found)][0], credits=credits_)

    def _revoke(self, achievement: UUID) -> None:
        async def work(connection: AsyncConnection) -> object:
            return await revoke(
                connection, self.bank.desk, achievement, reason="no", effective=None, actor=FIRST,
                today=self.bank.today(),
            )  # fmt: skip

        self.do(work)

    @rule(index=st.integers(0, 9))
    def take_back(self, index: int) -> None:
        """A provider revokes one."""
        if found := self.facts():
            self._revoke(found[index % len(found)][0])

    def publish(self, cap: int, how: str = "") -> None:
        """Publish a correction of the rules and settle everybody."""
        self.version += 1
        self.cap = cap
        plain = town(cap, self.version, waives=self.waives)
        if how:
            plain["recognition"] = [OTHERWISE[how], granting("exams", kind=["exam"])]
        self.run(self.bank.publish(plain))
        self.run(self.bank.work())
        self.look()

    @rule(cap=st.sampled_from([2, 4, 8, 20]))
    def correct(self, cap: int) -> None:
        """The rules change; and where nothing is built on credits, changing back brings them back (invariant 13)."""
        before, former = self.positions(), self.cap
        idle = not any(
            lot.positions[a] for lot in self.seen.lots.values()
            for a in (Account.RESERVED, Account.REDEEMED, Account.OWED, Account.WRITE_OFF, Account.EXCHANGE)
        )  # fmt: skip
        self.publish(cap)
        if idle:
            self.publish(former)
            assert self.positions() == before, "13: versions 1, 2, 1 do not return to the first positions"
            self.publish(cap)

    @rule(how=st.sampled_from(sorted(OTHERWISE)), ends=st.booleans())
    def correct_otherwise(self, how: str, ends: bool) -> None:
        """The rules give less, something else or nothing; what is redeemed stands, and what is held may be voided."""
        held = self.apply("certificate")
        if isinstance(held, Conversion) and ends:
            self.settle_hold(held, Verdict(True, None, ()))
        before, seen = self.redeemed(), len(self.seen.postings)
        self.publish(self.cap, how)
        made = [posting for posting in self.seen.postings[seen:] if posting.lot_id in before]
        assert all(posting.code is not Code.CLAWBACK for posting in made), "a change of rules took what was redeemed"
        assert self.redeemed() == before, "a change of rules moved what was redeemed"
        self.publish(self.cap)
        assert self.redeemed() == before

    def redeemed(self) -> dict[UUID, tuple[int, int, int]]:
        """What is redeemed, owed and waived, by lot of which something is redeemed."""
        return {
            lot.id: (lot.positions[Account.REDEEMED], lot.positions[Account.OWED], lot.positions[Account.WRITE_OFF])
            for lot in self.seen.lots.values()
            if lot.positions[Account.REDEEMED]
        }

    def positions(self) -> dict[UUID, dict[Account, int]]:
        """Where everything stands, without what stands nowhere."""
        return {lot.id: at for lot in self.seen.lots.values() if (at := {a: m for a, m in lot.positions.items() if m})}

    def apply(self, award: str, rule_set: str = "town") -> Conversion | Refusal:
        """Apply for an award, twice by one request: once is done (invariant 11)."""
        asked = Asked(FIRST, self.fresh(), b"same")
        application = Application(self.learner, ProgrammeRef(rule_set, award), None)
        today = self.bank.today()
        usable = self.in_preference(rule_set, today)

        async def turn(answers: Answers) -> Conversion:
            async with self.bank.database.write() as connection:
                return await apply_for(connection, self.counter, asked, application, today, answers)

        async def work() -> Conversion:
            return await take_application(self.bank.database, self.counter, self.learner, today, turn)

        made = self.attempt(work)
        if isinstance(made, Conversion):
            before = self.seen
            assert self.attempt(work) == made, "11: the same key again is another answer"
            assert self.seen == before, "11: the same key again did something"
            self.check_preference(made, usable)
        return made

    def in_preference(self, rule_set: str, today: date) -> dict[UUID, int]:
        """What can be used of each lot of a rule set, in the order in which a programme prefers them."""
        facts = dict(self.facts())

        async def settled() -> tuple[list[Lot], dict[UUID, Any]]:
            async with self.bank.database.snapshot() as connection:
                key = (await load(connection, self.bank.vault, [self.learner]))[self.learner].key
                mine = (await of_learners(connection, {self.learner: key}))[self.learner]
                place = place_of(await self.bank.shelf.book_seen(connection), ProgrammeRef(rule_set, "certificate"))
                lots = await self.bank.lots(self.learner)
                barred = used_elsewhere(lots, {a.id: a for a in mine}, place.rule_set_id)
            known = {a.id: a for a in mine}
            return [
                lot for lot in lots
                if lot.id not in barred and lot.key.rule_set_id == place.rule_set_id and usable_milli(lot, today)
                and lot.terms.credit_unit == "CR" and set(map(UUID, lot.key.binding.split(","))) <= set(facts)
            ], known  # fmt: skip

        lots, known = self.run(settled())

        def order(lot: Lot) -> tuple[object, ...]:
            bound = [known[UUID(id_)] for id_ in lot.key.binding.split(",")]
            completed = max(a.current.content["completed"] for a in bound)
            return lot.terms.expires or date.max, completed, tuple(a.key for a in bound), lot.key.number

        return {lot.id: usable_milli(lot, today) for lot in sorted(lots, key=order)}

    def check_preference(self, made: Conversion, usable: Mapping[UUID, int]) -> None:
        """No lot is held while an earlier one in the order of preference is left (26): no cap or requirement binds."""
        held = {line.lot_id: line.milli for line in made.hold.lines}
        if not set(held) <= set(usable):
            # Settling before the hold moved something: the order seen before is not the order that was held in.
            return
        left = sum(held.values())
        for lot_id, milli in usable.items():
            part = min(milli, left)
            assert held.get(lot_id, 0) == part, "26: a lot was held before an earlier one"
            left -= part

    @rule(award=st.sampled_from(AWARDS))
    def hold(self, award: str) -> None:
        """Apply for an award."""
        self.apply(award)

    @rule()
    def hold_elsewhere(self) -> None:
        """Apply for an award under other rules."""
        self.apply("certificate", "rival")

    def settle_hold(self, conversion: Conversion, verdict: Verdict) -> None:
        """Decide an application."""

        async def work(connection: AsyncConnection) -> Conversion:
            return await decide(connection, self.counter, SECOND, conversion.id, verdict, self.bank.today())

        self.do(work)

    @rule(index=st.integers(0, 3))
    def approve(self, index: int) -> None:
        """An institution approves."""
        if (found := self.pick(State.HELD, index)) is not None:
            self.settle_hold(found, Verdict(True, None, ()))

    @rule(index=st.integers(0, 3), parts=st.integers(1, 3))
    def approve_in_part(self, index: int, parts: int) -> None:
        """An institution approves in part."""
        found = self.pick(State.HELD, index)
        if found is not None and found.hold.lines:
            amounts = {line.lot_id: line.milli // parts for line in found.hold.lines}
            self.settle_hold(found, Verdict(True, amounts, ()))

    @rule(index=st.integers(0, 3))
    def reject(self, index: int) -> None:
        """An institution rejects."""
        if (found := self.pick(State.HELD, index)) is not None:
            self.settle_hold(found, Verdict(False, None, ("other",)))

    @rule(index=st.integers(0, 3))
    def take_application_back(self, index: int) -> None:
        """A learner takes an application back."""
        if (found := self.pick(State.HELD, index)) is not None:
            conversion_id = found.id

            async def work(connection: AsyncConnection) -> Conversion:
                return await withdraw(connection, self.counter, FIRST, conversion_id, self.bank.today())

            self.do(work)

    @rule(days=st.sampled_from([1, 30, 61, 400]))
    def time_passes(self, days: int) -> None:
        """Days go by, and what is due is done."""
        self.bank.clock.turn(days=days)
        self.run(self.bank.work())
        self.look()

    def annul(self, conversion: Conversion) -> Conversion | Refusal:
        """Withdraw an award, by two people."""
        if conversion.proposed is None:

            async def propose(connection: AsyncConnection) -> Conversion:
                return await propose_annulment(
                    connection, self.counter, FIRST, conversion.id, "other", self.bank.today()
                )

            self.do(propose)

        async def work(connection: AsyncConnection) -> Conversion:
            return await decide_annulment(
                connection, self.counter, SECOND, conversion.id, approves=True, today=self.bank.today()
            )

        return self.do(work)

    @rule(index=st.integers(0, 3))
    def undo(self, index: int) -> None:
        """An award is withdrawn."""
        if (found := self.pick(State.APPROVED, index)) is not None:
            self.annul(found)

    @rule()
    def waive(self) -> None:
        """A debt is waived, by two people, and its review closed."""
        owing = [lot for lot in self.seen.lots.values() if lot.positions[Account.OWED]]
        if not owing:
            return

        async def work(connection: AsyncConnection) -> None:
            learner = (await lock(connection, self.bank.vault, [self.learner]))[self.learner]
            done = Act(self.fresh(), "write_off", None, FIRST.client_id, SECOND.client_id)
            now = self.bank.clock()
            await waive_debt(connection, learner, owing[0], done, today=self.bank.today(), now=now)
            closed = reviews.update().where(reviews.c.subject_id == owing[0].id, reviews.c.state == "open")
            await connection.execute(closed.values(state="closed", outcome="written_off", closed_at=now))

        self.do(work)

    def convert(self, unit_conversion: str, milli: int) -> Exchange | Refusal:
        """Change credits into another unit."""
        wish = Wish("town", unit_conversion, None, None, milli, None)
        asked = Asked(FIRST, self.fresh(), b"same")

        async def work(connection: AsyncConnection) -> Exchange:
            return await exchange(connection, self.counter, asked, self.learner, wish, self.bank.today())

        return self.do(work)

    @rule(milli=st.sampled_from([500, 750, 1000, 3100]), comes_back=st.booleans())
    def change_unit(self, milli: int, comes_back: bool) -> None:
        """Credits change their unit; there and back never gains (invariant 27)."""
        there = self.convert("there", milli)
        if isinstance(there, Exchange) and comes_back:
            back = self.convert("back", there.gives_milli)
            assert not isinstance(back, Exchange) or back.gives_milli <= there.uses_milli, "27: a cycle gains"

    # --- Rare paths, which a random walk does not reach --------------------------------------------------------------

    def awarded(self) -> tuple[UUID, Conversion] | None:
        """A fresh achievement and an award made of it, as far as nothing stands in the way."""
        stated = submission(
            self.learner, self.fresh(), credits="3", unit=self.fresh(), completed=self.bank.today().isoformat()
        )
        self.run(self.bank.submit(stated))
        self.look()
        made = self.apply("certificate")
        if isinstance(made, Refusal):
            return None
        self.settle_hold(made, Verdict(True, None, ()))
        found = next(one for one in self.seen.conversions if one.id == made.id)
        facts = [id_ for id_, stated in self.facts() if stated["external_id"] == f"n{self.serial}"]
        lots = [self.seen.lots[lot_id] for lot_id in found.used]
        basis = [UUID(lot.key.binding) for lot in lots if UUID(lot.key.binding) in dict(self.facts())]
        return (basis[0], found) if basis or facts else None

    @rule(waives=st.booleans(), revokes=st.booleans(), credits_=CREDITS)
    def award_and_lose_it(self, waives: bool, revokes: bool, credits_: str) -> None:
        """Award, the basis falls away, a debt, perhaps a waiver, perhaps the basis again, then an annulment."""
        made = self.awarded()
        if made is None:
            return
        basis, conversion = made
        if revokes:
            self._revoke(basis)
        else:
            self.change(basis, credits="0.5")
        if waives:
            self.waive()
        if not revokes:
            self.change(basis, credits=credits_)
        self.annul(conversion)

    @rule(award=st.sampled_from(AWARDS), ends=st.booleans())
    def use_twice(self, award: str, ends: bool) -> None:
        """The oldest learning is used for an award, and asked for under other rules, which would take it first."""
        day = self.bank.today() - timedelta(days=725)
        stated = submission(self.learner, self.fresh(), credits="3", unit=self.fresh(), completed=day.isoformat())
        self.run(self.bank.submit(stated))
        self.look()
        made = self.apply(award)
        if isinstance(made, Conversion) and ends:
            self.settle_hold(made, Verdict(True, None, ()))
        elsewhere = self.apply("certificate", "rival")
        if isinstance(elsewhere, Conversion):
            self.settle_hold(elsewhere, Verdict(True, None, ()))

    @rule(days=st.sampled_from([20, 61]))
    def hold_until_it_expires(self, days: int) -> None:
        """Held two weeks before its date, ended after it: expired, and no day longer (invariant 20)."""
        day = self.bank.today() - timedelta(days=720)
        stated = submission(self.learner, self.fresh(), credits="3", unit=self.fresh(), completed=day.isoformat())
        self.run(self.bank.submit(stated))
        self.look()
        made = self.apply("certificate")
        if isinstance(made, Refusal):
            return
        self.time_passes(days)
        if (
            days < HOLD_DAYS
            and (found := next(c for c in self.seen.conversions if c.id == made.id)).state is State.HELD
        ):
            self.settle_hold(found, Verdict(False, None, ("other",)))
        for line in made.hold.lines:
            lot = self.seen.lots[line.lot_id]
            if lot.is_expired(self.bank.today()):
                assert not lot.positions[Account.AVAILABLE], "20: a hold that ended lengthened an expiry"

    def revoke_everything(self) -> None:
        """With nothing left nothing stands but what was redeemed, as a debt or a waiver (invariant 14)."""
        for achievement, _ in self.facts():
            self._revoke(achievement)
        for lot in self.seen.lots.values():
            at = lot.positions
            if at[Account.EXCHANGE]:
                continue
            left = [at[account] for account in (Account.AVAILABLE, Account.RESERVED, Account.EXCESS)]
            assert left == [0, 0, 0], "14: something is left"
            assert at[Account.REDEEMED] + at[Account.OWED] + at[Account.WRITE_OFF] == 0, "14: redeemed is not owed"

    # --- What always holds -------------------------------------------------------------------------------------------

    @invariant()
    @precondition(lambda self: hasattr(self, "bank"))
    def books(self) -> None:
        """Invariants 1 to 8, and 25: the postings, replayed one by one."""
        at: dict[UUID, dict[Account, int]] = defaultdict(lambda: dict.fromkeys(Account, 0))
        for posting in self.seen.postings:
            mine, milli = at[posting.lot_id], posting.amount_milli
            assert milli > 0, "1: nothing moved"
            assert posting.source is not posting.target, "1: nothing moved"
            assert posting.lot_id in self.seen.lots, "1: a posting on no lot"
            if posting.code is Code.WRITE_OFF:
                assert milli <= -mine[Account.OWED], "6: a waiver exceeds the debt"
            assert posting.source is not Account.REDEEMED or posting.code is Code.ANNUL, "25: redeemed fell"
            mine[posting.source] -= milli
            mine[posting.target] += milli
            assert all(mine[account] >= 0 for account in PLAIN), "3: below nothing"
            assert mine[Account.OWED] <= 0, "3: a debt above nothing"
        for lot in self.seen.lots.values():
            assert sum(lot.positions.values()) == 0, "2: positions do not sum to zero"
            assert dict(lot.positions) == at[lot.id], "4: positions are not the replay"
            assert -lot.positions[Account.ISSUED] == sum(lot.positions[a] for a in LEARNERS), "5"

    @invariant()
    @precondition(lambda self: hasattr(self, "bank"))
    def times(self) -> None:
        """Invariant 7: a position at two times is the replay filtered by both."""
        if not self.seen.postings:
            return
        middle = self.seen.postings[len(self.seen.postings) // 2]
        for effective, known in ((middle.effective, middle.recorded_at), (self.bank.today(), middle.recorded_at)):
            wanted: dict[UUID, dict[Account, int]] = {}
            for posting in self.seen.postings:
                if posting.effective <= effective and posting.recorded_at <= known:
                    mine = wanted.setdefault(posting.lot_id, dict.fromkeys(Account, 0))
                    mine[posting.source] -= posting.amount_milli
                    mine[posting.target] += posting.amount_milli

            async def read(on: date = effective, by: Any = known) -> dict[UUID, dict[Account, int]]:
                async with self.bank.database.read() as connection:
                    return await positions_at(connection, self.learner, effective=on, known=by)

            assert self.run(read()) == wanted, "7"

    @invariant()
    @precondition(lambda self: hasattr(self, "bank"))
    def proven(self) -> None:
        """Invariants 8, 9, 10 and 21: everything recomputed comes to what is stored, and posts nothing more."""
        assert self.run(self.bank.verify()) == [], "8, 9, 10, 21"

    @invariant()
    @precondition(lambda self: hasattr(self, "bank"))
    def recognised(self) -> None:
        """Invariants 12 and 16 to 19: what the engine says, in any order of arrival, and what that leaves to use."""

        async def read() -> tuple[Touched, Book, date | None]:
            async with self.bank.database.snapshot() as connection:
                learner = (await load(connection, self.bank.vault, [self.learner]))[self.learner]
                book, as_of = await self.bank.shelf.book_seen(connection), learner.evaluated_as_of
                loaded = await load_all(connection, self.bank.shelf, [learner], book, as_of or self.bank.today())
                return loaded[self.learner], book, as_of

        touched, book, as_of = self.run(read())
        if as_of is None:
            return
        mine, standing = list(touched.achievements.values()), touched.standing(book, as_of)
        found = evaluate_achievements(mine, book, as_of, touched.known, standing)
        again = evaluate_achievements(mine[::-1], book, as_of, touched.known, standing)
        assert again == found, "12: the order matters"
        by_year: dict[int, int] = defaultdict(int)
        kept_by_year: dict[int, int] = defaultdict(int)
        units: list[str] = []
        kept_units: set[str] = set()
        kept = {key for era in standing.eras.get("town", ()) for key in era.keys}
        for decision in found.decisions:
            for lot in decision.lots:
                parts = lot.recognised.milli + lot.excess.milli + lot.dropped.milli
                assert Credits.parse(lot.trace["granted"]).milli == parts, "17: a part is lost"
                if decision.rule_set == "town" and lot.recognised.milli:
                    by_year[lot.effective.year] += lot.recognised.milli
                    if kept.isdisjoint(decision.binding):
                        units.append(lot.unit)
                    else:
                        kept_by_year[lot.effective.year] += lot.recognised.milli
                        kept_units.add(lot.unit)
        # What was redeemed under other rules stands, and leaves to the others what is left of the limit.
        assert all(milli <= max(self.cap * 1000, kept_by_year[year]) for year, milli in by_year.items()), (
            "16: more than the limit"
        )
        assert len(units) == len(set(units)), "18: a unit counts twice"
        assert kept_units.isdisjoint(units), "18: a unit counts again that was redeemed"
        for stored in self.seen.lots.values():
            if stored.is_expired(as_of):
                assert not stored.positions[Account.AVAILABLE], "19: available after its date"

    @invariant()
    @precondition(lambda self: hasattr(self, "bank"))
    def holds(self) -> None:
        """Invariants 21, 22, 23 and 28: what is held, how it ends, and that nothing is used twice."""
        reserved: dict[UUID, int] = defaultdict(int)
        for one in self.seen.conversions:
            hold = one.hold
            former = self.ended.setdefault(hold.id, hold.state)
            assert former is hold.state or former is HoldState.OPEN, "22: a hold ended twice"
            self.ended[hold.id] = hold.state
            for line in hold.lines:
                if hold.state is HoldState.OPEN:
                    reserved[line.lot_id] += line.milli
                if hold.state is not HoldState.REDEEMED:
                    assert not line.redeemed_milli, "23: redeemed without an award"
                assert line.redeemed_milli <= line.milli, "23"
        held = {lot.id: lot.positions[Account.RESERVED] for lot in self.seen.lots.values()}
        assert held == {lot_id: reserved[lot_id] for lot_id in held}, "21: reserved is not what open holds say"
        redeemed: dict[UUID, int] = defaultdict(int)
        under: dict[str, set[UUID]] = defaultdict(set)
        for one in self.seen.conversions:
            if one.is_standing:
                for lot_id, milli in one.used.items():
                    redeemed[lot_id] += milli
        for lot in self.seen.lots.values():
            assert lot.positions[Account.REDEEMED] == redeemed[lot.id], "23: redeemed is not what awards used"
            if lot.positions[Account.REDEEMED]:
                for id_ in lot.key.binding.split(","):
                    under[id_].add(lot.key.rule_set_id)
        for lot in self.seen.lots.values():
            if lot.positions[Account.RESERVED]:
                for id_ in lot.key.binding.split(","):
                    under[id_].add(lot.key.rule_set_id)
        assert all(len(rule_sets) == 1 for rule_sets in under.values()), "28: used under two rule sets"


class WaivingBooks(Books):
    """The same under rules that waive every debt at once."""

    waives = True
