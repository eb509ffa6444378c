"""Two accounts of one person become one by two people, and two again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.jobs.domain import Job, Step
from creditbank.jobs.working import Handler
from creditbank.learners.tables import learners
from creditbank.merges import actions
from creditbank.merges.jobs import ask_marking
from creditbank.merges.queries import unmarked, verify_merges
from tests.api.world import PDF, World, claim, opened, ruling
from tests.conversions.desk import CERTIFICATE, apply_for, decide, let_in, only, post, refused, standing, verified
from tests.privacy.test_erasure import erase

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSPORT = {"type": "passport", "value": "E7654321"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank whose college counts trainings, three credits of which make a certificate."""
    async with opened(database_url) as served:
        await let_in(served)
        await only(served, CERTIFICATE)
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def twice(world: World) -> AsyncIterator[tuple[str, str]]:
    """Somebody with two accounts: one with a training of 2 credits, one with trainings of 1 and 3."""
    stays, goes = await world.open(world.fresh("Li")), await world.open(world.fresh("Li"))
    await train(world, stays, "2")
    await train(world, goes, "1")
    await train(world, goes, "3")
    yield stays, goes
    await verified(world)
    async with world.database.read() as connection:
        assert await verify_merges(connection) == []


async def train(world: World, learner: str | dict[str, Any], credits_: str, **others: Any) -> str:
    whom = learner if isinstance(learner, dict) else {"id": learner}
    body = {**world.statement(), "kind": "training", "credits": credits_, **others, "learner": whom}
    answer = await world.partner.post("/v1/achievements", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["achievement"]["id"])


def asked(merged: str) -> dict[str, str]:
    return {"merged": merged, "reason": "document_seen"}


async def propose(world: World, stays: str, goes: str, by: str = "bank") -> str:
    answer = await post(world, f"/v1/learners/{stays}/merges", asked(goes), by=by, status=201)
    return f"/v1/learners/{stays}/merges/{answer.json()['id']}"


async def settle(world: World, at: str, decision: str = "approve", by: str = "second") -> None:
    await post(world, f"{at}/decision", {"decision": decision}, by=by, status=200)
    await world.work()


async def merge(world: World, stays: str, goes: str) -> str:
    at = await propose(world, stays, goes)
    await settle(world, at)
    return at


async def undo(world: World, at: str) -> None:
    await post(world, f"{at}/undoing", {"reason": "different_people"}, by="bank", status=200)
    await settle(world, at)


async def trace(world: World, learner: str) -> dict[str, Any]:
    answer = await world.bank.get(f"/v1/learners/{learner}/merges")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["items"]
    return dict(found)


async def facts(world: World, learner: str) -> dict[str, tuple[str, str]]:
    """Status and day of completion by the id of each achievement that an account has."""
    answer = await world.bank.get(f"/v1/learners/{learner}/achievements")
    return {one["id"]: (one["status"], one["content"]["completed"]) for one in answer.json()["items"]}


async def account(world: World, learner: str) -> tuple[str, str | None]:
    shown = (await world.bank.get(f"/v1/learners/{learner}")).json()
    return shown["state"], shown["merged_into"]


async def test_a_merge_and_its_undoing_leave_both_as_they_were(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    before = await facts(world, goes)
    at = await merge(world, stays, goes)
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "6"}, {})
    assert await account(world, goes) == ("merged", stays)
    assert {id_: one for id_, one in (await facts(world, stays)).items() if id_ in before} == before
    assert {status for status, _ in (await facts(world, goes)).values()} == {"revoked"}
    for learner in twice:
        told = await trace(world, learner)
        assert (told["state"], {one["achievement"] for one in told["steps"]}) == ("done", set(before))
        assert {one["kind"] for one in told["steps"]} == {"moved"}
    await verified(world)
    await undo(world, at)
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "2"}, {"available": "4"})
    assert await account(world, goes) == ("active", None)
    assert await facts(world, goes) == before
    told = await trace(world, goes)
    assert (told["state"], sorted(one["kind"] for one in told["steps"])) == ("undone", ["moved"] * 2 + ["returned"] * 2)
    # Undone as two people's it may be made again by whoever says that this was wrong.
    again = {**asked(goes), "despite_dismissal": True}
    made = await post(world, f"/v1/learners/{stays}/merges", again, by="bank", status=201)
    await settle(world, f"/v1/learners/{stays}/merges/{made.json()['id']}")
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "6"}, {})


