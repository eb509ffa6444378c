"""Exchange credits: one transaction on one locked learner, which is settled before it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.awards.domain import Wanted, check_debts
from creditbank.conversions.actions import Asked, Counter, locked_for, settle_today, the_same
from creditbank.database.statements import insert_rows
from creditbank.exchanges import queries
from creditbank.exchanges.domain import Exchange, ExchangeKind, Leg, Terms, UnknownUnitConversion, legs_of
from creditbank.exchanges.tables import exchange_lines, exchanges
from creditbank.identifiers import new_id
from creditbank.learners.queries import LockedLearner
from creditbank.ledger.actions import Act, Step, act
from creditbank.ledger.domain import Lot, exchange_in, exchange_out
from creditbank.ledger.queries import lots_of
from creditbank.providers.domain import UnknownProvider
from creditbank.providers.queries import by_code, check_active
from creditbank.recognition.queries import open_debts
from creditbank.rulesets.domain import Book, Entry


@dataclass(frozen=True, slots=True)
class Wish:
    """Credits that are to change: into another unit by ``unit_conversion``, or of ``unit`` to another ``provider``.

    An amount in thousandths, or lots.
    """

    rule_set: str
    unit_conversion: str | None
    provider: str | None
    unit: str | None
    milli: int | None
    wanted: Sequence[Wanted] | None


async def exchange(
    connection: AsyncConnection, counter: Counter, asked: Asked, learner_id: UUID, wish: Wish, today: date
) -> Exchange:
    """Exchange credits: both legs or none. What comes of it stands on lots that evaluation leaves alone.

    Raises LearnerNotFound, KeyReused, UnknownUnitConversion, UnknownProvider, ProviderNotActive, LearnerInDebt, and
    what ``legs_of`` raises.
    """
    learner = await locked_for(connection, counter, learner_id, asked.actor)
    before = await queries.find_exchange(connection, learner.id, asked.request)
    if before is not None:
        return the_same(before, asked)
    # Settled first: from here on nobody publishes until this transaction ends.
    settled = await settle_today(connection, counter, learner, today)
    rules = _governing(await counter.shelf.book(connection), wish.rule_set, today)
    terms = _terms_of(rules, wish)
    if wish.provider is not None:
        await _check_receiver(connection, wish.provider)
    lots = {lot.id: lot for lot in (await lots_of(connection, [learner.id]))[learner.id]}
    check_debts(lots, await open_debts(connection, learner.id))
    legs, rest = legs_of(terms, lots, settled.achievements, today, milli=wish.milli, wanted=wish.wanted)
    new_lots = [_new_lot(leg, terms) for leg in legs]
    code = terms.kind.code
    done = Act(f"exchange:{asked.request}", terms.kind.value, client_id=asked.actor.client_id)
    await act(
        connection,
        learner,
        done,
        [Step(leg.old, exchange_out(leg.uses_milli, code), today) for leg in legs],
        counter.clock(),
        made=[
            Step(lot, exchange_in(leg.gives_milli, code), today)
            for leg, lot in zip(legs, new_lots, strict=True)
            if lot is not None
        ],
    )
    await _record(connection, learner, asked, rules, terms, legs, new_lots, rest)
    await settle_today(connection, counter, learner, today)
    made = await queries.find_exchange(connection, learner.id, asked.request)
    if made is None:
        raise LookupError(asked.request)
    return made


def _governing(book: Book, rule_set: str, today: date) -> Entry:
    """The version of a rule set that governs a day. Raises UnknownUnitConversion."""
    for (code, _), entry in book.entries.items():
        if code == rule_set and entry.compiled.governs(today):
            return entry
    raise UnknownUnitConversion(given=rule_set, pointer="/rule_set")


def _terms_of(rules: Entry, wish: Wish) -> Terms:
    if wish.unit_conversion is None:
        unit = wish.unit or rules.compiled.credit_unit
        return Terms(ExchangeKind.TRANSFER, rules.rule_set_id, unit, None, wish.provider)
    found = rules.compiled.unit_conversions.get(wish.unit_conversion)
    if found is None:
        raise UnknownUnitConversion(given=wish.unit_conversion)
    return Terms(ExchangeKind.CONVERT, rules.rule_set_id, found.from_, found)


async def _check_receiver(connection: AsyncConnection, code: str) -> None:
    if code not in await by_code(connection, [code]):
        raise UnknownProvider(pointer="/provider")
    await check_active(connection, code)


def _new_lot(leg: Leg, terms: Terms) -> Lot | None:
    if leg.new_key is None:
        return None
    old = leg.old
    changed = (
        replace(old.terms, credit_unit=terms.conversion.to)
        if terms.conversion is not None
        else replace(old.terms, provider=terms.provider or old.terms.provider)
    )
    return Lot(old.learner_id, new_id(), leg.new_key, changed, {})


async def _record(
    connection: AsyncConnection,
    learner: LockedLearner,
    asked: Asked,
    rules: Entry,
    terms: Terms,
    legs: Sequence[Leg],
    new_lots: Sequence[Lot | None],
    rest: int,
) -> None:
    exchange_id = new_id()
    row = {
        "learner_id": learner.id,
        "id": exchange_id,
        "kind": terms.kind.value,
        "rule_set_id": terms.rule_set_id,
        "rule_set_version_id": rules.version_id,
        "conversion": terms.conversion.id if terms.conversion is not None else None,
        "provider": terms.provider,
        "uses_milli": sum(leg.uses_milli for leg in legs),
        "gives_milli": sum(leg.gives_milli for leg in legs),
        "rest_milli": rest,
        "client_id": asked.actor.client_id,
        "request": asked.request,
        "fingerprint": asked.fingerprint,
        "recorded_at": learner.recorded_at,
    }
    await insert_rows(connection, exchanges, [row])
    rows = [
        {"learner_id": learner.id, "id": new_id(), "exchange_id": exchange_id, "old_lot_id": leg.old.id,
         "uses_milli": leg.uses_milli, "new_lot_id": lot.id if lot is not None else None,
         "gives_milli": leg.gives_milli}
        for leg, lot in zip(legs, new_lots, strict=True)
    ]  # fmt: skip
    await insert_rows(connection, exchange_lines, rows)
