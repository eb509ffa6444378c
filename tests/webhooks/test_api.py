"""The endpoints of webhooks: what they refuse, what they tell once, and what they write down."""

from __future__ import annotations

from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from creditbank.webhooks.domain import WEBHOOKS_MAX
from tests.api.world import COLLEGE, RIVAL, SCHOOL
from tests.webhooks.conftest import ALL, Desk
from tests.webhooks.receivers import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://partner.example/hooks"
HOOK = {"url": URL, "types": ["achievement.recorded"]}

REFUSED: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("an address without https", {"url": "ftp://partner.example/"}, 422, "webhook_url_refused", "/url"),
    ("an address of this machine", {"url": "https://127.0.9.9/"}, 422, "webhook_url_refused", "/url"),
    ("an address with a password", {"url": "https://a:b@partner.example/"}, 422, "webhook_url_refused", "/url"),
    ("nothing to be told", {"types": []}, 422, "invalid_request", "/types"),
    ("what is no type", {"types": ["learner.renamed"]}, 422, "invalid_request", "/types/0"),
    ("a test is not asked for so", {"types": ["webhook.test"]}, 422, "invalid_request", "/types/0"),
    ("an unknown field", {"secret": "whsec_mine"}, 422, "invalid_request", "/secret"),
    ("another's provider", {"provider": RIVAL}, 403, "provider_not_held", "/provider"),
    ("a provider that there is not", {"provider": f"{COLLEGE}/nowhere"}, 422, "client_provider_unknown", "/provider"),
]


