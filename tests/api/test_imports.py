"""A file handed in through the API: recorded row by row, once, with everything that is wrong named at its cell."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select, update

from creditbank.access.tables import audit_events
from creditbank.imports.actions import forget_everything
from creditbank.imports.tables import import_problems, imports
from creditbank.jobs.tables import jobs
from tests.api.world import COLLEGE, World
from tests.imports.results import TERM, TYPES, csv, files, hand_in, problems, row, told, xlsx

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def term(world: World) -> str:
    """What the ids of a test's rows begin with, so that none meets another's."""
    TERM["is"] = world.fresh("T")
    return TERM["is"]


async def test_a_table_is_recorded_row_by_row_and_again_changes_nothing(world: World, term: str) -> None:
    content = csv(row(1), row(2), row(3))
    assert told(await hand_in(world, "csv", content)) == ("done", {"recorded": 3, "unchanged": 0, "refused": 0}, 0)
    assert told(await hand_in(world, "csv", content)) == ("done", {"recorded": 0, "unchanged": 3, "refused": 0}, 0)

    one = await world.partner.post(
        "/v1/learners/resolve", json={"identity": {"type": "student_number", "value": f"{term}S2"}}
    )
    listed = await world.partner.get(f"/v1/learners/{one.json()['id']}/achievements")
    (achievement,) = listed.json()["items"]
    assert (achievement["external_id"], achievement["provider"]) == (f"{term}-2", COLLEGE)
    assert achievement["content"]["credits"] == "3"


async def test_every_format_gives_the_same(world: World, term: str) -> None:
    rows = [row(1), row(2)]
    assert (await hand_in(world, "xlsx", xlsx(*rows)))["counts"]["recorded"] == 2
    for encoding in ("gb18030", "utf-8", "utf-16"):
        assert (await hand_in(world, "csv", csv(*rows, encoding=encoding)))["counts"]["unchanged"] == 2
    lines = [
        {
            "external_id": f"{term}-{n}",
            "learner": {"identity": {"type": "student_number", "value": f"{term}S{n}"}},
            "kind": "course",
            "title": "英语",
            "credits": "3",
            "completed": "2025-01-20",
        }
        for n in (1, 2)
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    assert (await hand_in(world, "ndjson", content))["counts"]["unchanged"] == 2


async def test_what_is_wrong_is_named_at_its_cell_and_the_rest_is_recorded(world: World) -> None:
    rows = [row(1), row(2, 学分="三"), row(3, 完成日期="2025年2月30日", 成果类型="上课"), row(4, 学号=None), row(5)]
    imported = await hand_in(world, "xlsx", xlsx(*rows))

    assert told(imported) == ("done", {"recorded": 2, "unchanged": 0, "refused": 3}, 4)
    assert await problems(world, imported) == [
        "F4 not_a_number /credits",
        "D5 not_one_of /kind",
        "G5 no_such_day /completed",
        "B6 learner_unnamed /learner",
    ]
    at = f"/v1/imports/{imported['id']}/problems"
    chinese = (await world.partner.get(at, headers={"Accept-Language": "zh"})).json()["items"]
    assert [one["message"] for one in chinese][2] == "日历中没有这一天。"
    first = await world.partner.get(f"{at}?limit=3")
    second = await world.partner.get(f"{at}?limit=3&cursor={first.json()['next']}")
    paged = [*first.json()["items"], *second.json()["items"]]
    assert [one["row"] for one in paged] == [4, 5, 5, 6]

    corrected = [row(n) for n in range(1, 6)]
    assert (await hand_in(world, "xlsx", xlsx(*corrected)))["counts"] == {"recorded": 3, "unchanged": 2, "refused": 0}


async def test_what_only_the_bank_can_see_is_named_at_its_cell_too(world: World) -> None:
    await hand_in(world, "csv", csv(row(1)))
    rows = [row(1, 学分=4), row(2, 完成日期="2031-01-01"), row(3)]

    imported = await hand_in(world, "csv", csv(*rows), "open_accounts=false")

    assert await problems(world, imported) == [
        "A2 external_id_conflict /external_id",
        "G3 date_in_future /completed",
        "B4 unknown_learner /learner",
    ]
    async with world.database.read() as connection:
        found = await connection.execute(
            select(audit_events.c.details).where(audit_events.c.action == "learner.name_refused")
        )
        assert [row.details for row in found] == [{"refused": 1}]


async def test_a_dry_run_counts_and_records_nothing(world: World) -> None:
    await hand_in(world, "csv", csv(row(1)))
    before = await world.stored()

    imported = await hand_in(world, "csv", csv(row(1), row(2), row(3, 学分="x")), "open_accounts=true&dry_run=true")

    assert told(imported) == ("done", {"recorded": 1, "unchanged": 1, "refused": 1}, 1)
    after = await world.stored()
    ours = {"imports", "import_pieces", "import_problems", "jobs", "audit_events"}
    assert {name for name in after if after[name] != before[name]} == ours


async def test_an_import_that_stops_records_what_came_before(world: World) -> None:
    await hand_in(world, "csv", csv(row(2)))
    asked = "open_accounts=true&on_error=stop"
    read = await hand_in(world, "csv", csv(row(11), row(12), row(13, 学分="x"), row(14)), asked)
    assert told(read) == ("stopped", {"recorded": 2, "unchanged": 0, "refused": 1}, 1)
    submitted = await hand_in(world, "csv", csv(row(21), row(2, 学分=5), row(23)), asked)
    assert told(submitted) == ("stopped", {"recorded": 1, "unchanged": 0, "refused": 1}, 1)
    assert await problems(world, submitted) == ["A3 external_id_conflict /external_id"]


async def test_what_is_no_table_is_refused_at_once_and_leaves_nothing(world: World) -> None:
    headers = {"Content-Type": TYPES["csv"], "Accept-Language": "zh"}
    before = files(world)
    for content, code, faults in (
        ("记录编号,宿舍\n1,2\n".encode(), "table_refused", 4),
        (b"\x81", "table_refused", 1),
        (csv(), "table_refused", 1),
    ):
        refused = await world.partner.post("/v1/imports", content=content, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert len(refused.json()["errors"]) == faults
    empty = await world.partner.post("/v1/imports", content=b"", headers=headers)
    assert (empty.status_code, empty.json()["code"]) == (400, "malformed_body")
    plain = await world.partner.post("/v1/imports", content=b"x", headers={"Content-Type": "text/plain"})
    assert plain.status_code == 415
    assert files(world) == before


async def test_lines_of_json_that_are_wrong_are_named_by_their_lines(world: World) -> None:
    good = {**world.statement(), "external_id": "L-1"}
    lines = [
        json.dumps(good),
        "{",
        '{"external_id": "a", "external_id": "b"}',
        '["x"]',
        json.dumps({**good, "kind": 3}),
    ]

    imported = await hand_in(world, "ndjson", "\n\n".join(lines).encode())

    assert told(imported)[1] == {"recorded": 1, "unchanged": 0, "refused": 4}
    found = (await world.partner.get(f"/v1/imports/{imported['id']}/problems")).json()["items"]
    assert [(one["row"], one["code"], one["pointer"]) for one in found] == [
        (3, "cut_short", ""),
        (5, "given_twice", "/external_id"),
        (7, "wrong_type", ""),
        (9, "wrong_type", "/kind"),
    ]


async def test_an_import_that_was_given_up_is_forgotten_when_somebody_is_erased(world: World) -> None:
    headers = {"Content-Type": TYPES["csv"]}
    taken = await world.partner.post("/v1/imports", content=csv(row(1)), headers=headers)
    now = world.clock()
    async with world.database.write() as connection:
        await connection.execute(update(jobs).where(jobs.c.kind == "import").values(state="failed", ended_at=now))
        await forget_everything(connection, now)
        one = (await connection.execute(select(imports).where(imports.c.id == UUID(taken.json()["id"])))).one()
    assert (str(one.id), one.state, one.wrapped) == (taken.json()["id"], "stopped", None)


async def test_no_number_of_a_person_stays_in_a_problem(world: World) -> None:
    """However it came into a wrong place: as an institution, as the name of a field, below the facts."""
    number = "110105194912310021"
    good = {**world.statement(), "external_id": "L-1"}
    lines = [
        {**good, "provider": number},
        {**good, number: "x"},
        {**good, "facts": {number: ["x"]}},
        {**good, "kind": number},
    ]

    imported = await hand_in(world, "ndjson", "\n".join(json.dumps(line) for line in lines).encode())

    assert told(imported)[1] == {"recorded": 0, "unchanged": 0, "refused": 4}
    async with world.database.read() as connection:
        kept = (await connection.execute(select(import_problems))).all()
    assert kept
    assert number not in str(kept)


async def test_more_rows_or_bytes_than_there_may_be_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    edge = world.app.state.edge
    small = edge.settings.model_copy(update={"import_rows_max": 2, "import_bytes_max": 2000})
    monkeypatch.setitem(world.app.state._state, "edge", replace(edge, settings=small))
    headers = {"Content-Type": TYPES["csv"]}
    many = await world.partner.post("/v1/imports", content=csv(row(1), row(2), row(3)), headers=headers)
    assert (many.status_code, many.json()["code"]) == (422, "too_many_rows")
    large = await world.partner.post("/v1/imports", content=bytes(2001), headers=headers)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    assert (await hand_in(world, "csv", csv(row(1), row(2))))["counts"]["recorded"] == 2


async def test_a_file_may_be_larger_than_any_other_body(world: World) -> None:
    # A body of nine million bytes: what is not read whole is not held to the limit of what is.
    content = csv(row(1, 姓名="x" * 150)) + b"\r\n" * 4_500_000
    assert len(content) > world.app.state.edge.settings.body_bytes_max
    assert (await hand_in(world, "csv", content))["counts"]["recorded"] == 1
    refused = await world.partner.post(
        "/v1/achievements", content=content, headers={"Content-Type": "application/json"}
    )
    assert refused.status_code == 413


async def test_the_same_key_hands_in_once(world: World) -> None:
    headers = {"Content-Type": TYPES["csv"], "Idempotency-Key": "term-1"}
    before = files(world)
    first, again = [
        await world.partner.post("/v1/imports?open_accounts=true", content=csv(row(1)), headers=headers)
        for _ in range(2)
    ]
    assert (first.json(), again.headers["idempotent-replayed"]) == (again.json(), "true")
    other = await world.partner.post("/v1/imports", content=csv(row(1)), headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"
    # The headings and the rows of one file.
    assert len(set(files(world)) - set(before)) == 2


async def test_a_cancelled_import_stays_where_it_stands(world: World) -> None:
    headers = {"Content-Type": TYPES["csv"]}
    at = (await world.partner.post("/v1/imports", content=csv(row(1)), headers=headers)).headers["location"]
    cancelled = await world.partner.delete(at)
    assert told(cancelled.json()) == ("cancelled", {"recorded": 0, "unchanged": 0, "refused": 0}, 0)
    await world.work()
    assert told((await world.partner.get(at)).json())[0] == "cancelled"
    assert (await world.partner.delete(at)).json()["code"] == "import_ended"


async def test_a_mapping_reads_the_sheets_that_a_provider_has(world: World) -> None:
    content = "流水,学员编号,成果类型,完成日期,宿舍\nM-1,S1,课程,2025-01-20,3-404\n".encode()
    at = f"/v1/providers/{world.ids[COLLEGE]}/import-mappings"
    headers = {"Content-Type": TYPES["csv"]}
    refused = await world.partner.post("/v1/imports", content=content, headers=headers)
    assert [one["pointer"] for one in refused.json()["errors"]] == [
        "/columns/1", "/columns/2", "/columns/5", "/external_id", "/learner",
    ]  # fmt: skip
    columns = {"流水": "external_id", "学员编号": "student_number", "宿舍": ""}
    saved = await world.partner.put(f"{at}/dormitory", json={"columns": columns})
    assert (saved.status_code, saved.json()["columns"]) == (200, columns)
    imported = await hand_in(world, "csv", content, "mapping=dormitory")
    assert imported["columns"] == ["external_id", "student_number", "kind", "completed", ""]
    assert [one["name"] for one in (await world.partner.get(at)).json()["items"]] == ["dormitory"]
    wrong = await world.partner.put(f"{at}/wrong", json={"columns": {"宿舍": "dormitory"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "not_one_of")
    assert (await world.partner.delete(f"{at}/dormitory")).status_code == 204
    gone = await world.partner.post("/v1/imports?mapping=dormitory", content=content, headers=headers)
    assert (gone.status_code, gone.json()["code"]) == (404, "mapping_not_found")


async def test_progress_is_told_as_it_happens_until_the_end(world: World) -> None:
    content = csv(*(row(number) for number in range(600)))
    taken = await world.partner.post(
        "/v1/imports?open_accounts=true", content=content, headers={"Content-Type": TYPES["csv"]}
    )
    at = f"{taken.headers['location']}/events"
    following = asyncio.create_task(world.partner.get(at))
    await world.work()

    answer = await following

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.split("\n\n") if block]
    assert [event["event"] for event in events][-1] == "end"
    done = [json.loads(event["data"])["done"] for event in events]
    assert done == sorted(done)
    assert (done[-1], json.loads(events[-1]["data"])["state"]) == (600, "done")
    assert "end" in (await world.partner.get(at)).text
