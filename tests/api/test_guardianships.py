"""A guardian sees a minor's account and acts for the minor until the day; it is seen to be the guardian."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from creditbank.guardianships.domain import of_age_on
from tests.api.world import PASSWORD, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOUND = {"kind": "parent", "evidence": "household_register"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https."""
    async with opened(database_url, public_url="https://bank.test", rate_register_per_minute=0) as served:
        yield served


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def adult(world: World, *, confirmed: bool = True, born: str = "1980-02-03") -> tuple[str, str]:
    """An adult with an account of their own; answers it and the login."""
    login = world.fresh("parent@home")
    body = {"name": "Li Lei", "birth_date": born, "region": "500103", "login": login, "password": PASSWORD}
    answer = await world.browser().post("/v1/registrations", json=body)
    assert answer.status_code == 201, answer.text
    id_ = str(answer.json()["learner"])
    if confirmed:
        seen = {"identity": {"type": "passport", "value": world.fresh("P7").replace("-", "")}}
        assert (await world.bank.post(f"/v1/learners/{id_}/confirmation", json=seen)).status_code == 200
    return id_, login


async def minor(world: World, years: int = 10) -> str:
    today = world.app.state.edge.today()
    return await world.open("Li Xiao", birth_date=today.replace(year=today.year - years, day=15).isoformat())


async def register(world: World, child: str, guardian: str, **others: Any) -> httpx.Response:
    body = {"guardian": guardian, **FOUND, **others}
    return await world.bank.post(f"/v1/learners/{child}/guardianships", json=body)


async def acting(world: World, login: str, child: str) -> httpx.AsyncClient:
    """A guardian's browser, acting for the minor."""
    browser = await world.sign_in(login)
    await browser.put("/v1/sessions/current/place", json={"learner": child})
    return browser


async def test_guardian_sees_and_acts_for_the_minor_until_an_officer_ends_it(world: World) -> None:
    guardian, login = await adult(world)
    child, other = await minor(world), await minor(world)
    await world.record(child)
    made = await register(world, child, guardian)
    assert made.status_code == 201, made.text
    born = date.fromisoformat((await world.bank.get(f"/v1/learners/{child}")).json()["birth_date"])
    assert made.json()["until"] == born.replace(year=born.year + 18).isoformat()

    browser = await acting(world, login, child)
    assert len((await browser.get(f"/v1/learners/{child}/achievements")).json()["items"]) == 1
    consent = {"recipient": "cq/jiangbei", "what": ["credits"], "purpose": "Admission."}
    assert (await browser.post(f"/v1/learners/{child}/consents", json=consent)).status_code == 201
    # In one place at a time: not the guardian's own account, and nobody else's.
    assert (await browser.get(f"/v1/learners/{guardian}")).status_code == 404
    assert (await browser.get(f"/v1/learners/{other}")).status_code == 404

    at = f"/v1/learners/{child}/guardianships/{made.json()['id']}/end"
    ended = await world.bank.post(at)
    assert (ended.status_code, ended.json()["ended_at"] is not None) == (200, True)
    for path in (child, guardian, other):
        assert told(await browser.get(f"/v1/learners/{path}")) == (403, "place_not_held")
    assert told(await browser.post(f"/v1/learners/{child}/consents", json=consent)) == (403, "place_not_held")
    assert [one["kind"] for one in (await browser.get("/v1/me/places")).json()["items"]] == ["self"]
    back = await browser.put("/v1/sessions/current/place", json={"learner": guardian})
    assert (back.status_code, (await browser.get(f"/v1/learners/{guardian}")).status_code) == (200, 200)
    again = await world.sign_in(login)
    assert told(await again.put("/v1/sessions/current/place", json={"learner": child})) == (403, "place_not_held")
    assert told(await world.bank.post(at)) == (404, "guardianship_not_found")
    listed = (await world.bank.get(f"/v1/learners/{child}/guardianships")).json()["items"]
    assert [one["ended_by"] is None for one in listed] == [False]


