"""The life of a rule set over HTTP: a draft in YAML or JSON, replaced, published, and then it gives credits."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.api.world import COLLEGE, World
from tests.bank import document, granting
from tests.covering import covered

pytestmark = pytest.mark.asyncio(loop_scope="module")


def badges(id_: str, fixed: int, version: int = 1, kind: str = "certificate", **others: Any) -> dict[str, Any]:
    return document(granting("badge", {"fixed": fixed}, kind=kind), id_=id_, version=version, **others)


@pytest.mark.parametrize("media_type", ["application/json", "application/yaml", "application/x-yaml", "text/yaml"])
async def test_document_is_one_whatever_its_form(media_type: str, world: World) -> None:
    name = world.fresh("form").lower()
    plain = badges(name, 2)
    text = json.dumps(plain) if media_type.endswith("json") else yaml.safe_dump(plain, sort_keys=False)

    answer = await world.send("bank", "POST /v1/rule-sets", text, {"Content-Type": media_type})

    assert answer.status_code == 201, answer.text
    drafted = answer.json()
    assert (drafted["code"], drafted["version"], drafted["state"]) == (name, 1, "draft")
    assert answer.headers["location"] == f"/v1/rule-sets/{drafted['rule_set']}/versions/1"
    read = await world.send("bank", f"GET {answer.headers['location']}")
    assert read.json() == drafted
    twin = await world.send("bank", "POST /v1/rule-sets", badges(f"{name}-b", 2))
    assert drafted["document"]["recognition"] == twin.json()["document"]["recognition"]


async def test_draft_gives_nothing_until_it_is_published(world: World) -> None:
    learner = await world.open()
    at = (await world.send("bank", "POST /v1/rule-sets", covered(badges("slow", 2)))).headers["location"]
    before = await world.record(learner, kind="certificate", credits="1")
    assert (before["outcome"]["state"], before["outcome"]["lots"]) == ("not_recognised", [])

    published = await world.lead(at, "publish")

    assert published.status_code == 200
    assert published.json()["state"] == "published"
    assert published.json()["publications"][0]["valid_from"] == "2020-01-01"
    assert published.json()["job"] is not None
    # Whoever comes in now is settled with it at once; everybody else by the job.
    other = await world.record(await world.open(), kind="certificate", credits="1")
    assert other["outcome"]["lots"][0]["positions"]["available"] == "2"
    await world.work()
    balance = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()
    assert balance["units"][0]["total"] == "2"


async def test_correction_takes_the_place_of_what_it_corrects(world: World) -> None:
    learner = await world.open()
    at = await world.publish(badges("mended", 3, kind="reading", until="2031-01-01"))
    await world.work()
    (mistaken,) = (await world.record(learner, kind="reading"))["outcome"]["lots"]
    assert mistaken["positions"] == {"issued": "-3", "available": "3"}
    await world.publish(badges("mended", 1, 2, kind="reading", until="2031-01-01"))
    await world.work()

    old = (await world.send("bank", f"GET {at}")).json()
    assert old["state"] == "superseded"
    balance = (await world.send("bank", f"GET /v1/learners/{learner}/balance")).json()
    assert balance["units"][0]["total"] == "1"
    listed = (await world.send("bank", "GET /v1/rule-sets?limit=500")).json()["items"]
    (mended,) = [rule_set for rule_set in listed if rule_set["code"] == "mended"]
    assert [(v["version"], v["state"]) for v in mended["versions"]] == [(1, "superseded"), (2, "published")]


async def test_provider_keeps_its_own_rule_sets(world: World) -> None:
    mine = await world.send("partner", "POST /v1/rule-sets", badges("college", 1))
    assert mine.status_code == 201
    at = mine.headers["location"]
    for by, status in (("rival", 403), ("partner", 200), ("bank", 200)):
        answer = await world.send(by, f"PUT {at}", badges("college", 2), {"If-Match": "*"})
        assert answer.status_code == status, by
    listed = (await world.send("rival", "GET /v1/rule-sets?limit=500")).json()["items"]
    assert [r["owner"] for r in listed if r["code"] == "college"] == [COLLEGE]


async def test_published_version_never_changes(world: World) -> None:
    at = await world.publish(badges("stone", 1))
    answer = await world.send("bank", f"PUT {at}", badges("stone", 2), {"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (409, "rule_set_version_immutable")
    assert answer.json()["detail"] == "The version is published: it never changes. Make a new version."
