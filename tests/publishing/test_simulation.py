"""What publishing would change: who gains, who loses and why, counted once however often it is interrupted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.jobs.actions import advance, lease
from creditbank.jobs.domain import Job
from creditbank.jobs.queries import find_state
from creditbank.providers.actions import NewAccreditation
from creditbank.publishing import simulating
from creditbank.publishing.actions import ask_simulation, enter_accreditation, read_draft
from creditbank.publishing.domain import CAUSES, LARGEST, Tally, effect_of
from creditbank.publishing.simulating import Simulating
from creditbank.rules.outcome import Decision
from creditbank.rulesets.actions import end_simulation, register, replace_draft
from creditbank.rulesets.domain import Simulation, StoredVersion
from creditbank.rulesets.queries import find_simulation, simulations_of
from tests.bank import EDITOR, Bank, document, granting
from tests.covering import covered
from tests.programmes.desk import enrolled
from tests.rules.writing import compiled, decide, fact, rule

# --- One learner ------------------------------------------------------------------------------------------------------

OWN = rule("own", {"native": 1}, kind="course")
LIMIT = {"id": "two", "at_most": {"credits": 2}}
EFFECTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], Mapping[str, int], Mapping[tuple[str, str], int]]] = {
    "the same": ([OWN], {}, {}, {}),
    "more": ([rule("own", {"fixed": 5}, kind="course")], {}, {"CR": 2000}, {}),
    "less": ([rule("own", {"fixed": 1}, kind="course")], {}, {"CR": -2000}, {("amount", "CR"): 2000}),
    "a limit": ([OWN], {"limits": [LIMIT]}, {"CR": -1000}, {("limit", "CR"): 1000}),
    "less and a limit": (
        [rule("own", {"fixed": "2.5"}, kind="course")],
        {"limits": [LIMIT]},
        {"CR": -1000},
        {("limit", "CR"): 500, ("amount", "CR"): 500},
    ),
    "no rule": ([rule("own", kind="exam")], {}, {"CR": -3000}, {("no_rule", "CR"): 3000}),
    "denied": ([rule("no", kind="course", effect="deny", grant=[])], {}, {"CR": -3000}, {("deny", "CR"): 3000}),
    "a review": ([rule("ask", kind="course", effect="review", grant=[])], {}, {"CR": -3000}, {("review", "CR"): 3000}),
    "it is over": ([OWN], {"validity": {"max": "P1M"}}, {"CR": -3000}, {("expiry", "CR"): 3000}),
    "it is over, and a limit too": (
        [rule("own", {"fixed": 6}, kind="course")],
        {"validity": {"max": "P1M"}, "limits": [LIMIT]},
        {"CR": -3000},
        {("expiry", "CR"): 2000, ("limit", "CR"): 1000},
    ),
    "another unit of credits": (
        [OWN],
        {"header": {"unit": {"code": "ECTS", "step": "1/2"}}},
        {"CR": -3000, "ECTS": 3000},
        {("amount", "CR"): 3000},
    ),
}


@pytest.mark.parametrize(("rules", "blocks", "changes", "lost"), EFFECTS.values(), ids=EFFECTS)
def test_a_learner_gains_or_loses_for_a_reason(
    rules: list[dict[str, Any]],
    blocks: dict[str, Any],
    changes: Mapping[str, int],
    lost: Mapping[tuple[str, str], int],
) -> None:
    before = decide(compiled(OWN), fact("a"))
    after = decide(compiled(*rules, **blocks), fact("a"))

    effect = effect_of(before, after)

    assert effect.changes == changes
    assert effect.lost == lost
    assert {cause for cause, _ in lost} <= set(CAUSES)
    assert effect.shrinking == (1 if lost else 0)
    assert effect.reviews_new == (1 if ("review", "CR") in lost else 0)
    # Seen from the other side nothing is lost where something was gained.
    back = effect_of(after, before)
    assert back.changes == {unit: -milli for unit, milli in changes.items()}
    assert back.reviews_gone == effect.reviews_new


def test_what_counts_once_is_lost_as_such() -> None:
    facts = [fact("a", unit="U"), fact("b", unit="U")]
    before, after = decide(compiled(OWN), *facts), decide(compiled(OWN, unique={"keep": "first"}), *facts)

    assert effect_of(before, after).lost == {("unique", "CR"): 3000}


def test_a_combination_is_compared_with_what_its_parts_gave() -> None:
    both = {"id": "both", "match": {"all": [{"code": "A"}, {"code": "B"}]}, "grant": [{"credits": {"fixed": 10}}]}
    facts = [fact("a", code="A"), fact("b", code="B")]
    apart, together = decide(compiled(OWN), *facts), decide(compiled(both), *facts)

    gaining, losing = effect_of(apart, together), effect_of(together, apart)

    assert (gaining.changes, gaining.lost, gaining.shrinking) == ({"CR": 4000}, {}, 0)
    assert (losing.changes, losing.lost, losing.shrinking) == ({"CR": -4000}, {("amount", "CR"): 4000}, 1)


def test_a_shorter_validity_shrinks_though_nothing_is_lost_today() -> None:
    long, short = (compiled(OWN, validity={"max": duration}) for duration in ("P9Y", "P8Y"))

    effect = effect_of(decide(long, fact("a")), decide(short, fact("a")))

    assert (effect.changes, effect.shrinking) == ({}, 1)
    assert effect_of(decide(short, fact("a")), decide(long, fact("a"))).shrinking == 0
    assert effect_of(decide(compiled(OWN), fact("a")), decide(long, fact("a"))).shrinking == 1


def decided(credits_: int, count: int = 1) -> list[Decision]:
    return decide(compiled(rule("own", {"fixed": credits_}, kind="course")), *[fact(f"a{n}") for n in range(count)])


def test_the_largest_changes_are_named_whatever_the_order() -> None:
    effects = {UUID(int=n): effect_of(decided(1, n % 9 + 1), decided(2, n % 9 + 1)) for n in range(50)}
    forth, back = Tally(), Tally()

    for id_, effect in effects.items():
        forth.add(id_, effect)
    for id_, effect in reversed(effects.items()):
        back.add(id_, effect)

    assert forth.report() == back.report()
    largest = forth.report()["largest"]
    assert len(largest) == LARGEST
    assert [case["before"]["CR"] for case in largest[:6]] == ["9", "9", "9", "9", "9", "8"]
    assert largest[0]["learner"] == str(UUID(int=8))


def test_a_tally_goes_on_from_its_json() -> None:
    tally = Tally()
    tally.add(UUID(int=1), effect_of(decided(3), decided(1)))

    again = Tally.from_json(tally.as_json())
    again.add(UUID(int=2), effect_of(decided(1), decided(3)))

    report = again.report()
    assert report["learners"] == {"seen": 0, "evaluated": 2, "gaining": 1, "losing": 1}
    assert report["units"] == [
        {
            "unit": "CR",
            "before": "4",
            "after": "4",
            "gained": "2",
            "lost": "2",
            "capped_before": "0",
            "capped_after": "0",
        }
    ]
    assert report["losses"]["amount"] == {"CR": "2"}


# --- Many learners ----------------------------------------------------------------------------------------------------


def giving(credits_: int, **parts: Any) -> dict[str, Any]:
    return document(granting("own", {"fixed": credits_}, kind="course"), granting("exam", kind="exam"), **parts)


async def town(bank: Bank, learners: int) -> list[UUID]:
    """Learners of whom the odd have a course and the even an exam."""
    ids = await bank.open(*[f"Learner {n}" for n in range(learners)])
    for number, id_ in enumerate(ids):
        await bank.record(id_, f"E{number}", kind="course" if number % 2 else "exam")
    return ids


async def validated(bank: Bank, plain: Mapping[str, Any]) -> StoredVersion:
    return await bank.validate(await bank.draft(covered(plain)))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two learners a step, so that few learners make many steps."""
    monkeypatch.setattr(simulating, "LEARNERS_A_STEP", 2)