async def test_ended_once_it_is_ended_however_often_it_was_registered(world: World) -> None:
    child, (guardian, login) = await minor(world), await adult(world)
    first, _ = await register(world, child, guardian), await register(world, child, guardian)
    browser = await acting(world, login, child)
    assert (await browser.get(f"/v1/learners/{child}")).status_code == 200

    ended = await world.bank.post(f"/v1/learners/{child}/guardianships/{first.json()['id']}/end")

    assert ended.status_code == 200
    assert (await browser.get(f"/v1/learners/{child}")).status_code == 403
    again = await world.sign_in(login)
    place = await again.put("/v1/sessions/current/place", json={"learner": child})
    assert place.status_code != 200


async def test_it_ends_by_itself_on_the_eighteenth_birthday_in_the_bank_s_zone(world: World) -> None:
    guardian, login = await adult(world)
    today = world.app.state.edge.today()
    tomorrow = today + timedelta(days=1)
    child = await world.open("Li Da", birth_date=tomorrow.replace(year=tomorrow.year - 18).isoformat())
    assert (await register(world, child, guardian)).status_code == 201
    edge = world.app.state.edge
    midnight = datetime.combine(tomorrow, time(), edge.settings.zone)
    world.clock.turn(seconds=(midnight - timedelta(minutes=1) - edge.clock()).total_seconds())
    browser = await acting(world, login, child)
    assert (await browser.get(f"/v1/learners/{child}")).status_code == 200
    world.clock.turn(minutes=1)
    assert edge.today() == tomorrow
    assert told(await browser.get(f"/v1/learners/{child}")) == (403, "place_not_held")


async def test_a_guardian_s_looks_are_logged_and_both_exports_tell_of_the_guardianship(world: World) -> None:
    guardian, login = await adult(world)
    child = await minor(world)
    made = (await register(world, child, guardian)).json()["id"]
    browser = await acting(world, login, child)
    assert (await browser.get(f"/v1/learners/{child}/transcript")).status_code == 200
    looks = (await world.bank.get(f"/v1/learners/{child}/looks")).json()["items"]
    assert any("transcript" in json.dumps(look) for look in looks), looks
    for id_ in (child, guardian):
        answer = await world.bank.get(f"/v1/learners/{id_}/export")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            name = next(one for one in archive.namelist() if one.endswith("records/guardianships.json"))
            told_ = json.loads(archive.read(name))
        assert made in json.dumps(told_)


async def test_a_guardian_is_told_for_whom_they_may_act_and_the_minors_that_they_were(world: World) -> None:
    guardian, login = await adult(world)
    children = sorted([await minor(world), await minor(world)])
    untils = {child: (await register(world, child, guardian)).json()["until"] for child in children}
    browser = await acting(world, login, children[1])

    items = (await browser.get("/v1/me/places")).json()["items"]

    shown = {one["learner"]: (one["kind"], one["name"], one["roles"], one["is_current"]) for one in items}
    assert shown == {
        guardian: ("self", "Li Lei", ["learner"], False),
        children[0]: ("guardian", "Li Xiao", ["learner"], False),
        children[1]: ("guardian", "Li Xiao", ["learner"], True),
    }
    numbers = {id_: (await world.bank.get(f"/v1/learners/{id_}")).json()["number"] for id_ in shown}
    assert {one["learner"]: one["number"] for one in items} == numbers
    zone = world.app.state.edge.settings.zone
    ends = {one["learner"]: one["until"] and datetime.fromisoformat(one["until"]).astimezone(zone) for one in items}
    assert {id_: end and end.date().isoformat() for id_, end in ends.items()} == {guardian: None, **untils}
    for id_, looked in ((guardian, False), *((child, True) for child in children)):
        looks = (await world.bank.get(f"/v1/learners/{id_}/looks")).json()["items"]
        assert any(look["route"] == "GET /v1/me/places" for look in looks) is looked
    assert told(await world.partner.get("/v1/me/places")) == (403, "people_only")