async def test_the_audit_log_tells_it_at_both(world: World, twice: tuple[str, str]) -> None:
    at = await merge(world, *twice)
    await undo(world, at)
    events = (await world.bank.get("/v1/audit-events", params={"limit": 200})).json()["items"]
    for learner in twice:
        mine = [one["action"] for one in events if one["subject"] == f"learner:{learner}" and "merge" in one["action"]]
        assert sorted(mine) == sorted(
            ["merge.propose", "merge.approve", "merge.done", "merge.propose_undoing", "merge.approve", "merge.undone"]
        )


async def test_whoever_names_the_merged_account_means_the_other(world: World) -> None:
    stays = await world.open(world.fresh("Li"))
    goes = await world.open(world.fresh("Li"), identities=[PASSPORT])
    again = {"external_id": world.fresh(), "completed": "2025-02-03"}
    old = await train(world, goes, "1", **again)
    at = await merge(world, stays, goes)
    resolved = await world.partner.post("/v1/learners/resolve", json={"identity": PASSPORT})
    assert resolved.json()["id"] == stays
    assert (await world.partner.post("/v1/learners/resolve", json={"id": goes})).json()["id"] == stays
    by_id, by_pass = await train(world, goes, "2"), await train(world, {"identity": PASSPORT}, "3")
    own = await train(world, stays, "4")
    # The same statement again is known, whichever account it names, and counts once.
    body = {**world.statement(), "kind": "training", "credits": "1", **again}
    for whom in ({"id": goes}, {"id": stays}, {"identity": PASSPORT}):
        answer = await world.partner.post("/v1/achievements", json={**body, "learner": whom})
        assert (answer.status_code, answer.json()["achievement"]["id"]) == (200, old), answer.text
    assert await standing(world, stays) == {"available": "10"}
    # Its provider mends what was moved under the id that it knows.
    mended = {"reason": "a mistake", "achievement": {**without_learner(body), "credits": "2"}}
    answer = await world.partner.post(f"/v1/achievements/{old}/amendments", json=mended)
    assert answer.status_code == 201, answer.text
    await undo(world, at)
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "4"}, {"available": "7"})
    kinds = {one["achievement"]: one["kind"] for one in (await trace(world, stays))["steps"]}
    assert kinds == {old: "returned", by_id: "returned", by_pass: "returned", own: "stayed"}
    assert (await world.partner.post("/v1/learners/resolve", json={"identity": PASSPORT})).json()["id"] == goes
    await verified(world)


def without_learner(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "learner"}


async def test_a_known_statement_waits_for_what_is_on_its_way_back(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    known = [{**world.statement(), "kind": "training", "learner": {"id": goes}} for _ in range(2)]
    assert (await world.partner.post("/v1/achievements", json=known[0])).status_code == 201
    at = await merge(world, stays, goes)
    assert (await world.partner.post("/v1/achievements", json=known[1])).status_code == 201
    await post(world, f"{at}/undoing", {"reason": "different_people"}, by="bank", status=200)
    await post(world, f"{at}/decision", {"decision": "approve"}, by="second", status=200)
    for body in known:
        for whom, code in ((goes, "try_again"), (await world.open(world.fresh("Wu")), "external_id_conflict")):
            answer = await world.partner.post("/v1/achievements", json={**body, "learner": {"id": whom}})
            assert (answer.status_code, answer.json()["code"]) == (409, code), answer.text
    await world.work()
    for body in known:
        assert (await world.partner.post("/v1/achievements", json=body)).status_code == 200


async def test_what_its_provider_withdrew_meanwhile_stays_withdrawn(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    gone = await train(world, goes, "5")
    at = await merge(world, stays, goes)
    await post(world, f"/v1/achievements/{gone}/revocation", {"reason": "a mistake"}, status=201)
    await undo(world, at)
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "2"}, {"available": "4"})
    assert {one["achievement"]: one["kind"] for one in (await trace(world, goes))["steps"]}[gone] == "lapsed"
    answer = await world.partner.post(f"/v1/achievements/{gone}/revocation", json={"reason": "again"})
    assert (answer.status_code, answer.json()["code"]) == (409, "achievement_revoked")