@pytest.mark.usefixtures("small_steps")
async def test_nothing_is_settled_by_asking(bank: Bank) -> None:
    await bank.publish(giving(3))
    await town(bank, 5)
    tables = ("lots", "postings", "decisions", "evaluations", "achievement_versions")
    stored = [await bank.count(table) for table in tables]

    found = await bank.simulate(await validated(bank, giving(5, version=2)))

    assert found.report is not None
    # Nobody with nothing but an exam can be touched by a change of the courses' rule.
    assert found.report["learners"] == {"seen": 5, "evaluated": 2, "gaining": 2, "losing": 0}
    assert [await bank.count(table) for table in tables] == stored
    assert (await bank.version("town", 2)).state == "simulated"


async def asked(bank: Bank, version: StoredVersion, sample: int | None = None) -> Simulation:
    async with bank.database.write() as connection:
        return await ask_simulation(connection, version, sample, bank.today(), bank.clock)


async def ended(bank: Bank, simulation: Simulation) -> Mapping[str, Any]:
    async with bank.database.read() as connection:
        found = await find_simulation(connection, simulation.id)
    assert found is not None
    assert found[0].report is not None
    return found[0].report


@pytest.mark.usefixtures("small_steps")
async def test_a_worker_that_dies_between_steps_and_within_one_counts_nobody_twice(bank: Bank) -> None:
    await bank.publish(giving(3))
    await town(bank, 9)
    await bank.work()
    version = await validated(bank, giving(5, version=2))
    whole = await bank.simulate(version)
    simulation = await asked(bank, version)
    handler = Simulating(bank.vault, bank.shelf, bank.clock)
    async with bank.database.write() as connection:
        job = await lease(connection, bank.clock())
    assert job is not None
    # One step is kept; in the next the worker dies before the commit.
    async with bank.database.write() as connection:
        await advance(connection, job, await handler(connection, job), bank.clock())
    with pytest.raises(ConnectionError):
        async with bank.database.write() as connection:
            await die_in_step(connection, handler, job, bank)
    bank.clock.turn(minutes=2)

    assert await bank.work() == 1

    assert await ended(bank, simulation) == whole.report


