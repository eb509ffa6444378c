"""The database itself refuses to change what is only ever added to, on both databases."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from creditbank.access.actions import record
from creditbank.database.metadata import metadata
from creditbank.identifiers import new_id
from creditbank.ledger.tables import lots, postings
from creditbank.rulesets.tables import rule_set_edits, rule_set_publications, rule_set_versions
from tests.bank import BANKER, Bank, document

APPEND_ONLY = ("achievement_versions", "audit_events", "decisions", "evaluations", "postings")


@pytest.fixture
async def filled(bank: Bank) -> Bank:
    """A bank with a row in each of these tables."""
    await bank.publish(document())
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")
    async with bank.database.write() as connection:
        await record(connection, BANKER.by, "rule_set.publish", "rule_set:1", {}, bank.clock())
    return bank


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_nothing_that_is_only_added_to_is_changed(filled: Bank, table: str) -> None:
    column = next(iter(metadata.tables[table].primary_key.columns)).name
    statements = [f"update {table} set {column} = {column}", f"delete from {table}"]
    if not filled.database.is_sqlite:
        statements.append(f"truncate {table} cascade")

    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"):
            await filled.sql(statement)

    assert await filled.count(table) == 1


@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_a_published_version_is_immutable(filled: Bank, verb: str) -> None:
    changed = {"update": update(rule_set_versions).values(document="{}"), "delete": delete(rule_set_versions)}[verb]

    with pytest.raises(DBAPIError, match="append-only"):
        await filled.sql(changed)


async def test_a_draft_is_not(filled: Bank) -> None:
    draft = await filled.draft(document(version=2))

    await filled.sql(update(rule_set_versions).where(rule_set_versions.c.id == draft.id).values(revision=2))
    await filled.sql(delete(rule_set_edits).where(rule_set_edits.c.version_id == draft.id))
    await filled.sql(delete(rule_set_versions).where(rule_set_versions.c.id == draft.id))

    assert await filled.count("rule_set_versions") == 1


CHANGES = {"its days": {"valid_from": date(2021, 1, 1)}, "its end": {"valid_until": date(2029, 1, 1)}}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_of_a_publication_only_the_known_time_is_ever_closed(filled: Bank, change: dict[str, date]) -> None:
    with pytest.raises(DBAPIError, match="only ever has its known time closed"):
        await filled.sql(update(rule_set_publications).values(**change))
    with pytest.raises(DBAPIError, match="only ever has its known time closed"):
        await filled.sql(update(rule_set_publications).values(known_until=filled.clock(), **change))

    await filled.sql(update(rule_set_publications).values(known_until=filled.clock()))

    for again in (None, filled.clock()):
        with pytest.raises(DBAPIError, match="only ever has its known time closed"):
            await filled.sql(update(rule_set_publications).values(known_until=again))
    with pytest.raises(DBAPIError, match="append-only"):
        await filled.sql(delete(rule_set_publications))


OVERLAPS = {
    "the same days": (date(2020, 1, 1), None),
    "from a later day": (date(2024, 1, 1), None),
    "around it": (date(2019, 1, 1), None),
    "a day of it": (date(2022, 1, 1), date(2022, 1, 2)),
    "its first day": (date(2019, 1, 1), date(2020, 1, 2)),
}


@pytest.mark.parametrize("days", OVERLAPS.values(), ids=OVERLAPS)
async def test_two_publications_never_overlap_in_both_times(filled: Bank, days: tuple[date, date | None]) -> None:
    async def publish_again() -> None:
        (row,) = await filled.sql(select(rule_set_publications).where(rule_set_publications.c.known_until.is_(None)))
        values = {**row._mapping, "id": new_id(), "valid_from": days[0], "valid_until": days[1]}
        await filled.sql(insert(rule_set_publications).values({**values, "known_from": filled.clock()}))

    with pytest.raises(IntegrityError, match="ex_rule_set_publications_overlap"):
        await publish_again()


async def test_publications_that_only_touch_may_stand_side_by_side(filled: Bank) -> None:
    (row,) = await filled.sql(select(rule_set_publications))
    before = {**row._mapping, "id": new_id(), "valid_from": date(2019, 1, 1), "valid_until": date(2020, 1, 1)}

    await filled.sql(insert(rule_set_publications).values(before))

    assert await filled.count("rule_set_publications") == 2


BAD_ROWS = {
    "a lot that does not balance": "update lots set available_milli = available_milli + 1",
    "a lot with a negative position": "update lots set available_milli = -1, issued_milli = 1",
    "a lot that owes more than nothing": "update lots set owed_milli = 1, issued_milli = issued_milli - 1",
    "a second epoch": "insert into rules_epoch (id, epoch) values (2, 1)",
}


@pytest.mark.parametrize("statement", BAD_ROWS.values(), ids=BAD_ROWS)
async def test_rows_that_could_not_be_are_refused(filled: Bank, statement: str) -> None:
    with pytest.raises(IntegrityError):
        await filled.sql(text(statement))


POSTINGS = {
    "of nothing": {"amount_milli": 0},
    "of less than nothing": {"amount_milli": -5},
    "within one account": {"source": "available"},
    "of a lot that is not there": {"lot_id": new_id()},
    "of a decision that is not there": {"decision_id": new_id()},
    "in a place that is taken": {"seq": 1},
}


@pytest.mark.parametrize("change", POSTINGS.values(), ids=POSTINGS)
async def test_postings_that_could_not_be_are_refused(filled: Bank, change: dict[str, object]) -> None:
    (row,) = await filled.sql(select(postings))
    sound = {**row._mapping, "id": new_id(), "seq": 2}

    with pytest.raises(IntegrityError):
        await filled.sql(insert(postings).values({**sound, **change}))
    await filled.sql(insert(postings).values(sound))


async def test_a_lot_with_postings_cannot_be_removed(filled: Bank) -> None:
    with pytest.raises(IntegrityError):
        await filled.sql(delete(lots))
