"""Activities over HTTP: announced, changed, attended in three ways, counted without an account, cancelled."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
import segno

from tests.api.world import COLLEGE, SCHOOL, World
from tests.bank import document, granting

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANY = {"If-Match": "*"}
CSV = {"Content-Type": "text/csv"}


def talk(world: World, **others: Any) -> dict[str, Any]:
    """An activity of this hour."""
    now = world.clock.instant
    whole = {
        "provider": SCHOOL,
        "series": "learning_week",
        "title": {"zh": "智能手机讲座", "en": "A talk on smartphones"},
        "starts": (now - timedelta(minutes=30)).isoformat(),
        "ends": (now + timedelta(minutes=90)).isoformat(),
        "hours": "2",
    }
    return {**whole, **others}


async def announced(world: World, **others: Any) -> str:
    answer = await world.send("partner", "POST /v1/activities", talk(world, **others))
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def shown_code(world: World, at: str) -> str:
    return str((await world.send("partner", f"GET {at}/check-in-code")).json()["code"])


async def scan(world: World, at: str, code: str, learner: str) -> httpx.Response:
    return await world.send("partner", f"POST {at}/check-ins", {"code": code, "learner": {"id": learner}})


async def attendance(world: World, at: str) -> Any:
    return (await world.send("partner", f"GET {at}/attendance")).json()


async def number_of(world: World, learner: str) -> str:
    return str((await world.send("partner", f"GET /v1/learners/{learner}")).json()["number"])


async def test_activity_is_announced_for_everybody_and_changed_by_its_own(world: World) -> None:
    body = talk(world, place="201", category="ict/computing", capacity=60)
    at = await announced(world, place="201", category="ict/computing", capacity=60)

    read = await world.send("nobody", f"GET {at}")
    whole = {**body, "id": at.rpartition("/")[2], "kind": "activity", "status": "held", "reason": None}
    assert {**read.json(), "starts": "", "ends": ""} == {**whole, "starts": "", "ends": ""}
    same = await world.send("nobody", f"GET {at}", headers={"If-None-Match": read.headers["etag"]})
    assert same.status_code == 304
    changed = await world.send("partner", f"PATCH {at}", {"hours": "2.5", "title": {"zh": "讲座", "en": "Talk"}}, ANY)
    assert (changed.status_code, changed.json()["hours"]) == (200, "2.5")
    listed = await world.send("nobody", f"GET /v1/activities?under={COLLEGE}&series=learning_week&since=2025-03-01")
    assert changed.json() in listed.json()["items"]
    assert (await world.send("nobody", "GET /v1/activities?under=cq/jiangbei&series=health_month")).json()[
        "items"
    ] == []


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("of no provider", {"provider": "cq/yuzhong/none"}, 422, "unknown_provider"),
    ("of a closed one", {"provider": "cq/yuzhong/closed"}, 403, "provider_not_active"),
    ("of another", {"provider": "cq/jiangbei"}, 403, "foreign_provider"),
    ("of no series", {"series": "sleeping_week"}, 422, "unknown_series"),
    ("of no kind", {"kind": "nap"}, 422, "unknown_kind"),
    ("of no category", {"category": "naps"}, 422, "unknown_category"),
    ("that ends before it starts", {"ends": "2025-01-01T00:00:00Z"}, 422, "activity_ends_early"),
    ("at no time", {"starts": "2025-03-01"}, 422, "invalid_request"),
    ("at a time of nowhere", {"starts": "2025-03-01T09:00:00"}, 422, "invalid_request"),
    ("before the calendar", {"starts": "0001-01-01T00:00:00+14:00"}, 422, "invalid_request"),
    ("for nobody", {"capacity": 0}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("others", "status", "code"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
async def test_activity_that_cannot_be_is_refused(others: dict[str, Any], status: int, code: str, world: World) -> None:
    before = await world.stored()
    answer = await world.send("partner", "POST /v1/activities", talk(world, **others))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await world.stored() == before


async def test_bank_says_whose_activity_it_is(world: World) -> None:
    answer = await world.send("bank", "POST /v1/activities", talk(world, provider=None))
    assert answer.json()["code"] == "activity_provider_unnamed"


async def test_three_ways_make_one_achievement_that_rules_read(world: World) -> None:
    await world.publish(document(granting("talk", {"fixed": "0.5"}, kind="activity"), id_="talks"))
    at = await announced(world)
    learner = await world.open()
    number = await number_of(world, learner)

    scanned = await scan(world, at, await shown_code(world, at), learner)
    again = await scan(world, at, await shown_code(world, at), learner)
    roster = await world.send("partner", f"POST {at}/attendance", {"learners": [{"number": number}, {"id": learner}]})
    sheet = f"账号,时间\n{number},{world.clock.instant:%Y-%m-%dT%H:%M:%SZ}\n"
    late = await world.send("partner", f"POST {at}/sheets", sheet.encode(), CSV)

    assert (scanned.status_code, scanned.json()["status"]) == (201, "counted")
    assert (again.status_code, again.json()) == (200, {**scanned.json(), "status": "already"})
    assert [one["status"] for one in roster.json()["results"]] == ["already", "already"]
    assert late.json() == {"refused": [], "counts": {"counted": 0, "already": 1, "refused": 0}}
    assert await attendance(world, at) == {"attended": 1, "by_way": {"code": 1}, "head_count": 0}
    (made,) = (await world.send("partner", f"GET /v1/learners/{learner}/achievements")).json()["items"]
    assert made["id"] == scanned.json()["achievement"]
    content = made["content"]
    assert (content["hours"], content["completed"], content["facts"]) == ("2", "2025-03-01", {"theme": "learning_week"})
    units = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()["units"]
    assert [unit["total"] for unit in units] == ["0.5"]


async def test_code_is_another_every_minute_and_taken_for_two(world: World) -> None:
    at, other = await announced(world), await announced(world)
    learners = [await world.open() for _ in range(3)]
    shown = (await world.send("partner", f"GET {at}/check-in-code")).json()
    foreign = await shown_code(world, other)
    forged = shown["code"][:-1] + ("0" if shown["code"][-1] != "0" else "1")
    before = await world.stored()
    for code in (foreign, forged, foreign.split(".")[0] + shown["code"][32:], "", "张三"):
        refused = await scan(world, at, code, learners[0])
        assert (refused.status_code, refused.json()["code"]) == (403, "check_in_code_refused")
    assert await world.stored() == before

    world.clock.turn(seconds=60)
    assert (await scan(world, at, shown["code"], learners[0])).status_code == 201
    assert await shown_code(world, at) != shown["code"]
    world.clock.turn(seconds=60)
    late = await scan(world, at, shown["code"], learners[1])
    assert (late.status_code, late.json()["code"]) == (403, "check_in_code_expired")
    assert datetime.fromisoformat(shown["expires_at"]) <= world.clock.instant
    assert (await scan(world, at, await shown_code(world, at), learners[2])).status_code == 201
    unknown = await scan(world, at, await shown_code(world, at), world.ids["nowhere"])
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_learner")


async def test_code_is_shown_as_a_picture_to_whom_asks_for_one(world: World) -> None:
    at = await announced(world)
    plain = (await world.send("partner", f"GET {at}/check-in-code")).json()
    shown = await world.send("partner", f"GET {at}/check-in-code", headers={"Accept": "image/svg+xml"})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/svg+xml")
    # Nothing here reads pictures: the same text gives the same one.
    assert shown.text == segno.make_qr(plain["code"], error="m").svg_inline(scale=8, omitsize=True)
    assert parsedate_to_datetime(shown.headers["expires"]) == datetime.fromisoformat(plain["expires_at"])
    neither = await world.send("partner", f"GET {at}/check-in-code", headers={"Accept": "image/png"})
    assert neither.status_code == 406


async def test_no_code_before_the_day_nor_after_the_end(world: World) -> None:
    now = world.clock.instant
    times = {"starts": (now + timedelta(days=1)).isoformat(), "ends": (now + timedelta(days=1, hours=1)).isoformat()}
    early = await announced(world, **times)
    over = await announced(
        world, starts=(now - timedelta(hours=3)).isoformat(), ends=(now - timedelta(hours=1)).isoformat()
    )
    learner = await world.open()
    for at, code in ((early, "activity_not_begun"), (over, "activity_over")):
        assert (await world.send("partner", f"GET {at}/check-in-code")).json()["code"] == code
        assert (await scan(world, at, "x", learner)).json()["code"] == code
    roster = {"learners": [{"id": learner}]}
    assert (await world.send("partner", f"POST {early}/attendance", roster)).json()["code"] == "activity_not_begun"
    entered = await world.send("partner", f"POST {over}/attendance", roster)
    assert entered.json()["counts"] == {"counted": 1, "already": 0, "refused": 0}


async def test_roster_counts_who_is_known_and_says_who_is_not(world: World) -> None:
    at = await announced(world)
    learner = await world.open()
    body = {"learners": [{"id": learner}, {"number": "CQ1000000013"}, {"id": world.ids["nowhere"]}, {"id": learner}]}
    key = {"Idempotency-Key": world.fresh()}

    answer = await world.send("partner", f"POST {at}/attendance", body, key)

    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["counted", "refused", "refused", "already"]
    assert {one["problem"]["code"] for one in results[1:3]} == {"unknown_learner"}
    again = await world.send("partner", f"POST {at}/attendance", body, key)
    assert (again.headers["idempotent-replayed"], again.json()) == ("true", answer.json())


async def test_late_sheet_takes_the_rows_that_are_right_and_the_same_again_changes_nothing(world: World) -> None:
    at = await announced(world)
    learners = [await world.open() for _ in range(3)]
    numbers = [await number_of(world, learner) for learner in learners]
    now = f"{world.clock.instant:%Y-%m-%dT%H:%M:%SZ}"
    yesterday = f"{world.clock.instant - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    rows = [
        "number,time",
        f"{numbers[0]},{now}",
        f"{numbers[1]},{yesterday}",
        f"CQ1000000014,{now}",
        f"CQ1000000013,{now}",
        f"{numbers[2]},soon",
        f"{numbers[0]},{now}",
        f"{numbers[1]},{now}",
    ]
    sheet = "\n".join(rows).encode()

    first = await world.send("partner", f"POST {at}/sheets", sheet, {**CSV, "Accept-Language": "zh"})
    assert first.json()["counts"] == {"counted": 2, "already": 1, "refused": 4}
    told = [
        (one["row"], one["problem"]["code"], [error["code"] for error in one["problem"]["errors"]])
        for one in first.json()["refused"]
    ]
    assert told == [
        (3, "invalid_request", ["outside_activity"]),
        (4, "invalid_request", ["wrong_form"]),
        (5, "unknown_learner", ["unknown_learner"]),
        (6, "invalid_request", ["not_a_time"]),
    ]
    assert first.json()["refused"][0]["problem"]["errors"][0]["message"] == "时间不在活动日期内，或尚未到来。"
    counted = await world.stored()
    second = await world.send("partner", f"POST {at}/sheets", sheet, CSV)
    assert second.json()["counts"] == {"counted": 0, "already": 3, "refused": 4}
    assert {**await world.stored(), "audit_events": 0} == {**counted, "audit_events": 0}
    assert await attendance(world, at) == {"attended": 2, "by_way": {"sheet": 2}, "head_count": 0}


@pytest.mark.parametrize(
    ("rows", "headers", "status", "code"),
    [
        (b"name\n", CSV, 422, "table_refused"),
        (b"", CSV, 422, "table_refused"),
        (b"number,time\n" + b"x,y\n" * 1001, CSV, 422, "batch_too_large"),
        (b"{}", {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
    ],
)
async def test_what_is_no_sheet_is_refused(
    rows: bytes, headers: dict[str, str], status: int, code: str, world: World
) -> None:
    answer = await world.send("partner", "POST /v1/activities/@activity/sheets", rows, headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_once_somebody_was_there_only_the_place_changes(world: World) -> None:
    at = await announced(world)
    learner = await world.open()
    await world.send("partner", f"POST {at}/attendance", {"learners": [{"id": learner}]})
    fixed = await world.send("partner", f"PATCH {at}", {"hours": "9"}, ANY)
    moved = await world.send("partner", f"PATCH {at}", {"place": "305", "capacity": 3}, ANY)
    assert (fixed.status_code, fixed.json()["code"]) == (409, "activity_attended")
    assert (moved.status_code, moved.json()["place"]) == (200, "305")


async def test_cancelled_activity_is_taken_back_from_everybody(world: World) -> None:
    at = await announced(world, series="health_month")
    learners = [await world.open() for _ in range(3)]
    await world.send("partner", f"POST {at}/attendance", {"learners": [{"id": one} for one in learners]})
    code = await shown_code(world, at)

    cancelled = await world.send("partner", f"POST {at}/cancellation", {"reason": "The hall was flooded."})
    await world.work()

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    for learner in learners:
        (made,) = (await world.send("partner", f"GET /v1/learners/{learner}/achievements")).json()["items"]
        whole = (await world.send("partner", f"GET /v1/achievements/{made['id']}")).json()
        assert (whole["status"], whole["versions"][-1]["reason"]) == ("revoked", "The hall was flooded.")
    before = await world.stored()
    late: list[tuple[str, Any, dict[str, str]]] = [
        (f"POST {at}/cancellation", {"reason": "Again."}, {}),
        (f"PATCH {at}", {"place": "1"}, ANY),
        (f"POST {at}/attendance", {"learners": [{"id": learners[0]}]}, {}),
        (f"POST {at}/check-ins", {"code": code, "learner": {"id": learners[0]}}, {}),
        (f"POST {at}/sheets", b"number,time\n", CSV),
        (f"GET {at}/check-in-code", None, {}),
    ]
    for request, body, headers in late:
        answer = await world.send("partner", request, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "activity_cancelled"), request
    assert await world.stored() == before


async def test_suspended_institution_checks_nobody_in_and_may_still_cancel(world: World) -> None:
    code = "cq/yuzhong/daxigou"
    body = {"code": code, "name": {"zh": "大溪沟", "en": "Daxigou"}, "provider_type": "community_school"}
    school = (await world.send("partner", "POST /v1/providers", body)).json()["id"]
    at = await announced(world, provider=code)
    shown, learner = await shown_code(world, at), await world.open()
    await world.send("partner", f"PATCH /v1/providers/{school}", {"status": "suspended"}, ANY)
    refused: list[tuple[str, Any, dict[str, str]]] = [
        ("POST /v1/activities", talk(world, provider=code), {}),
        (f"PATCH {at}", {"place": "1"}, ANY),
        (f"POST {at}/attendance", {"learners": [{"id": learner}]}, {}),
        (f"POST {at}/check-ins", {"code": shown, "learner": {"id": learner}}, {}),
        (f"POST {at}/sheets", b"number,time\n", CSV),
        (f"GET {at}/check-in-code", None, {}),
    ]
    for request, sent, headers in refused:
        answer = await world.send("partner", request, sent, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "provider_not_active"), request
    assert (await world.send("partner", f"POST {at}/cancellation", {"reason": "Closed."})).status_code == 200


def people(**others: Any) -> dict[str, Any]:
    return {"region": "500103", "source": "door register", "people": 12, **others}


async def test_people_without_an_account_are_counted(world: World) -> None:
    at = await announced(world)
    activity = at.rpartition("/")[2]
    month = {"provider": SCHOOL, "from": "2025-02-01", "until": "2025-03-01"}
    items = [people(activity=activity, age_from=60), people(activity=activity, age_until=60), people(**month)]

    first = await world.send("partner", "PUT /v1/head-counts", {"items": items})
    again = await world.send("partner", "PUT /v1/head-counts", {"items": [*items[:2], {**items[2], "people": 15}]})

    assert first.json() == {"entered": 3, "changed": 0, "unchanged": 0}
    assert again.json() == {"entered": 0, "changed": 1, "unchanged": 2}
    assert (await attendance(world, at))["head_count"] == 24
    listed = (await world.send("partner", f"GET /v1/head-counts?under={SCHOOL}&until=2025-03-01")).json()["items"]
    assert listed == [{**people(people=15), **month, "activity": None, "age_from": 0, "age_until": None}]
    assert (await world.send("rival", "GET /v1/head-counts")).json()["items"] == []
    assert len((await world.send("bank", f"GET /v1/head-counts?under={COLLEGE}&from=2025-03-01")).json()["items"]) == 2


COUNTS: list[tuple[str, list[dict[str, Any]], int, str]] = [
    ("of nothing", [people()], 422, "invalid_request"),
    ("of an activity and a period", [people(activity="@activity", **{"from": "2025-01-01"})], 422, "invalid_request"),
    ("of half a period", [people(**{"from": "2025-01-01"})], 422, "invalid_request"),
    ("of no day", [people(**{"from": "2025-01-01", "until": "2025-01-01"})], 422, "invalid_request"),
    ("of no activity", [people(activity="@nowhere")], 404, "activity_not_found"),
    ("of another's activity", [people(activity="@foreign_activity")], 403, "foreign_provider"),
    ("of people of nowhere", [people(activity="@activity", region="99")], 422, "unknown_region"),
    ("twice", [people(activity="@activity"), people(activity="@activity", people=3)], 422, "item_given_twice"),
    ("of fewer than none", [people(activity="@activity", people=-1)], 422, "invalid_request"),
]


@pytest.mark.parametrize(("items", "status", "code"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS])
async def test_count_that_cannot_be_is_refused(
    items: list[dict[str, Any]], status: int, code: str, world: World
) -> None:
    before = await world.stored()
    answer = await world.send("partner", "PUT /v1/head-counts", {"items": items})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await world.stored() == before