@pytest.mark.parametrize(
    ("others", "code", "refusal", "pointer"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_such_a_webhook_is_refused(
    others: dict[str, Any], code: int, refusal: str, pointer: str, desk: Desk
) -> None:
    before = await desk.world.stored()
    answer = await desk.world.partner.post("/v1/webhooks", json={**HOOK, **others})
    assert (answer.status_code, answer.json()["code"]) == (code, refusal), answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] in ([pointer], [])
    assert await desk.world.stored() == before


async def test_nobody_lets_another_hear_what_they_may_not_read(desk: Desk) -> None:
    await desk.world.let_in("deaf", COLLEGE, ["webhooks:write", "ledger:read"])
    deaf = desk.world.client("deaf")
    answer = await deaf.post("/v1/webhooks", json={"url": URL, "types": ["credits.changed", "achievement.revoked"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_held")
    assert "achievements:read" in answer.json()["detail"]
    # Nor by a new address for what somebody else let be told, or by more types; to pause it is open to them.
    at, _ = await desk.listen(URL, "achievement.recorded")
    for change in ({"url": "https://deaf.example/"}, {"types": ["achievement.recorded"]}):
        refused = await deaf.patch(at, json=change, headers={"If-Match": "*"})
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_not_held")
    paused = await deaf.patch(at, json={"state": "paused"}, headers={"If-Match": "*"})
    assert (paused.status_code, paused.json()["state"]) == (200, "paused")


async def test_the_secret_is_told_once_and_to_no_repeated_request(desk: Desk) -> None:
    partner, key = desk.world.partner, {"Idempotency-Key": desk.world.fresh("hook")}
    first = await partner.post("/v1/webhooks", json=HOOK, headers=key)
    again = await partner.post("/v1/webhooks", json=HOOK, headers=key)
    at = first.headers["location"]
    desk.made.append((at, "partner"))
    assert first.json()["secret"].startswith("whsec_")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {**first.json(), "secret": None}
    assert len(Webhook(first.json()["secret"])._whsecret) == 32
    shown = await partner.get(at)
    assert shown.json() == first.json()["webhook"]
    assert "secret" not in shown.json()
    rotated = await partner.post(f"{at}/secret", json={}, headers={"Idempotency-Key": desk.world.fresh("turn")})
    assert rotated.json()["secret"] not in (None, first.json()["secret"])
    assert rotated.json()["webhook"]["former_secret_until"] is not None


async def test_a_webhook_is_changed_by_whoever_has_seen_it(desk: Desk) -> None:
    partner = desk.world.partner
    at, _ = await desk.listen(f"{URL}?token=t0ken")
    read = await partner.get(at)
    assert read.json()["url"] == f"{URL}?…"
    tag = read.headers["etag"]
    assert (await partner.get(at, headers={"If-None-Match": tag})).status_code == 304
    assert (await partner.patch(at, json={"state": "paused"})).status_code == 428
    changed = await partner.patch(at, json={"types": ["credits.changed"]}, headers={"If-Match": tag})
    assert changed.json()["types"] == ["credits.changed"]
    stale = await partner.patch(at, json={"types": ALL}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "revision_changed")
    assert (await partner.patch(at, json={}, headers={"If-Match": "*"})).status_code == 422


async def test_a_provider_sees_its_own_and_those_below_page_by_page(desk: Desk) -> None:
    mine = [(await desk.listen(URL))[0], (await desk.listen(URL, provider=SCHOOL))[0]]
    theirs, _ = await desk.listen(URL, by="rival")
    await desk.listen(URL, by="bank")
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        asked = f"limit=1&cursor={cursor}" if cursor else "limit=1"
        page = (await desk.world.partner.get(f"/v1/webhooks?{asked}")).json()
        found += [f"/v1/webhooks/{one['id']}" for one in page["items"]]
        cursor = page["next"]
    assert found == mine
    assert theirs in {
        f"/v1/webhooks/{one['id']}" for one in (await desk.world.bank.get("/v1/webhooks")).json()["items"]
    }


async def test_deliveries_are_listed_page_by_page_the_latest_first(desk: Desk) -> None:
    at, _ = await desk.listen(URL, "achievement.recorded")
    rows = [desk.world.statement() for _ in range(5)]
    assert (await desk.world.partner.post("/v1/achievements/batch", json=rows)).json()["counts"]["recorded"] == 5
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        asked = f"limit=2&cursor={cursor}" if cursor else "limit=2"
        page = (await desk.world.partner.get(f"{at}/deliveries?{asked}")).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert found == [one["id"] for one in await desk.deliveries(at)]
    assert len(set(found)) == 5
    assert await desk.deliveries(at, state="delivered") == []
    for bad in ("x", "MTIz", "LTE"):
        refused = await desk.world.partner.get(f"{at}/deliveries", params={"cursor": bad})
        assert refused.status_code == 422, bad


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    at, _ = await desk.listen(URL)
    other, _ = await desk.listen(URL)
    await desk.world.partner.post(f"{other}/test")
    (sent,) = await desk.deliveries(other)
    nowhere = desk.world.ids["nowhere"]
    for method, path, code in (
        ("GET", f"/v1/webhooks/{nowhere}", "webhook_not_found"),
        ("POST", f"/v1/webhooks/{nowhere}/test", "webhook_not_found"),
        ("GET", f"{at}/deliveries/{nowhere}", "delivery_not_found"),
        ("GET", f"{at}/deliveries/{sent['id']}", "delivery_not_found"),
        ("POST", f"{at}/deliveries/{sent['id']}/resend", "delivery_not_found"),
    ):
        answer = await desk.world.partner.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, code), path


async def test_a_provider_has_so_many_at_most(desk: Desk) -> None:
    for _ in range(WEBHOOKS_MAX):
        await desk.listen(URL, by="rival")
    refused = await desk.world.rival.post("/v1/webhooks", json=HOOK)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhooks")
    at, by = desk.made[-1]
    assert (await desk.world.client(by).delete(at)).status_code == 204
    await desk.listen(URL, by="rival")


async def test_whoever_did_what_is_written_down_without_secrets(desk: Desk) -> None:
    async with receiving(Receiver()) as receiver:
        at, secret = await desk.listen(f"{receiver.url}?token=t0ken")
        partner, match = desk.world.partner, {"If-Match": "*"}
        await partner.patch(at, json={"url": f"{receiver.url}?token=t1ken"}, headers=match)
        turned = (await partner.post(f"{at}/secret", json={})).json()["secret"]
        sent = (await partner.post(f"{at}/test")).json()["id"]
        await desk.carry()
        await partner.post(f"{at}/deliveries/{sent}/resend")
        await partner.delete(at)
    events = (
        await desk.world.bank.get("/v1/audit-events", params={"subject": f"webhook:{at.rpartition('/')[2]}"})
    ).json()
    done = [one["action"] for one in reversed(events["items"])]
    assert done == [
        "webhook.create", "webhook.change", "webhook.rotate", "webhook.test", "webhook.resend", "webhook.remove"
    ]  # fmt: skip
    assert {(one["provider"], one["owner"]) for one in events["items"]} == {(COLLEGE, COLLEGE)}
    text = repr(events)
    assert not [part for part in (secret, turned, "t0ken", "t1ken", receiver.url) if part in text]