async def test_what_was_redeemed_meanwhile_is_as_the_rules_say(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    at = await merge(world, stays, goes)
    applied = await apply_for(world, stays)
    await decide(world, applied)
    await undo(world, at)
    assert await standing(world, goes) == {"available": "4"}
    # What was given for the award was the other's in part: that much is owed, and somebody looks at it.
    assert await standing(world, stays) == {"redeemed": "3", "owed": "-1"}
    items = (await world.bank.get("/v1/reviews", params={"limit": 200})).json()["items"]
    mine = [(one["kind"], one["reason"], one["state"]) for one in items if one["learner_id"] == stays]
    assert mine == [("debt", "debt", "open")]


async def test_what_was_given_back_is_shown_no_more_and_outlives_nobody(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    gone = await train(world, goes, "5")
    own, theirs = set(await facts(world, stays)), set(await facts(world, goes))
    at = await merge(world, stays, goes)
    await post(world, f"/v1/achievements/{gone}/revocation", {"reason": "a mistake"}, status=201)
    during = world.clock().isoformat()
    world.clock.turn(days=1)
    await undo(world, at)
    for is_erased in (False, True):
        if is_erased:
            await erase(world, goes)
        else:
            assert set(await facts(world, goes)) == theirs
        assert set(await facts(world, stays)) == own
        archive = await world.bank.get(f"/v1/learners/{stays}/export")
        with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
            assert {one["id"] for one in orjson.loads(files.read("records/achievements.json"))} == own
            versions = orjson.loads(files.read("records/achievement_versions.json"))
            assert {one["achievement_id"] for one in versions} == own
        for moment in ({}, {"known": during}):
            answer = await world.bank.get(f"/v1/learners/{stays}/transcript", params=moment)
            assert answer.status_code == 200, answer.text
            assert not {id_ for id_ in theirs if id_ in answer.text}
        await verified(world)


async def test_the_one_who_stood_for_both_is_erased_and_the_other_is_whole(
    world: World, twice: tuple[str, str]
) -> None:
    stays, goes = twice
    before = await facts(world, goes)
    await undo(world, await merge(world, stays, goes))
    await erase(world, stays)
    assert (await facts(world, goes), await standing(world, goes)) == (before, {"available": "4"})


async def test_a_worker_that_dies_between_any_two_steps_moves_everything_once(
    world: World, twice: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = twice
    monkeypatch.setattr(actions, "FACTS_A_STEP", 1)
    at = await propose(world, stays, goes)
    await post(world, f"{at}/decision", {"decision": "approve"}, by="second", status=200)
    await step_by_step(world)
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "6"}, {})
    await post(world, f"{at}/undoing", {"reason": "different_people"}, by="bank", status=200)
    await post(world, f"{at}/decision", {"decision": "approve"}, by="second", status=200)
    await step_by_step(world)
    assert (await standing(world, stays), await standing(world, goes)) == ({"available": "2"}, {"available": "4"})
    kinds = [one["kind"] for one in (await trace(world, goes))["steps"]]
    assert sorted(kinds) == ["moved"] * 2 + ["returned"] * 2


async def step_by_step(world: World) -> None:
    """Work with workers each of which dies when it has kept one step; the next one waits until it is thought dead.

    What a day brings comes in between: each worker does one thing.
    """
    for _ in range(40):
        worker = world.worker()
        worker._handlers = {**worker._handlers, actions.MERGE: once_only(worker._handlers[actions.MERGE])}
        await worker.run_once()
        world.clock.turn(minutes=20)


def once_only(handler: Handler) -> Handler:
    """The handler for one step; after it the worker is gone."""
    taken: list[Job] = []

    async def step(connection: AsyncConnection, job: Job) -> Step:
        taken.append(job)
        if len(taken) > 1:
            raise ConnectionError
        return await handler(connection, job)

    return step


async def test_an_account_with_what_cannot_be_moved_is_not_the_merged_one(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    applied = await apply_for(world, goes)
    at = f"/v1/learners/{stays}/merges"
    errors = await refused(world, at, asked(goes), "merge_barred", 409, by="bank")
    assert errors[0]["pointer"] == "/merged"
    assert "applications, redeemed" in errors[0]["message"]
    await decide(world, applied)
    errors = await refused(world, at, asked(goes), "merge_barred", 409, by="bank")
    assert "awards, redeemed" in errors[0]["message"]
    # The other direction does.
    await merge(world, goes, stays)
    third = await world.open(world.fresh("Li"))
    errors = await refused(world, f"/v1/learners/{third}/merges", asked(goes), "merge_barred", 409, by="bank")
    assert "merged_accounts" in errors[0]["message"]


async def test_a_ruling_in_force_bars_until_it_is_withdrawn(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    at = f"/v1/learners/{stays}/merges"
    for learner in (goes, stays):
        ruled = await post(world, "/v1/rulings", ruling(learner, rule_set="college"), by="bank", status=201)
        where = f"/v1/learners/{learner}/rulings/{ruled.json()['id']}"
        await post(world, f"{where}/approval", {}, by="second", status=200)
        code = "merge_barred" if learner == goes else "merge_barred_both_ways"
        (error,) = await refused(world, at, asked(goes), code, 409, by="bank")
        assert "rulings" in error["message"]
        assert ("The other direction may do" in error["message"]) == (learner == goes)
    ruled = (await world.bank.get(f"/v1/learners/{goes}/rulings")).json()["items"][0]
    await post(world, f"/v1/learners/{goes}/rulings/{ruled['id']}/withdrawal", {}, by="bank", status=200)
    await merge(world, stays, goes)


async def test_what_came_after_the_proposal_bars_its_approval(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    at = await propose(world, stays, goes)
    await apply_for(world, goes)
    await refused(world, f"{at}/decision", {"decision": "approve"}, "merge_barred", 409, by="second")
    await settle(world, at, "refuse")
    assert (await trace(world, goes))["state"] == "declined"


async def test_two_people_decide(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    at, approve = await propose(world, stays, goes), {"decision": "approve"}
    await refused(world, f"{at}/decision", approve, "two_people_needed", 403, by="bank")
    await refused(world, f"{at}/decision", approve, "bank_only", 403, by="partner")
    await refused(world, f"{at}/undoing", {"reason": "learner_asked"}, "merge_not_done", 409, by="bank")
    await refused(world, f"/v1/learners/{goes}/merges", asked(stays), "merge_open", 409, by="bank")
    await settle(world, at)
    await refused(world, f"{at}/decision", approve, "no_merge_proposed", 409, by="second")
    await post(world, f"{at}/undoing", {"reason": "learner_asked"}, by="bank", status=200)
    await refused(world, f"{at}/decision", approve, "two_people_needed", 403, by="bank")
    # Refused, even by whoever proposed it, it stays merged.
    await settle(world, at, "refuse", by="bank")
    assert (await trace(world, goes))["state"] == "done"
    assert await account(world, goes) == ("merged", stays)


REFUSED = {
    "itself": ("@stays", "@stays", "merge_with_itself", 422),
    "nobody": ("@stays", "@nowhere", "learner_not_found", 404),
    "another's": ("@stays", "@stranger", "learner_not_found", 404),
    "into another's": ("@stranger", "@goes", "learner_not_found", 404),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_who_may_propose_what(case: str, world: World, twice: tuple[str, str]) -> None:
    stays, goes, code, status = REFUSED[case]
    world.ids["stays"], world.ids["goes"] = twice
    answer = await world.send("partner", f"POST /v1/learners/{stays}/merges", asked(goes))
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_an_ended_account_is_on_neither_side(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    for ended in ("stays", "goes"):
        id_ = stays if ended == "stays" else goes
        async with world.database.write() as connection:
            await connection.execute(update(learners).where(learners.c.id == UUID(id_)).values(state="closed"))
        await refused(world, f"/v1/learners/{stays}/merges", asked(goes), "account_ended", 409, by="bank")
        async with world.database.write() as connection:
            await connection.execute(update(learners).where(learners.c.id == UUID(id_)).values(state="active"))


async def test_a_merged_account_is_opened_again_by_no_other_door(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    await merge(world, stays, goes)
    body = {"state": "active", "reason": "mistake"}
    await refused(world, f"/v1/learners/{goes}/state", body, "account_ended", 409, by="bank")


async def test_of_a_merged_account_nothing_is_claimed_and_nothing_ruled(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    handed_in = await world.partner.post(f"/v1/learners/{goes}/evidence", content=b"%PDF-1.7 x", headers=PDF)
    asked_before = (await post(world, "/v1/rulings", ruling(goes, rule_set="college"), by="bank", status=201)).json()
    await merge(world, stays, goes)
    for content in (b"%PDF-1.7 x", b"%PDF-1.7 y"):
        answer = await world.partner.post(f"/v1/learners/{goes}/evidence", content=content, headers=PDF)
        assert (answer.status_code, answer.json()["code"]) == (409, "account_ended"), answer.text
    lodged = claim(goes, handed_in.json()["id"])
    (error,) = await refused(world, "/v1/recognition-claims", lodged, "account_ended", 409)
    assert error["pointer"] == "/learner"
    (error,) = await refused(world, "/v1/rulings", ruling(goes, rule_set="college"), "account_ended", 409, by="bank")
    assert error["pointer"] == "/learner"
    # What was proposed before it was merged is approved no more, and may be taken back.
    at = f"/v1/learners/{goes}/rulings/{asked_before['id']}"
    await refused(world, f"{at}/approval", {}, "account_ended", 409, by="second")
    await post(world, f"{at}/withdrawal", {}, by="bank", status=200)


async def test_the_person_s_archive_and_erasure_are_of_both(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    await merge(world, stays, goes)
    answer = await world.bank.get(f"/v1/learners/{stays}/export")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert {"records/merges.json", f"merged/{goes}/records/merges.json", f"merged/{goes}/README.txt"} <= set(names)
    refusal = await post(world, f"/v1/learners/{goes}/erasure", {"reason": "learner_asked"}, by="bank")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "account_merged")
    await erase(world, stays)
    for learner in twice:
        assert (await world.bank.get(f"/v1/learners/{learner}")).status_code == 410


async def test_the_college_sees_its_own(world: World, twice: tuple[str, str]) -> None:
    stays, goes = twice
    at = await propose(world, stays, goes, by="partner")
    assert (await world.partner.get(f"/v1/learners/{goes}/merges")).json()["items"][0]["state"] == "proposed"
    hidden = await world.rival.get(f"/v1/learners/{goes}/merges")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "learner_not_found")
    await refused(world, f"{at}/undoing", {"reason": "learner_asked"}, "learner_not_found", 404, by="rival")


async def candidates(world: World, by: str = "bank") -> list[list[str]]:
    """Every pair, page by page."""
    found: list[list[str]] = []
    cursor = None
    while True:
        params = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        answer = await world.client(by).get("/v1/duplicates", params=params)
        assert answer.status_code == 200, answer.text
        found += [one["learners"] for one in answer.json()["items"]]
        if (cursor := answer.json()["next"]) is None:
            return found


async def test_one_name_and_birth_date_is_perhaps_one_person(world: World) -> None:
    born = {"birth_date": "1971-05-06"}
    first = await world.open("Ōu·Yáng  Li", **born)
    second = await world.open("ＯU yang-li", **born)
    await world.open("Ou Yang Li", **born, by="rival")
    await world.open("Ōu Yáng Li", birth_date="1971-05-07")
    undated = [await world.open("Ou Yang Li") for _ in range(2)]
    assert not any(set(undated) & set(pair) for pair in await candidates(world))
    # Marks over letters are letters' own: whoever types them otherwise is another until mended.
    assert [first, second] not in await candidates(world, "partner")
    shown = await world.bank.get(f"/v1/learners/{second}")
    headers = {"If-Match": shown.headers["etag"]}
    mended = await world.bank.patch(f"/v1/learners/{second}", json={"name": "ŌU YÁNG LI"}, headers=headers)
    assert mended.status_code == 200, mended.text
    assert [first, second] in await candidates(world, "partner")
    assert [first, second] in await candidates(world)
    assert not any(first in pair for pair in await candidates(world, "rival"))
    said = {"learners": [second, first], "reason": "different_people"}
    await refused(world, "/v1/duplicates/dismissals", said, "learner_not_found", 404, by="rival")
    for _ in range(2):
        await post(world, "/v1/duplicates/dismissals", said, status=200)
    assert [first, second] not in await candidates(world)


async def test_accounts_from_before_are_marked_by_a_job(world: World) -> None:
    pair = [await world.open("Zhuge Liang", birth_date="1981-07-23") for _ in range(2)]
    assert pair in await candidates(world)
    async with world.database.write() as connection:
        await connection.execute(update(learners).values(likeness=None))
    assert await candidates(world) == []
    async with world.database.write() as connection:
        await ask_marking(connection, world.clock)
    await world.work()
    assert pair in await candidates(world)
    async with world.database.read() as connection:
        assert await unmarked(connection, 1) == []
    # A merged account is nobody's candidate any more.
    await merge(world, *pair)
    assert pair not in await candidates(world)


async def test_the_other_account_is_named_to_nobody_who_may_not_read_it(world: World) -> None:
    stays = await world.open(world.fresh("Li"))
    goes = await world.open(world.fresh("Li"), by="rival")
    at = await propose(world, stays, goes)
    for reader, own, named in (
        ("partner", stays, (stays, None)),
        ("rival", goes, (None, goes)),
        ("bank", stays, (stays, goes)),
    ):
        answer = await world.client(reader).get(f"/v1/learners/{own}/merges")
        (told,) = answer.json()["items"]
        assert (told["learner"], told["merged"]) == named, reader
        assert [id_ for id_ in (stays, goes) if id_ in answer.text] == [id_ for id_ in named if id_]
    await settle(world, at)
    answer = await post(world, f"{at}/undoing", {"reason": "different_people"}, by="partner", status=200)
    assert (answer.json()["learner"], answer.json()["merged"]) == (stays, None)
    await settle(world, at)
    await erase(world, goes)
    for reader, merged in (("partner", None), ("bank", goes)):
        (told,) = (await world.client(reader).get(f"/v1/learners/{stays}/merges")).json()["items"]
        assert told["merged"] == merged