async def die_in_step(connection: AsyncConnection, handler: Simulating, job: Job, bank: Bank) -> None:
    state = await find_state(connection, job.id)
    assert state is not None
    assert state.progress["walked"] == 2
    step = await handler(connection, replace(job, progress=state.progress))
    await advance(connection, job, step, bank.clock())
    raise ConnectionError


@pytest.mark.usefixtures("small_steps")
async def test_rules_that_change_meanwhile_begin_the_counting_anew(bank: Bank) -> None:
    await bank.publish(giving(3))
    await town(bank, 6)
    version = await validated(bank, giving(5, version=2))
    simulation = await asked(bank, version)
    handler = Simulating(bank.vault, bank.shelf, bank.clock)
    job = Job(UUID(int=1), "simulate", {"simulation": str(simulation.id)}, {}, 1)
    for _ in range(2):
        async with bank.database.write() as connection:
            job = replace(job, progress=(await handler(connection, job)).progress)
    assert (job.progress["walked"], job.progress["epoch"]) == (4, 2)
    (_, school) = await bank.sql("select id from providers order by code")
    async with bank.database.write() as connection:
        await enter_accreditation(
            connection, UUID(str(school.id)), NewAccreditation("niie", None, date(2024, 1, 1), None), bank.clock
        )

    async with bank.database.write() as connection:
        step = await handler(connection, job)

    assert (step.progress["walked"], step.progress["epoch"], step.progress["tally"]["seen"]) == (2, 3, 2)


@pytest.mark.usefixtures("small_steps")
async def test_a_document_that_is_replaced_meanwhile_has_no_report(bank: Bank) -> None:
    version = await validated(bank, giving(3))
    await town(bank, 5)
    simulation = await asked(bank, version)
    async with bank.database.write() as connection:
        better = read_draft(json.dumps(covered(giving(4))).encode(), "json", "en")
        await replace_draft(connection, version, better, EDITOR, bank.clock())

    await bank.work()

    async with bank.database.read() as connection:
        (found,) = await simulations_of(connection, version.id)
    assert (found.id, found.report) == (simulation.id, None)
    (job,) = await bank.sql("select state, progress from jobs")
    assert "outdated" in str(job.progress)
    assert (await bank.version("town", 1)).state == "draft"


async def test_what_is_asked_for_already_is_not_asked_for_again(bank: Bank) -> None:
    version = await validated(bank, giving(3))

    first, second, sampled = await asked(bank, version), await asked(bank, version), await asked(bank, version, 5)
    await bank.work()
    third = await asked(bank, version)

    assert first.id == second.id
    assert len({first.id, sampled.id, third.id}) == 3


@pytest.mark.parametrize(("sample", "seen"), [(3, 3), (5, 5), (50, 9)])
@pytest.mark.usefixtures("small_steps")
async def test_a_sample_is_spread_over_everybody(bank: Bank, sample: int, seen: int) -> None:
    ids = await town(bank, 9)
    version = await validated(bank, giving(5))

    found = await bank.simulate(version, sample)

    assert found.report is not None
    assert found.report["learners"]["seen"] == seen
    if sample == 3:
        named = {UUID(case["learner"]) for case in found.report["largest"]}
        assert named == {sorted(ids)[n] for n in (0, 3, 6)}


