"""An institution hands out codes, and each brings in the one learner whose it is, once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from creditbank.identifiers import new_code
from creditbank.people.actions import note_attempt
from creditbank.people.domain import NewGrant, Place
from tests.api.world import COLLEGE, PASSWORD, RIVAL, World, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

BORN = "2001-02-03"
REFUSED = (403, "activation_refused")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A bank that is reached by https."""
    async with opened(database_url, public_url="https://bank.test") as served:
        yield served


async def learner(world: World, **others: Any) -> str:
    """A learner of the college's, with a birth date and a student number that nobody else has."""
    number = world.fresh("S2026")
    told = {"birth_date": BORN, "identities": [{"type": "student_number", "value": number}], **others}
    id_ = await world.open("Sun Wukong", **told)
    world.ids[f"number of {id_}"] = number
    return id_


async def issued(world: World, *learners: str, by: str = "partner") -> list[dict[str, Any]]:
    answer = await world.client(by).post("/v1/learners/activation-codes", json={"learners": list(learners)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def code_for(world: World, id_: str) -> str:
    return str((await issued(world, id_))[0]["code"])


async def come(world: World, code: str, address: str = "203.0.113.9", **others: Any) -> httpx.Response:
    """Come with a code from a browser of one's own."""
    body = {"code": code, "birth_date": BORN, "login": world.fresh("sun@home"), "password": PASSWORD, **others}
    return await world.browser(address).post("/v1/activations", json={k: v for k, v in body.items() if v is not None})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_learner_comes_in_sees_what_was_earned_before_and_signs_in_again_later(world: World) -> None:
    id_ = await learner(world)
    await world.record(id_)
    (item,) = await issued(world, id_)
    assert (item["status"], item["name"], item["learner"]) == (201, "Sun Wukong", id_)

    browser = world.browser()
    typed = item["code"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    body = {"code": typed, "birth_date": BORN, "login": "sun@home", "password": PASSWORD}
    answer = await browser.post("/v1/activations", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["learner"] == id_
    for signed_in in (browser, await world.sign_in("sun@home")):
        shown = (await signed_in.get(f"/v1/learners/{id_}/transcript")).json()
        assert "3" in str(shown["totals"])
        assert (await signed_in.get(f"/v1/learners/{world.ids['learner']}")).status_code == 404
    events = (await world.bank.get(f"/v1/audit-events?subject=learner:{id_}")).json()["items"]
    assert {"activation.issue", "activation.redeem"} <= {event["action"] for event in events}
    assert item["code"] not in str(events)


async def test_last_four_of_an_identity_prove_as_a_birth_date_does(world: World) -> None:
    id_ = await learner(world)
    number = world.ids[f"number of {id_}"]
    code = await code_for(world, id_)
    assert told(await come(world, code, birth_date=None, identity_ending="zzzz")) == REFUSED
    assert (await come(world, code, birth_date=None, identity_ending=number[-4:])).status_code == 201


async def test_whatever_is_wrong_is_refused_alike_and_nothing_is_kept_of_it(world: World) -> None:
    id_ = await learner(world)
    former = await code_for(world, id_)
    code = await code_for(world, id_)
    used = await code_for(world, other := await learner(world))
    assert (await come(world, used)).status_code == 201
    assert other != id_
    users = (await world.stored())["users"]
    answers = [
        await come(world, former),
        await come(world, used),
        await come(world, code, birth_date="2001-02-04"),
        await come(world, code, birth_date=None, identity_ending="0000"),
        await come(world, "0000-0000-0000-0000"),
        await come(world, code[:-1] + ("0" if code[-1] != "0" else "2")),
        await come(world, "孙"),
    ]
    assert {told(answer) for answer in answers} == {REFUSED}
    texts = {str({k: v for k, v in answer.json().items() if k != "instance"}) for answer in answers}
    assert len(texts) == 1
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert (await world.stored())["users"] == users


@pytest.mark.parametrize("field", ["code", "password", "login", "identity_ending"])
async def test_what_no_keyboard_types_is_pointed_at_and_counts_for_nothing(field: str, world: World) -> None:
    code = await code_for(world, await learner(world))
    before = await world.stored()
    sent: dict[str, Any] = {"code": code, "birth_date": None, "identity_ending": "0017", field: "\0ab9"}
    answer = await come(world, sent.pop("code"), **sent)
    assert told(answer) == (422, "invalid_request")
    faults = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert faults == [(f"/{field}", "control_character")]
    assert await world.stored() == before
    assert (await come(world, code)).status_code == 201


async def test_code_is_dead_after_so_many_wrong_answers_from_wherever_they_come(world: World) -> None:
    id_ = await learner(world)
    code = await code_for(world, id_)
    for number in range(9):
        answer = await come(world, code, f"198.51.100.{number}", birth_date=f"1999-01-0{number + 1}")
        assert told(answer) == REFUSED
    # The tenth is waited for by nobody: it is the last, and then the code brings in nobody even later.
    assert told(await come(world, code, "198.51.100.77", birth_date="1999-02-01")) == REFUSED
    held = await come(world, code, "198.51.100.78")
    assert told(held) == (429, "too_many_attempts")
    assert 890 <= int(held.headers["retry-after"]) <= 900
    world.clock.turn(seconds=int(held.headers["retry-after"]))
    assert told(await come(world, code, "198.51.100.79")) == REFUSED
    assert (await come(world, await code_for(world, id_))).status_code == 201


async def test_who_guesses_codes_waits(world: World) -> None:
    edge, guessing = world.app.state.edge, "198.51.100.200"
    assert told(await come(world, new_code(secrets.choice), guessing)) == REFUSED
    async with world.database.write() as connection:
        for _ in range(99):
            await note_attempt(connection, edge.vault, world.fresh("guess"), guessing, world.clock())
    code = await code_for(world, await learner(world))
    assert told(await come(world, code, guessing)) == (429, "too_many_attempts")
    assert (await come(world, code, "198.51.100.201")).status_code == 201


async def test_code_lives_so_many_days_and_no_longer(world: World) -> None:
    id_ = await learner(world)
    late, in_time = await code_for(world, id_), await learner(world)
    world.clock.turn(days=1)
    young = await code_for(world, in_time)
    world.clock.turn(days=89)
    assert told(await come(world, late)) == REFUSED
    assert (await come(world, young)).status_code == 201


async def test_of_two_who_come_with_one_code_at_once_one_wins(world: World) -> None:
    id_ = await learner(world)
    code = await code_for(world, id_)
    users = (await world.stored())["users"]
    answers = await asyncio.gather(*[come(world, code, f"203.0.113.{n}") for n in range(20, 24)])
    assert sorted(told(answer)[0] for answer in answers) == [201, 403, 403, 403]
    assert {told(answer) for answer in answers if answer.status_code != 201} == {REFUSED}
    assert (await world.stored())["users"] == users + 1


async def test_login_that_somebody_has_leaves_the_code_as_it_was(world: World) -> None:
    await world.person("taken@home", NewGrant("auditor", Place()))
    code = await code_for(world, await learner(world))
    assert told(await come(world, code, login="TAKEN@home")) == (409, "login_taken")
    assert told(await come(world, code, password="short")) == (422, "password_length")
    assert told(await come(world, code, password="Wukong over seven rivers")) == (422, "password_obvious")
    assert (await come(world, code)).status_code == 201


async def test_nobody_is_given_a_code_who_is_inside_ended_nameless_or_another_s(world: World) -> None:
    inside, ended, fresh = await learner(world), await learner(world), await learner(world)
    bare = await world.open("Nobody knows when")
    foreign = await world.open("Of the rival's", by="rival", birth_date=BORN)
    assert (await come(world, await code_for(world, inside))).status_code == 201
    away = {"state": "closed", "reason": "not_used"}
    assert (await world.bank.post(f"/v1/learners/{ended}/state", json=away)).status_code == 200

    results = await issued(world, inside, ended, bare, foreign, world.ids["learner"][:-4] + "ffff", fresh, fresh)
    codes = [(one["status"], one["problem"]["code"] if "problem" in one else "") for one in results]
    assert codes == [
        (409, "account_activated"),
        (409, "account_ended"),
        (409, "nothing_to_ask"),
        (404, "learner_not_found"),
        (404, "learner_not_found"),
        (201, ""),
    ]
    assert (await issued(world, foreign, by="rival"))[0]["status"] == 201


async def test_account_that_ends_after_its_code_was_issued_is_not_come_into(world: World) -> None:
    id_ = await learner(world)
    code = await code_for(world, id_)
    away = {"state": "deceased", "reason": "family_told"}
    assert (await world.bank.post(f"/v1/learners/{id_}/state", json=away)).status_code == 200
    assert told(await come(world, code)) == (409, "account_ended")


async def test_another_site_s_page_signs_nobody_in(world: World) -> None:
    code = await code_for(world, await learner(world))
    elsewhere = world.browser(**{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"})
    body = {"code": code, "birth_date": BORN, "login": "victim@home", "password": PASSWORD}
    answer = await elsewhere.post("/v1/activations", json=body)
    assert told(answer) == (403, "cross_origin")


async def test_officer_proves_who_they_are_before_handing_out_codes(world: World) -> None:
    await world.person("officer@town", NewGrant("provider_staff", Place(COLLEGE)))
    await world.person("assessor@town", NewGrant("assessor", Place(RIVAL)))
    id_ = await learner(world)
    asked = {"learners": [id_]}
    for login, expected in (("officer@town", (200, "")), ("assessor@town", (403, "missing_scope"))):
        browser = await world.sign_in(login)
        answer = await browser.post("/v1/learners/activation-codes", json=asked)
        assert (answer.status_code, answer.json().get("code", "")) == expected
    browser = await world.sign_in("officer@town")
    world.clock.turn(minutes=11)
    late = await browser.post("/v1/learners/activation-codes", json=asked)
    assert told(late) == (403, "step_up_needed")


async def test_stored_is_no_code_that_anybody_could_read(world: World) -> None:
    code = await code_for(world, await learner(world))
    plain = code.replace("-", "")
    async with world.database.read() as connection:
        rows = (await connection.exec_driver_sql("select key from activation_codes")).all()
    kept = b"".join(bytes(row[0]) for row in rows)
    assert kept
    assert plain.encode() not in kept
