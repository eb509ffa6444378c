"""The network: institutions in a tree by their codes, and the registers in which they are accredited."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import COLLEGE, PARTNER_SCOPES, World, statement
from tests.bank import document, granting

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_institution_stands_under_the_one_that_its_code_names(world: World) -> None:
    code = f"{COLLEGE}/reading-room"
    body = {
        "code": code,
        "name": {"zh": "阅览室", "en": "Reading room"},
        "provider_type": "library",
        "region": "500103",
    }

    answer = await world.send("partner", "POST /v1/providers", body)

    assert answer.status_code == 201
    entered = answer.json()
    assert answer.headers["location"] == f"/v1/providers/{entered['id']}"
    assert entered == {**body, "id": entered["id"], "parent": COLLEGE, "status": "active"}
    assert (await world.send("rival", f"GET /v1/providers/{entered['id']}")).json() == entered


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("under=cq/jiangbei", ["cq/jiangbei"]),
        ("under=cq/yuzhong&provider_type=community_school", ["cq/yuzhong/closed", "cq/yuzhong/jiefangbei"]),
        ("under=cq/yuz", []),
        ("under=cq/yuzhong&status=closed", ["cq/yuzhong/closed"]),
        ("under=cq/yuzhong&region=5001&limit=1", ["cq/yuzhong"]),
        ("under=cq/yuzhong&region=500104", []),
        ("provider_type=guidance_centre", ["cq"]),
    ],
)
async def test_list_is_of_a_subtree_and_a_type(query: str, codes: list[str], world: World) -> None:
    found = (await world.send("reader", f"GET /v1/providers?{query}")).json()["items"]
    assert [item["code"] for item in found] == codes


async def test_closed_institution_states_nothing_until_it_is_opened(world: World) -> None:
    learner = await world.open()
    body = world.statement(learner, provider="cq/yuzhong/closed")
    assert (await world.send("partner", "POST /v1/achievements", body)).json()["code"] == "provider_not_active"
    at = "PATCH /v1/providers/@cq/yuzhong/closed"
    opened = await world.send("partner", at, {"status": "active"}, {"If-Match": "*"})
    assert opened.json()["status"] == "active"
    assert (await world.send("partner", "POST /v1/achievements", body)).status_code == 201


async def test_accreditation_is_listed_and_settles_everybody_again(world: World) -> None:
    accredited = granting("accredited", {"fixed": 2}, kind="degree", accredited="moe")
    await world.publish(document(accredited, id_="accredited", registers={"moe": {"external": True}}))
    learner = await world.open()
    before = await world.record(learner, kind="degree")
    assert before["outcome"]["state"] == "not_recognised"
    entry = {"register": "moe", "from": "2024-01-01", "until": "2030-01-01"}

    answer = await world.send("bank", "POST /v1/providers/@cq/yuzhong/accreditations", entry)

    assert answer.status_code == 201
    whole = {"provider": COLLEGE, "offering": None, "list": "white", "reason": None, "revision": 1}
    assert answer.json() == {**entry, "id": answer.json()["id"], **whole}
    listed = (await world.send("reader", "GET /v1/providers/@cq/yuzhong/accreditations")).json()
    assert listed == {"items": [answer.json()], "next": None}
    await world.work()
    balance = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()
    assert [unit["total"] for unit in balance["units"]] == ["2"]


@pytest.mark.parametrize("path", ["/v1/kinds", "/v1/categories", "/v1/provider-types", "/v1/activity-series"])
async def test_public_lists_name_every_code_in_both_languages(path: str, world: World) -> None:
    items = (await world.send("nobody", f"GET {path}")).json()["items"]
    assert len(items) > 2
    assert len({item["code"] for item in items}) == len(items)
    assert all(set(item["name"]) == {"zh", "en"} and all(item["name"].values()) for item in items)


async def settled(world: World, learner: str) -> str:
    await world.work()
    units = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()["units"]
    return str(next((unit["total"] for unit in units), "0"))


@pytest.mark.parametrize("own", [False, True], ids=["the bank's register", "the document's own"])
async def test_whoever_is_on_the_black_list_counts_as_accredited_nowhere_on_these_days(own: bool, world: World) -> None:
    name = "own" if own else "kept"
    register = {"entries": [{"provider": "cq"}]} if own else {"external": True}
    kind = "award" if own else "internship"
    rule = granting("listed", {"fixed": 2}, kind=kind, accredited=name)
    await world.publish(document(rule, id_=f"listed-{name}", registers={name: register}))
    learner = await world.open()
    await world.record(learner, kind=kind, provider="cq/yuzhong/jiefangbei", completed="2025-01-20")
    at = f"POST /v1/providers/{world.ids[COLLEGE]}/accreditations"
    assert (await world.send("bank", at, {"register": name, "from": "2020-01-01"})).status_code == 201
    assert await settled(world, learner) == "2"

    bar = {"register": "struck", "list": "black", "from": "2025-01-01", "reason": "Attendance was sold."}
    entered = await world.send("bank", at, bar)
    assert (entered.status_code, entered.json()["reason"]) == (201, bar["reason"])
    assert await settled(world, learner) == "0"

    on = f"PATCH /v1/providers/{world.ids[COLLEGE]}/accreditations/{entered.json()['id']}"
    tag = {"If-Match": entered.headers["etag"]}
    amended = await world.send("bank", on, {"until": "2025-01-20", "reason": "It was proven to be so until then."}, tag)
    assert (amended.status_code, amended.json()["until"], amended.json()["revision"]) == (200, "2025-01-20", 2)
    assert await settled(world, learner) == "2"
    assert (await world.send("bank", on, {"until": None, "reason": "Again."}, tag)).status_code == 412
    again = await world.send("bank", on, {"until": None, "reason": "Again."}, {"If-Match": "*"})
    assert (again.status_code, again.json()["until"]) == (200, None)
    assert await settled(world, learner) == "0"
    early = await world.send("bank", on, {"until": "2025-01-01", "reason": "Never."}, {"If-Match": "*"})
    assert (early.status_code, early.json()["code"]) == (422, "accreditation_ends_early")
    # For whatever comes after it the bar is lifted again.
    await world.send("bank", on, {"until": "2025-01-02", "reason": "Over."}, {"If-Match": "*"})


async def test_nobody_amends_an_entry_of_another_institution(world: World) -> None:
    wrong = f"PATCH /v1/providers/{world.ids[COLLEGE]}/accreditations/@entry"
    answer = await world.send("bank", wrong, {"until": "2027-09-01", "reason": "A slip."}, {"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (404, "accreditation_not_found")


async def branch(world: World, top: str) -> tuple[str, str]:
    """A district with a street below it; the client named like the district acts for it."""
    for code, type_ in ((top, "community_college"), (f"{top}/street", "community_school")):
        body = {"code": code, "name": {"zh": code, "en": code}, "provider_type": type_}
        entered = await world.send("bank", "POST /v1/providers", body)
        assert entered.status_code == 201, entered.text
        world.ids[code] = entered.json()["id"]
    await world.let_in(top, top, PARTNER_SCOPES)
    return world.ids[top], world.ids[f"{top}/street"]


async def test_district_opens_mends_suspends_and_closes_what_is_below_it(world: World) -> None:
    await branch(world, "cq/beibei")
    room = {"code": "cq/beibei/street/room", "name": {"zh": "活动室", "en": "Room"}, "provider_type": "activity_room"}
    opened = await world.send("cq/beibei", "POST /v1/providers", room)
    assert opened.status_code == 201
    at = f"PATCH /v1/providers/{opened.json()['id']}"
    for body in ({"region": "500109"}, {"status": "suspended"}, {"status": "closed"}):
        changed = await world.send("cq/beibei", at, body, {"If-Match": "*"})
        assert {**changed.json(), **body} == changed.json()
    for other in ("partner", "rival"):
        refused = await world.send(other, at, {"status": "active"}, {"If-Match": "*"})
        assert (refused.status_code, refused.json()["code"]) == (404, "provider_not_found")


async def test_suspension_holds_for_all_below_and_only_revoking_is_left(world: World) -> None:
    top, street = await branch(world, "cq/dadukou")
    learner = await world.open(by="cq/dadukou")
    made = await world.record(learner, by="cq/dadukou", provider="cq/dadukou/street")
    offering = {"code": "A", "kind": "course", "title": {"zh": "课", "en": "Course"}, "provider": "cq/dadukou/street"}
    announced = await world.send("cq/dadukou", "POST /v1/offerings", offering)
    drafted = await world.send("cq/dadukou", "POST /v1/rule-sets", document(id_="dadukou"))
    assert (announced.status_code, drafted.status_code) == (201, 201)
    await world.send("bank", f"PATCH /v1/providers/{top}", {"status": "suspended"}, {"If-Match": "*"})

    achievement = f"/v1/achievements/{made['achievement']['id']}"
    room = {"code": "cq/dadukou/street/room", "name": {"zh": "室", "en": "Room"}, "provider_type": "activity_room"}
    refused: list[tuple[str, str, Any]] = [
        ("cq/dadukou", "POST /v1/achievements", world.statement(learner, provider="cq/dadukou/street")),
        ("bank", "POST /v1/achievements", world.statement(learner, provider="cq/dadukou/street")),
        (
            "cq/dadukou",
            f"POST {achievement}/amendments",
            {"reason": "more", "achievement": {**statement(made["achievement"]["external_id"]), "credits": "9"}},
        ),
        ("cq/dadukou", "POST /v1/offerings", {**offering, "code": "B"}),
        ("cq/dadukou", f"PATCH {announced.headers['location']}", {"places": 9}),
        ("cq/dadukou", "POST /v1/rule-sets", document(id_="dadukou", version=2)),
        ("cq/dadukou", f"POST {drafted.headers['location']}/validate", None),
        ("cq/dadukou", "POST /v1/providers", room),
        ("bank", "POST /v1/providers", room),
        ("cq/dadukou", f"PATCH /v1/providers/{street}", {"status": "closed"}),
    ]
    before = await world.stored()
    for by, request, body in refused:
        answer = await world.send(by, request, body, {"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (403, "provider_not_active"), request
        assert "cq/dadukou " in answer.json()["detail"]
    assert await world.stored() == before

    assert (await world.send("cq/dadukou", f"GET {achievement}")).status_code == 200
    revoked = await world.send("cq/dadukou", f"POST {achievement}/revocation", {"reason": "forged"})
    assert revoked.status_code == 201
    await world.send("bank", f"PATCH /v1/providers/{top}", {"status": "active"}, {"If-Match": "*"})
    assert (await world.send(*refused[0])).status_code == 201


async def test_figures_count_a_subtree_and_hide_what_is_of_few(world: World) -> None:
    top, street = await branch(world, "cq/nanan")
    learners = [await world.open(by="cq/nanan") for _ in range(5)]
    for number, learner in enumerate(learners):
        code = "cq/nanan" if number == 4 else "cq/nanan/street"
        await world.record(learner, by="cq/nanan", provider=code, completed="2023-12-31")
    again = await world.record(learners[4], by="cq/nanan", provider="cq/nanan", completed="2023-01-01")
    revoked = await world.record(learners[4], by="cq/nanan", provider="cq/nanan", completed="2023-01-01")
    at = f"/v1/achievements/{revoked['achievement']['id']}/revocation"
    assert (await world.send("cq/nanan", f"POST {at}", {"reason": "forged"})).status_code == 201
    assert again["outcome"]

    async def figures(id_: str, start: str, until: str, by: str = "cq/nanan") -> Any:
        return (await world.send(by, f"GET /v1/providers/{id_}/figures?from={start}&until={until}")).json()

    whole = await figures(top, "2023-01-01", "2024-01-01")
    assert whole == {
        "provider": "cq/nanan",
        "from": "2023-01-01",
        "until": "2024-01-01",
        "institutions": [
            {"provider_type": "community_college", "status": "active", "count": 1},
            {"provider_type": "community_school", "status": "active", "count": 1},
        ],
        "achievements": 6,
        "learners": 5,
    }
    few = await figures(street, "2023-01-01", "2024-01-01")
    assert (few["achievements"], few["learners"]) == (None, None)
    none = await figures(top, "2021-01-01", "2022-01-01")
    assert (none["achievements"], none["learners"]) == (0, 0)
    assert (await figures(top, "2023-01-01", "2023-12-31"))["learners"] is None
    assert (await figures(top, "2023-01-01", "2023-01-01"))["code"] == "period_empty"
    assert (await figures(top, "2023-01-01", "2024-01-01", by="rival"))["code"] == "provider_not_found"
    assert (await figures(top, "2023-01-01", "2024-01-01", by="bank"))["learners"] == 5

    # Whoever sees the city's figure could subtract this one from it and have that of the one learner elsewhere.
    await world.record(world.ids["stranger"], by="rival", external_id="alone", completed="2023-06-01")
    city = await figures(world.ids["cq"], "2023-01-01", "2024-01-01", by="bank")
    assert (city["achievements"], city["learners"]) == (7, 6)
    for id_ in (top, world.ids["cq/jiangbei"]):
        assert (await figures(id_, "2023-01-01", "2024-01-01", by="bank"))["learners"] is None


def table(*rows: str) -> bytes:
    return "\n".join(["code,name_zh,provider_type,status", *rows, ""]).encode()


CSV = {"Content-Type": "text/csv"}


async def test_table_is_looked_at_and_then_entered_by_whom_it_concerns(world: World) -> None:
    await branch(world, "cq/banan")
    rows = table("cq/banan/town/room,活动室,activity_room,", "cq/banan/town,镇学校,community_school,正常")
    before = await world.stored()
    looked = await world.send("cq/banan", "POST /v1/providers/imports?dry_run=true", rows, CSV)
    assert looked.json() == {"entered": 2, "changed": 0, "unchanged": 0, "dry_run": True}
    assert await world.stored() == before
    for by in ("rival", "partner"):
        refused = await world.send(by, "POST /v1/providers/imports", rows, CSV)
        assert (refused.status_code, refused.json()["code"]) == (422, "table_refused")
        assert [(e["row"], e["code"]) for e in refused.json()["errors"]] == [(2, "not_yours"), (3, "not_yours")]
    assert await world.stored() == before

    key = {**CSV, "Idempotency-Key": world.fresh()}
    entered = await world.send("cq/banan", "POST /v1/providers/imports", rows, key)
    again = await world.send("cq/banan", "POST /v1/providers/imports", rows, key)
    anew = await world.send("bank", "POST /v1/providers/imports", rows, CSV)
    assert entered.json() == again.json() == {"entered": 2, "changed": 0, "unchanged": 0, "dry_run": False}
    assert again.headers["idempotent-replayed"] == "true"
    assert anew.json() == {"entered": 0, "changed": 0, "unchanged": 2, "dry_run": False}
    closed = await world.send("bank", "POST /v1/providers/imports", table("cq/banan,x,community_college,closed"), CSV)
    assert closed.json()["changed"] == 1
    late = await world.send("cq/banan", "POST /v1/providers/imports", rows, CSV)
    assert late.json()["code"] == "provider_not_active"


@pytest.mark.parametrize(
    ("rows", "headers", "status"),
    [(b"", CSV, 422), (b"\xff\xfe\x00", CSV, 422), (b"{}", {"Content-Type": "application/json"}, 415)],
)
async def test_what_is_no_table_is_refused(rows: bytes, headers: dict[str, str], status: int, world: World) -> None:
    answer = await world.send("bank", "POST /v1/providers/imports", rows, headers)
    assert answer.status_code == status