DIPLOMA = {"id": "diploma", "total": 9, "requirements": [{"id": "core", "need": {"credits": 9}}]}


@pytest.mark.parametrize(("sample", "seen", "gaining"), [(None, 3, 2), (2, 2, 1), (50, 3, 2)])
@pytest.mark.usefixtures("small_steps")
async def test_of_rules_for_the_enrolled_those_are_compared_whom_they_settle(
    bank: Bank, sample: int | None, seen: int, gaining: int
) -> None:
    async with bank.database.write() as connection:
        for code in ("town", "hamlet"):
            await register(connection, code, None, bank.clock(), "enrolled")
    ids = await town(bank, 7)
    first = await bank.simulate(await validated(bank, giving(3, id_="hamlet", programmes=[DIPLOMA])))
    assert first.report is not None
    # Nobody can have entered a programme that nobody has published.
    assert (first.report["learners"]["seen"], first.report["units"]) == (0, [])
    await bank.publish(giving(3, programmes=[DIPLOMA]))
    mine = ids[1:4]
    for learner in mine:
        await enrolled(bank, learner, "diploma")

    found = await bank.simulate(await validated(bank, giving(5, version=2, programmes=[DIPLOMA])), sample)

    assert found.report is not None
    assert {name: found.report["learners"][name] for name in ("seen", "gaining", "losing")} == {
        "seen": seen, "gaining": gaining, "losing": 0
    }  # fmt: skip
    (unit,) = found.report["units"]
    assert (unit["before"], unit["after"], unit["gained"]) == (str(3 * gaining), str(5 * gaining), str(2 * gaining))
    assert {UUID(case["learner"]) for case in found.report["largest"]} <= set(mine)


CORRECTIONS: dict[str, tuple[dict[str, Any], int]] = {
    "a rule": (giving(5, version=2), 2),
    "a title": ({**giving(3, version=2), "title": {"zh": "镇", "en": "Town"}}, 0),
    "a limit over everything": (giving(3, version=2, limits=[{"id": "one", "at_most": {"credits": 1}}]), 5),
    "a successor's one rule": (giving(5, version=2, start="2024-01-01"), 2),
    "days before": (giving(5, version=2, start="2019-01-01", until="2020-01-01"), 5),
    "reaching back": (giving(5, version=2, start="2024-01-01", transition={"applies_to": "unredeemed"}), 5),
}


@pytest.mark.parametrize(("plain", "evaluated"), CORRECTIONS.values(), ids=CORRECTIONS)
async def test_only_whom_the_change_can_touch_is_evaluated(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, plain: dict[str, Any], evaluated: int
) -> None:
    await bank.publish(giving(3))
    await town(bank, 5)
    version = await validated(bank, plain)

    found = await bank.simulate(version)
    monkeypatch.setattr(simulating, "BOXES_MAX", -1)
    everybody = await bank.simulate(version)

    assert found.report is not None
    assert everybody.report is not None
    assert found.report["learners"]["evaluated"] == evaluated
    for name in ("gaining", "losing"):
        assert found.report["learners"][name] == everybody.report["learners"][name]
    for name in ("losses", "shrinking", "largest", "reviews"):
        assert found.report[name] == everybody.report[name]


async def test_who_reaches_back_evaluates_everybody_though_the_former_did_so_too(bank: Bank) -> None:
    back = {"transition": {"applies_to": "unredeemed"}}
    await bank.publish(giving(3, **back))
    await town(bank, 5)

    found = await bank.simulate(await validated(bank, giving(5, version=2, start="2024-01-01", **back)))

    assert found.report is not None
    assert found.report["learners"]["evaluated"] == 5


async def test_a_report_that_comes_too_late_makes_nothing_of_another_document(bank: Bank) -> None:
    """The document is replaced after the last learner was looked at and before the report is kept."""
    looked_at = await validated(bank, giving(3))
    simulation = await asked(bank, looked_at)
    better = read_draft(json.dumps(covered(giving(4))).encode(), "json", "en")
    async with bank.database.write() as connection:
        await replace_draft(connection, looked_at, better, EDITOR, bank.clock())

    async with bank.database.write() as connection:
        await end_simulation(connection, simulation, looked_at, Tally().report(), bank.clock())

    assert (await bank.version("town", 1)).state == "draft"
