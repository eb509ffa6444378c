"""The life of a rule set at the HTTP edge: its steps, who may take them, its simulation, and what-if."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from creditbank.access.tables import audit_events
from tests.api.world import SCHOOL, World
from tests.bank import document, granting
from tests.covering import covered

pytestmark = pytest.mark.asyncio(loop_scope="module")


def giving(id_: str, credits_: int, **parts: Any) -> dict[str, Any]:
    """A covered rule set for reading, with which no other test has to do."""
    return covered(document(granting("own", {"fixed": credits_}, kind="reading"), id_=id_, **parts))


async def drafted(world: World, plain: dict[str, Any], by: str = "bank") -> str:
    answer = await world.client(by).post("/v1/rule-sets", json=plain)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def reader_with(world: World, books: int) -> str:
    learner = await world.open("Zhao Liu")
    for _ in range(books):
        await world.record(learner, kind="reading")
    return learner


# --- The steps --------------------------------------------------------------------------------------------------------


async def test_a_rule_set_is_led_from_draft_to_withdrawn(world: World) -> None:
    at = await drafted(world, giving("led", 3))
    seen: list[tuple[str, str]] = []
    for step, by, status in (
        ("validate", "bank", 200),
        ("simulate", "bank", 202),
        ("approve", "approver", 200),
        ("publish", "approver", 200),
        ("withdraw", "approver", 200),
    ):
        answer = await world.client(by).post(f"{at}/{step}")
        assert answer.status_code == status, answer.text
        if step == "simulate":
            assert answer.headers["location"] == f"{at}/simulation"
            await world.simulated(at)
        shown = await world.bank.get(at)
        assert shown.headers["etag"] not in [etag for _, etag in seen]
        seen.append((shown.json()["state"], shown.headers["etag"]))

    assert [state for state, _ in seen] == ["validated", "simulated", "approved", "published", "withdrawn"]
    async with world.database.read() as connection:
        rows = (
            await connection.execute(
                select(audit_events.c.action, audit_events.c.actor)
                .where(audit_events.c.action.like("rule_set.%"))
                .order_by(audit_events.c.at.desc())
                .limit(6)
            )
        ).all()
    actions = [row.action.partition(".")[2] for row in reversed(rows)]
    assert actions == ["draft", "validate", "simulate", "approve", "publish", "withdraw"]
    assert len({row.actor for row in rows}) == 2


async def test_the_same_request_again_takes_no_step_twice(world: World) -> None:
    at = await drafted(world, giving("again", 3))
    await world.lead(at, "approve")
    headers = {"Idempotency-Key": "publish-again"}

    first = await world.client("approver").post(f"{at}/publish", headers=headers)
    second = await world.client("approver").post(f"{at}/publish", headers=headers)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["idempotent-replayed"] == "true"
    assert first.content == second.content


REFUSED = {
    "approved by whoever wrote it": ("simulate", "approve", "bank", 403, "approver_is_editor"),
    "approved too early": (None, "approve", "approver", 409, "rule_set_version_wrong_state"),
    "published too early": ("simulate", "publish", "approver", 409, "rule_set_version_wrong_state"),
    "simulated too early": (None, "simulate", "bank", 409, "rule_set_version_wrong_state"),
    "withdrawn too early": ("approve", "withdraw", "approver", 409, "rule_set_version_wrong_state"),
    "published twice": ("publish", "publish", "approver", 409, "rule_set_version_immutable"),
    "validated when published": ("publish", "validate", "bank", 409, "rule_set_version_immutable"),
    "another's validated": (None, "validate", "partner", 403, "foreign_rule_set"),
    "another's withdrawn": ("publish", "withdraw", "partner", 403, "foreign_rule_set"),
    "approved without the scope": ("simulate", "approve", "reader", 403, "missing_scope"),
    "a sample of nobody": ("validate", "simulate?sample=0", "bank", 422, "invalid_request"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_step_is_refused(world: World, case: str) -> None:
    reached, step, by, status, code = REFUSED[case]
    at = await drafted(world, giving(f"refused-{list(REFUSED).index(case)}", 3))
    if reached is not None:
        await world.lead(at, reached)
    before = (await world.bank.get(at)).json()["state"]

    answer = await world.client(by).post(f"{at}/{step}", headers={"Accept-Language": "zh"})

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-language"] == "zh-Hans"
    assert (await world.bank.get(at)).json()["state"] == before


async def test_a_document_that_no_test_covers_is_refused_rule_by_rule(world: World) -> None:
    at = await drafted(world, document(granting("own", kind="reading"), id_="bare"))

    answer = await world.bank.post(f"{at}/validate")

    assert (answer.status_code, answer.json()["code"]) == (422, "rule_coverage_missing")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/recognition/0"]


async def test_a_draft_is_edited_only_by_whoever_read_it_as_it_is(world: World) -> None:
    at = await drafted(world, giving("edited", 3))
    old = (await world.bank.get(at)).headers["etag"]
    await world.bank.post(f"{at}/validate")

    stale = await world.bank.put(at, json=giving("edited", 4), headers={"If-Match": old})
    fresh = (await world.bank.get(at)).headers["etag"]
    done = await world.bank.put(at, json=giving("edited", 4), headers={"If-Match": fresh})

    assert (stale.status_code, done.status_code) == (412, 200)
    assert done.json()["state"] == "draft"


async def test_which_version_governed_a_day_as_it_was_known(world: World) -> None:
    at = await world.publish(giving("known", 3))
    rule_set = at.rpartition("/versions/")[0]
    between = world.clock().isoformat().replace("+00:00", "Z")
    world.clock.turn(hours=1)
    await world.publish(giving("known", 5, version=2, start="2024-01-01"))

    async def version(**asked: str) -> int | None:
        shown = (await world.bank.get(rule_set, params=asked)).json()
        return shown["governing"]["version"] if shown["governing"] else None

    assert await version(on="2024-06-01") == 2
    assert await version(on="2024-06-01", known=between) == 1
    assert await version(on="2023-06-01") == 1
    assert await version(on="2019-06-01") is None
    assert await version() == 2
    assert (await world.bank.get(rule_set)).json()["owner"] is None
    naive = await world.bank.get(rule_set, params={"known": "2025-01-01T00:00:00"})
    assert (naive.status_code, naive.json()["errors"][0]["pointer"]) == (422, "?known")


async def test_owner_and_audience_are_of_the_registration(world: World) -> None:
    answer = await world.partner.post("/v1/rule-sets?audience=enrolled", json=giving("theirs", 3))
    assert answer.status_code == 201
    rule_set = answer.headers["location"].rpartition("/versions/")[0]

    shown = (await world.bank.get(rule_set)).json()
    other = await world.partner.post("/v1/rule-sets?audience=everyone", json=giving("theirs", 3, version=2))
    same = await world.partner.post("/v1/rule-sets", json=giving("theirs", 3, version=2))

    assert (shown["owner"], shown["audience"]) == ("cq/yuzhong", "enrolled")
    assert (other.status_code, other.json()["code"]) == (409, "rule_set_registration_fixed")
    assert same.status_code == 201


async def test_two_versions_are_compared(world: World) -> None:
    at = await drafted(world, giving("compared", 3))
    await drafted(world, giving("compared", 5, version=2))

    found = (await world.bank.get(f"{at}/diff/2")).json()

    changed = {change["pointer"]: (change["before"], change["after"]) for change in found["changes"]}
    assert changed["/recognition/0/grant/0/credits/fixed"] == ("3", "5")
    assert found["touched"] == [{"kinds": ["reading"], "providers": None, "codes": None}]
    assert (await world.bank.get(f"{at}/diff/9")).status_code == 404


# --- Simulation -------------------------------------------------------------------------------------------------------


async def test_a_simulation_says_who_gains_and_names_nobody_to_strangers(world: World) -> None:
    learner = await reader_with(world, 2)
    at = await world.publish(giving("told", 3))
    rule_set = at.rpartition("/versions/")[0]
    await world.work()
    await drafted(world, giving("told", 1, version=2))
    await world.lead(f"{rule_set}/versions/2", "simulate")

    shown = (await world.bank.get(f"{rule_set}/versions/2/simulation")).json()
    strangers = (await world.partner.get(f"{rule_set}/versions/2/simulation")).json()
    cases = await world.bank.get(f"{rule_set}/versions/2/simulation/cases", headers={"Accept-Language": "zh"})

    assert (shown["state"], shown["is_current"], shown["sample"]) == ("ended", True, None)
    mine = next(case for case in shown["report"]["largest"] if case["learner"] == learner)
    assert (mine["before"], mine["after"]) == ({"CR": "6"}, {"CR": "2"})
    assert shown["report"]["losses"]["amount"]["CR"] == shown["report"]["units"][0]["lost"]
    assert "largest" not in strangers["report"]
    assert strangers["report"]["learners"] == shown["report"]["learners"]
    case = next(case for case in cases.json()["cases"] if case["learner"] == learner)
    assert case["is_as_simulated"]
    assert [d["lots"][0]["credits"] for d in case["before"]] == ["3", "3"]
    assert ["固定 1" in d["reason"] for d in case["after"]] == [True, True]
    # Named are the bank's own ids, never what a provider calls an achievement.
    assert SCHOOL not in {a for d in case["after"] for a in d["achievements"]}
    assert all(len(a) == 36 for d in case["after"] for a in d["achievements"])
    assert (await world.partner.get(f"{rule_set}/versions/2/simulation/cases")).status_code == 403


async def test_a_case_that_changed_since_says_so(world: World) -> None:
    learner = await reader_with(world, 1)
    at = await drafted(world, giving("moved", 4))
    await world.lead(at, "simulate")
    await world.record(learner, kind="reading")

    cases = (await world.bank.get(f"{at}/simulation/cases")).json()["cases"]

    assert {case["learner"]: case["is_as_simulated"] for case in cases}[learner] is False


async def test_there_is_no_simulation_before_one_is_asked_for(world: World) -> None:
    at = await drafted(world, giving("unasked", 3))

    answer = await world.bank.get(f"{at}/simulation")

    assert (answer.status_code, answer.json()["code"]) == (404, "simulation_not_found")


# --- What-if ----------------------------------------------------------------------------------------------------------


def supposed(external_id: str, **others: Any) -> dict[str, Any]:
    return {"external_id": external_id, "provider": SCHOOL, "kind": "course", "completed": "2025-01-20",
            "credits": "3", **others}  # fmt: skip


async def test_what_if_answers_from_the_rules_in_force_and_stores_nothing(world: World) -> None:
    stored = await world.stored()

    answer = await world.client("reader").post("/v1/what-if", json={"achievements": [supposed("a"), supposed("b")]})

    assert answer.status_code == 200, answer.text
    town = [d for d in answer.json()["decisions"] if d["rule_set"] == "town"]
    assert [d["achievements"] for d in town] == [["a"], ["b"]]
    assert [d["lots"][0]["credits"] for d in town] == ["3", "3"]
    assert town[0]["reason"] == "own: a: 3 native x 1 = 3"
    assert await world.stored() == stored


ASKED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "one rule set": ({"rule_set": {"code": "town"}}, {"CR": "3"}),
    "one version": ({"rule_set": {"code": "town", "version": 1}}, {"CR": "3"}),
    "a draft of a version": ({"rule_set": {"code": "draft", "version": 1}}, {"CR": "3"}),
    "a document": ({"document": document(granting("own", {"fixed": 7}, kind="course"))}, {"CR": "7"}),
    "a document in YAML": (
        {
            "document": "ruleset: {lcb: rules/v1, id: x, version: 1, from: 2020-01-01, unit: {code: ECTS}}\n"
            "recognition: {id: own, match: {kind: course}, grant: {credits: {fixed: 2}}}\n"
        },
        {"ECTS": "2"},
    ),
    "another day": (
        {"as_of": "2030-01-01", "document": document(granting("own", kind="course"), validity={"max": "P1Y"})},
        {},
    ),
}


@pytest.mark.parametrize("case", ASKED)
async def test_what_if_asks_the_rules_that_are_named(world: World, case: str) -> None:
    asked, totals = ASKED[case]

    answer = await world.client("reader").post("/v1/what-if", json={"achievements": [supposed("a")], **asked})

    assert answer.status_code == 200, answer.text
    assert {total["unit"]: total["total"] for total in answer.json()["totals"]} == totals


ILL_ASKED: dict[str, tuple[dict[str, Any], int, str, list[str]]] = {
    "nothing": ({"achievements": []}, 422, "invalid_request", ["/achievements too_few_items"]),
    "too much": (
        {"achievements": [supposed(f"a{n}") for n in range(201)]},
        422,
        "invalid_request",
        ["/achievements too_many_items"],
    ),
    "the same twice": ({"achievements": [supposed("a"), supposed("a")]}, 422, "invalid_request", [" given_twice"]),
    "two sets of rules": (
        {"achievements": [supposed("a")], "rule_set": {"code": "town"}, "document": {}},
        422,
        "invalid_request",
        [" exactly_one"],
    ),
    "no such rule set": (
        {"achievements": [supposed("a")], "rule_set": {"code": "nowhere"}},
        404,
        "rule_set_not_found",
        [],
    ),
    "no such version": (
        {"achievements": [supposed("a")], "rule_set": {"code": "town", "version": 99}},
        404,
        "rule_set_not_found",
        [],
    ),
    "a bad document": (
        {"achievements": [supposed("a")], "document": {"ruleset": {}}},
        422,
        "rule_document_rejected",
        ["/ruleset/lcb E0", "/ruleset/id E0", "/ruleset/version E0", "/ruleset/from E0", "/ruleset/unit E0"],
    ),
    "what is the bank's to say": (
        {"achievements": [supposed("a", accredited=["niie"])]},
        422,
        "invalid_request",
        ["/achievements/0/accredited unknown_field"],
    ),
}


@pytest.mark.parametrize("case", ILL_ASKED)
async def test_what_if_is_refused(world: World, case: str) -> None:
    body, status, code, faults = ILL_ASKED[case]

    answer = await world.client("reader").post("/v1/what-if", json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert [f"{fault['pointer']} {fault['code']}" for fault in answer.json()["errors"]] == faults


async def test_kinds_are_shown_with_their_facts(world: World) -> None:
    kinds = {kind["code"]: kind["facts"] for kind in (await world.client("nobody").get("/v1/kinds")).json()["items"]}

    assert kinds["work"]["months"] == "number"
    assert kinds["mooc"]["proctored"] == "boolean"
