"""From draft to published and withdrawn: what each step asks, and that nothing goes past it (rules/v1 section 13)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from creditbank.errors import Refusal
from creditbank.ledger.domain import Account
from creditbank.publishing.actions import approve, check_simulation, find_above, publish, read_draft, withdraw
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets.domain import StoredVersion, governing
from creditbank.rulesets.queries import documents_above
from creditbank.rulesets.tables import rule_set_edits, rule_set_versions
from tests.bank import APPROVER, EDITOR, Bank, document, granting
from tests.covering import covered

OTHER = "operator:anna"


def giving(credits_: int, **header: Any) -> dict[str, Any]:
    """A covered rule set that gives every course so many credits."""
    return covered(document(granting("own", {"fixed": credits_}, kind="course"), **header))


async def redraft(bank: Bank, version: StoredVersion, plain: Mapping[str, Any], editor: str = EDITOR) -> StoredVersion:
    read = read_draft(json.dumps(plain).encode(), "json", "en")
    async with bank.database.write() as connection:
        await rulesets.replace_draft(connection, version, read, editor, bank.clock())
    return await bank.version(version.rule_set.code, version.number)


async def approve_as(bank: Bank, version: StoredVersion, approver: str) -> None:
    async with bank.database.write() as connection:
        await approve(connection, version, approver, bank.clock)


async def publish_now(bank: Bank, version: StoredVersion) -> None:
    async with bank.database.write() as connection:
        await publish(connection, version, bank.clock)


async def withdraw_now(bank: Bank, version: StoredVersion) -> None:
    async with bank.database.write() as connection:
        await withdraw(connection, version, bank.clock)


async def simulated(bank: Bank, plain: Mapping[str, Any]) -> StoredVersion:
    version = await bank.validate(await bank.draft(plain))
    await bank.simulate(version)
    return await bank.version(version.rule_set.code, version.number)


# --- The steps --------------------------------------------------------------------------------------------------------


async def test_every_step_is_taken_in_its_turn(bank: Bank) -> None:
    draft = await bank.draft(giving(3))
    states = [draft.state]
    states.append((await bank.validate(draft)).state)
    await bank.simulate(await bank.version("town", 1))
    states.append((await bank.version("town", 1)).state)
    await approve_as(bank, await bank.version("town", 1), APPROVER)
    approved = await bank.version("town", 1)
    states.append(approved.state)
    await publish_now(bank, approved)
    published = await bank.version("town", 1)
    states.append(published.state)
    await withdraw_now(bank, published)
    states.append((await bank.version("town", 1)).state)

    assert states == ["draft", "validated", "simulated", "approved", "published", "withdrawn"]
    assert (approved.approved_by, published.sha256) == (APPROVER, draft.sha256)
    # Whoever holds an old tag sees that there is something new.
    assert len({draft.tag, approved.tag, published.tag, (await bank.version("town", 1)).tag}) == 4


@pytest.mark.parametrize("reached", ["validated", "simulated", "approved"])
async def test_another_document_makes_a_draft_of_it(bank: Bank, reached: str) -> None:
    version = await bank.validate(await bank.draft(giving(3)))
    if reached != "validated":
        await bank.simulate(version)
        version = await bank.version("town", 1)
    if reached == "approved":
        await approve_as(bank, version, APPROVER)
        version = await bank.version("town", 1)
    assert version.state == reached

    again = await redraft(bank, version, giving(4))

    assert (again.state, again.approved_by, again.approved_at) == ("draft", None, None)
    # What was simulated was another document.
    validated = await bank.validate(again)
    assert validated.state == "validated"
    with pytest.raises(Refusal, match="rule_set_version_wrong_state"):
        await approve_as(bank, validated, APPROVER)


TOO_EARLY = {
    "simulated as a draft": ("draft", "simulate"),
    "approved as a draft": ("draft", "approve"),
    "published as a draft": ("draft", "publish"),
    "withdrawn as a draft": ("draft", "withdraw"),
    "approved when validated": ("validated", "approve"),
    "published when validated": ("validated", "publish"),
    "published when simulated": ("simulated", "publish"),
    "withdrawn when simulated": ("simulated", "withdraw"),
}


@pytest.mark.parametrize(("reached", "step"), TOO_EARLY.values(), ids=TOO_EARLY)
async def test_no_step_is_passed_over(bank: Bank, reached: str, step: str) -> None:
    version = await bank.draft(giving(3))
    if reached != "draft":
        version = await bank.validate(version)
    if reached == "simulated":
        await bank.simulate(version)
        version = await bank.version("town", 1)

    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "simulate": lambda: bank.simulate(version),
        "approve": lambda: approve_as(bank, version, APPROVER),
        "publish": lambda: publish_now(bank, version),
        "withdraw": lambda: withdraw_now(bank, version),
    }
    with pytest.raises(Refusal, match="rule_set_version_wrong_state"):
        await steps[step]()

    assert (await bank.version("town", 1)).state == reached
    assert [tuple(row) for row in await bank.sql("select epoch from rules_epoch")] == [(1,)]


async def test_what_is_published_is_never_changed(bank: Bank) -> None:
    await bank.publish(giving(3))
    version = await bank.version("town", 1)

    for step in (bank.validate(version), bank.simulate(version), redraft(bank, version, giving(4)),
                 approve_as(bank, version, APPROVER), publish_now(bank, version)):  # fmt: skip
        with pytest.raises(Refusal, match="rule_set_version_immutable"):
            await step


# --- Validation -------------------------------------------------------------------------------------------------------

HOURS = granting("hours", {"per_hour": 30}, kind="community")
CLASH = granting("more", {"fixed": 9}, kind="course", provider="cq")
FACT = {"id": "a", "kind": "course", "provider": "cq/school", "completed": "2024-06-10", "credits": "3"}
FAILING = {"name": "four", "as_of": "2025-01-01", "given": [FACT], "then": {"a": "4"}}
LIMIT = {"id": "thirty", "at_most": {"credits": 30}}

UNSOUND: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a test that fails": ({**document(), "tests": [FAILING]}, "rule_tests_failed", ["/tests/0 test_failed"]),
    "a rule without a test": (
        {**covered(document()), "recognition": [*document()["recognition"], HOURS]},
        "rule_coverage_missing",
        ["/recognition/1 W8"],
    ),
    "a limit without a test": ({**covered(document()), "limits": [LIMIT]}, "rule_coverage_missing", ["/limits/0 W8"]),
    "rules that clash": (
        covered(document(granting("own", {"fixed": 3}, kind="course"), CLASH)) | {"tests": []},
        "rule_checks_failed",
        ["/recognition/1 E2"],
    ),
}


@pytest.mark.parametrize(("plain", "code", "faults"), UNSOUND.values(), ids=UNSOUND)
async def test_an_unsound_document_is_not_validated(
    bank: Bank, plain: dict[str, Any], code: str, faults: list[str]
) -> None:
    draft = await bank.draft(plain)

    with pytest.raises(Refusal, match=code) as refused:
        await bank.validate(draft)

    assert [f"{fault.pointer} {fault.code}" for fault in refused.value.faults] == faults
    assert (await bank.version("town", 1)).state == "draft"


async def test_days_that_another_version_governs_are_refused_before_anybody_works_on_it(bank: Bank) -> None:
    await bank.publish(giving(3))
    hole = await bank.draft(giving(4, version=2, start="2022-01-01", until="2023-01-01"))

    with pytest.raises(Refusal, match="rule_set_version_overlaps"):
        await bank.validate(hole)


UNKNOWN = {
    "a category": (
        document(granting("own", kind="course", category="arts/juggling")),
        "/recognition/0/match/category",
    ),
    "a fact": (
        document(granting("own", kind="course", where={"fact": "colour", "op": "==", "value": "red"})),
        "/recognition/0/match/where/fact",
    ),
    "a fact of another kind": (
        document(granting("own", kind="work", where={"fact": "proctored", "op": "==", "value": True})),
        "/recognition/0/match/where/fact",
    ),
    "a value of another type": (
        document(granting("own", kind="work", where={"fact": "months", "op": ">=", "value": "many"})),
        "/recognition/0/match/where/value",
    ),
}


@pytest.mark.parametrize(("plain", "pointer"), UNKNOWN.values(), ids=UNKNOWN)
def test_a_draft_is_checked_against_the_banks_own_lists(plain: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Refusal, match="rule_document_rejected") as refused:
        read_draft(json.dumps(plain).encode(), "json", "en")

    assert [fault.pointer for fault in refused.value.faults] == [pointer]


# --- Approval ---------------------------------------------------------------------------------------------------------


async def test_nobody_approves_what_they_edited_even_once(bank: Bank) -> None:
    draft = await redraft(bank, await bank.draft(giving(3)), giving(4), OTHER)
    await bank.simulate(await bank.validate(draft))
    version = await bank.version("town", 1)

    for editor in (EDITOR, OTHER):
        with pytest.raises(Refusal, match="approver_is_editor"):
            await approve_as(bank, version, editor)
    await approve_as(bank, version, APPROVER)

    assert (await bank.version("town", 1)).approved_by == APPROVER


async def test_a_sample_is_not_enough(bank: Bank) -> None:
    version = await bank.validate(await bank.draft(giving(3)))

    found = await bank.simulate(version, sample=5)

    assert found.report is not None
    assert (await bank.version("town", 1)).state == "validated"


async def test_an_old_simulation_is_not_enough(bank: Bank) -> None:
    version = await simulated(bank, giving(3))
    bank.clock.turn(days=7, seconds=1)
    with pytest.raises(Refusal, match="rule_simulation_stale"):
        await approve_as(bank, version, APPROVER)

    await bank.simulate(version)
    await approve_as(bank, version, APPROVER)
    approved = await bank.version("town", 1)
    bank.clock.turn(days=7, seconds=1)
    with pytest.raises(Refusal, match="rule_simulation_stale"):
        await publish_now(bank, approved)
    await bank.simulate(approved)
    await publish_now(bank, approved)

    assert (await bank.version("town", 1)).state == "published"


async def test_only_a_simulation_of_this_very_document_over_everybody_counts(bank: Bank) -> None:
    version = await simulated(bank, giving(3))
    again = await bank.validate(await redraft(bank, version, giving(4)))
    await bank.simulate(again, sample=5)

    async with bank.database.read() as connection:
        with pytest.raises(Refusal, match="rule_simulation_missing"):
            await check_simulation(connection, again, bank.clock(), 7)
    whole = await bank.simulate(again)
    async with bank.database.read() as connection:
        assert (await check_simulation(connection, again, bank.clock(), 7)).id == whole.id


REACHING: dict[str, tuple[int, dict[str, Any], bool]] = {
    "less, and says nothing": (1, {"applies_to": "unredeemed"}, False),
    "less for all, and says nothing": (1, {"applies_to": "all"}, False),
    "less, and says so": (1, {"applies_to": "unredeemed", "retroactive": True}, True),
    "less, but never less than before": (1, {"applies_to": "unredeemed", "never_less_than": "previous"}, True),
    "more": (5, {"applies_to": "unredeemed"}, True),
    "less for new ones only": (1, {}, True),
}


@pytest.mark.parametrize(("credits_", "transition", "is_approved"), REACHING.values(), ids=REACHING)
async def test_a_version_that_reaches_back_says_so_when_it_takes(
    bank: Bank, credits_: int, transition: dict[str, Any], is_approved: bool
) -> None:
    await bank.publish(giving(3))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", completed="2023-06-10")
    plain = giving(credits_, version=2, start="2024-01-01")
    plain["ruleset"]["legal_basis"] = ["notice 12/2025"]
    version = await simulated(bank, {**plain, "transition": transition})

    if is_approved:
        await approve_as(bank, version, APPROVER)
    else:
        with pytest.raises(Refusal, match="rule_retroactive_missing") as refused:
            await approve_as(bank, version, APPROVER)
        assert refused.value.terms() == {"count": "1"}


# --- Withdrawal -------------------------------------------------------------------------------------------------------


async def test_a_withdrawn_version_gives_nothing_any_more_and_is_remembered(bank: Bank) -> None:
    await bank.publish(giving(3))
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")
    between = bank.clock()
    bank.clock.turn(days=1)

    await withdraw_now(bank, await bank.version("town", 1))
    await bank.work()

    assert [lot.positions[Account.AVAILABLE] for lot in await bank.lots(learner)] == [0]
    version = await bank.version("town", 1)
    day = date(2024, 6, 10)
    assert governing(version.publications, day, between) == version.publications[0]
    assert governing(version.publications, day, bank.clock()) is None
    assert governing(version.publications, date(2019, 12, 31), between) is None
    assert await bank.verify() == []
    # Its days are free again.
    await bank.publish(giving(2, version=2))
    await bank.work()
    assert await bank.verify() == []


# --- Documents that extend others -------------------------------------------------------------------------------------


def national(version: int = 1) -> dict[str, Any]:
    plain = document(granting("base", {"fixed": 2}, kind="course"), id_="national", version=version)
    plain["ruleset"]["layer"] = "national"
    return plain


def local(**header: Any) -> dict[str, Any]:
    plain = document(granting("own", {"fixed": 5}, kind="exam"), id_="local")
    plain["ruleset"].update(extends="national@1", layer="institution", **header)
    return plain


async def test_a_document_extends_a_published_version(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1", kind="course")
    await bank.record(learner, "E2", kind="exam")
    await bank.publish(national())
    await bank.work()

    await bank.publish(local())
    await bank.work()

    # The course counts under both rule sets, since the local one is evaluated with all that it extends.
    assert sorted(lot.positions[Account.AVAILABLE] for lot in await bank.lots(learner)) == [2000, 2000, 5000]
    assert await bank.verify() == []


@pytest.mark.parametrize("base", ["nothing", "a draft", "withdrawn"])
async def test_only_what_is_published_can_be_extended(bank: Bank, base: str) -> None:
    if base == "a draft":
        await bank.draft(national())
    if base == "withdrawn":
        await bank.publish(national())
        await withdraw_now(bank, await bank.version("national", 1))

    with pytest.raises(Refusal, match="rule_document_rejected") as refused:
        await bank.draft(local())

    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("/ruleset/extends", "E1")]


async def test_what_is_extended_stays_until_what_extends_it_is_gone(bank: Bank) -> None:
    await bank.publish(national())
    await bank.publish(local())

    with pytest.raises(Refusal, match="rule_set_version_extended") as refused:
        await withdraw_now(bank, await bank.version("national", 1))
    assert refused.value.terms() == {"by": "local@1"}
    await withdraw_now(bank, await bank.version("local", 1))
    await withdraw_now(bank, await bank.version("national", 1))

    async with bank.database.read() as connection:
        assert await documents_above(connection, ["national@1"]) == {}
        assert set(await documents_above(connection, ["local@1"], withdrawn=True)) == {"local@1", "national@1"}
        assert await find_above(connection, b"anna@example.org, extends: nobody@1") == {}


# --- Owner and audience -----------------------------------------------------------------------------------------------


async def test_a_rule_set_for_the_enrolled_settles_nobody_yet(bank: Bank) -> None:
    (learner,) = await bank.open("Li Wei")
    await bank.record(learner, "E1")
    async with bank.database.write() as connection:
        await rulesets.register(connection, "town", None, bank.clock(), "enrolled")

    await bank.publish(giving(3))
    await bank.work()

    assert await bank.lots(learner) == []
    assert await bank.verify() == []
    async with bank.database.write() as connection:
        with pytest.raises(Refusal, match="rule_set_registration_fixed"):
            await rulesets.register(connection, "town", None, bank.clock(), "everyone")


# --- What the database itself holds -----------------------------------------------------------------------------------


async def test_the_database_lets_no_version_jump(bank: Bank) -> None:
    draft = await bank.validate(await bank.draft(giving(3)))
    of = rule_set_versions.c.id == draft.id
    approval = {"approved_by": OTHER, "approved_at": bank.clock()}
    jumps: list[dict[str, Any]] = [
        {"state": "published", **approval},
        {"state": "withdrawn", **approval},
        {"state": "approved"},
        {"sha256": "0"},
        {"document": "{}"},
    ]

    for jump in jumps:
        with pytest.raises(DBAPIError):
            await bank.sql(update(rule_set_versions).where(of).values(**jump))

    assert (await bank.version("town", 1)).state == "validated"


async def test_the_database_keeps_what_was_published(bank: Bank) -> None:
    await bank.publish(giving(3))
    version = await bank.version("town", 1)
    of = rule_set_versions.c.id == version.id
    changes: list[dict[str, Any]] = [
        {"document": "{}"},
        {"state": "draft"},
        {"state": "withdrawn", "document": "{}"},
        {"state": "withdrawn", "approved_by": OTHER},
        {"revision": 99},
    ]

    for change in changes:
        with pytest.raises(DBAPIError):
            await bank.sql(update(rule_set_versions).where(of).values(**change))
    with pytest.raises(DBAPIError):
        await bank.sql(delete(rule_set_versions).where(of))
    await withdraw_now(bank, version)
    with pytest.raises(DBAPIError):
        await bank.sql(update(rule_set_versions).where(of).values(state="published"))


async def test_a_discarded_draft_leaves_nothing(bank: Bank) -> None:
    version = await simulated(bank, giving(3))

    async with bank.database.write() as connection:
        await rulesets.discard_draft(connection, version)

    for table in ("rule_set_versions", rule_set_edits.name, "rule_set_simulations"):
        assert await bank.count(table) == 0
