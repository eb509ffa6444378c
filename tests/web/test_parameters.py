"""A query parameter that a route does not declare is refused, on every route of the API, after who calls was asked."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from creditbank.app import create_app
from creditbank.web import parameters, problems
from creditbank.web.parameters import Declared
from tests.bank import settings_for

BANK = create_app(settings_for("sqlite+aiosqlite:///never-opened.sqlite"))

SMALL = FastAPI()
problems.install(SMALL)


@SMALL.get("/v1/things")
async def things(dry_run: bool = False, open_accounts: bool = False) -> dict[str, bool]:
    """What was understood."""
    return {"dry_run": dry_run, "open_accounts": open_accounts}


@SMALL.get("/v1/thing")
async def thing() -> dict[str, bool]:
    """Nothing is read."""
    return {}


@SMALL.get("/login")
async def page() -> dict[str, bool]:
    """A page, to which strangers add parameters of their own."""
    return {}


parameters.install(SMALL.router.routes)


async def ask(app: FastAPI, method: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bank.test") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("things?dryrun=true", {"?dryrun": "There is no such parameter; `dry_run` may be meant."}),
        ("things?dry-run=true&dry_run=true", {"?dry-run": "There is no such parameter; `dry_run` may be meant."}),
        ("things?Open_Account=1", {"?Open_Account": "There is no such parameter; `open_accounts` may be meant."}),
        ("things?x", {"?x": "There is no such parameter; there are: dry_run, open_accounts."}),
        ("things?x=1", {"?x": "There is no such parameter; there are: dry_run, open_accounts."}),
        ("thing?x=1&y=2", {"?x": "There is no such parameter.", "?y": "There is no such parameter."}),
        ("thing?" + "x" * 500 + "=1", {"?" + "x" * 64: "There is no such parameter."}),
    ],
)
async def test_what_is_not_declared_is_refused_and_the_one_meant_is_named(path: str, said: dict[str, str]) -> None:
    answer = await ask(SMALL, "GET", f"/v1/{path}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert {error["pointer"]: error["message"] for error in answer.json()["errors"]} == said
    assert {error["code"] for error in answer.json()["errors"]} == {"unknown_parameter"}


@pytest.mark.parametrize("path", ["/v1/things", "/v1/things?dry_run=true&open_accounts=true", "/login?session_state=1"])
async def test_what_is_declared_and_what_strangers_add_to_a_page_passes(path: str) -> None:
    assert (await ask(SMALL, "GET", path)).status_code == 200


def test_every_route_of_the_api_is_held_to_its_parameters_once_and_last() -> None:
    held = [one for one in BANK.router.routes if isinstance(one, APIRoute) and one.path.startswith("/v1/")]
    assert held
    for route in held:
        calls = [isinstance(dependant.call, Declared) for dependant in route.dependant.dependencies]
        assert (sum(calls), calls[-1]) == (1, True), route.path


async def test_who_calls_is_asked_first() -> None:
    assert (await ask(BANK, "POST", "/v1/imports?dryrun=true")).status_code == 401