async def asked_for_code(world: World, child: str) -> dict[str, Any]:
    asked = await world.partner.post("/v1/learners/activation-codes", json={"learners": [child]})
    (result,) = asked.json()["results"]
    found: dict[str, Any] = result
    return found


async def come(world: World, code: str, born: str) -> httpx.Response:
    body = {"code": code, "birth_date": born, "login": world.fresh("child@home"), "password": PASSWORD}
    return await world.browser().post("/v1/activations", json=body)


async def test_a_child_under_fourteen_comes_in_when_a_guardian_is_registered_and_not_before(world: World) -> None:
    guardian, _ = await adult(world)
    child = await minor(world)
    born = (await world.bank.get(f"/v1/learners/{child}")).json()["birth_date"]
    refused = await asked_for_code(world, child)
    assert (refused["status"], refused["problem"]["code"]) == (409, "guardian_missing")
    assert "code" not in refused

    made = (await register(world, child, guardian)).json()
    code = (await asked_for_code(world, child))["code"]
    await world.bank.post(f"/v1/learners/{child}/guardianships/{made['id']}/end")
    before = {**await world.stored(), "failed_logins": 0}
    # Whoever cannot prove who they are is told nothing of the child.
    assert told(await come(world, code, "1999-01-01")) == (403, "activation_refused")
    held = await come(world, code, born)
    assert told(held) == (409, "guardian_missing")
    assert "set-cookie" not in held.headers
    after = {**await world.stored(), "failed_logins": 0}
    assert (after["users"], after["sessions"]) == (before["users"], before["sessions"])

    await register(world, child, guardian)
    assert (await come(world, code, born)).status_code == 201


async def test_from_the_fourteenth_birthday_on_a_minor_comes_in_alone(world: World) -> None:
    today = world.app.state.edge.today()
    tomorrow = today + timedelta(days=1)
    child = await world.open("Li Da", birth_date=tomorrow.replace(year=tomorrow.year - 14).isoformat())
    assert (await asked_for_code(world, child))["problem"]["code"] == "guardian_missing"
    world.clock.turn(days=1)
    code = (await asked_for_code(world, child))["code"]
    assert (await come(world, code, tomorrow.replace(year=tomorrow.year - 14).isoformat())).status_code == 201


async def test_who_cannot_be_a_guardian_and_who_needs_none(world: World) -> None:
    good, _ = await adult(world)
    pending, _ = await adult(world, confirmed=False)
    today = world.app.state.edge.today()
    young, _ = await adult(world, born=today.replace(year=today.year - 17, day=1).isoformat())
    without_login = await world.open("Li Lei", birth_date="1980-02-03")
    child, grown, unknown = await minor(world), await world.open(birth_date="1990-01-01"), await world.open()
    for who, guardian, expected in (
        (child, pending, (409, "guardian_unfit")),
        (child, young, (409, "guardian_unfit")),
        (child, without_login, (409, "guardian_unfit")),
        (child, child, (409, "guardian_unfit")),
        (child, child[:-4] + "ffff", (404, "learner_not_found")),
        (grown, good, (409, "guardian_not_needed")),
        (unknown, good, (409, "guardian_not_needed")),
    ):
        assert told(await register(world, who, guardian)) == expected
    body = {"guardian": good, **FOUND}
    assert told(await world.partner.post(f"/v1/learners/{child}/guardianships", json=body)) == (403, "bank_only")


@pytest.mark.parametrize(
    ("born", "of_age"),
    [
        (date(2008, 2, 29), date(2026, 3, 1)),
        (date(2008, 12, 31), date(2026, 12, 31)),
        (date(2006, 2, 28), date(2024, 2, 28)),
    ],
)
async def test_of_age_is_who_has_lived_eighteen_years(born: date, of_age: date) -> None:
    assert of_age_on(born) == of_age
