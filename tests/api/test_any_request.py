"""Requests made up from the OpenAPI document: never a server error, never an undocumented status or shape.

A fixed seed and few examples an operation, so that a build does not fail by the luck of the draw. Ids in paths are as
often those of records that are there, for a made-up id is only ever not found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.api.contract import document
from tests.api.test_oauth import CONFIGURED
from tests.api.world import World, opened
from tests.conversions.desk import CERTIFICATE, apply_for, learner_with, only

# What is found here is reported as it was found: to shrink it would write to the bank again and again.
BOUNDED = settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

OPERATIONS: list[APIOperation[Any, Any, Any, Any]] = [
    result.ok() for result in schemathesis.openapi.from_dict(document()).get_all_operations() if isinstance(result, Ok)
]
assert len(OPERATIONS) == sum(len(operations) for operations in document()["paths"].values())
KINDS = {
    "achievements": "achievement",
    "activities": "activity",
    "clients": "client_scopeless",
    "conversions": "conversion",
    "imports": "import",
    "learners": "learner",
    "offerings": "offering",
    "programmes": "programme",
    "providers": "cq/yuzhong",
    "rule-sets": "draft",
    "sessions": "nowhere",
    "users": "user",
    "webhooks": "webhook",
}


@pytest.fixture(scope="module")
def served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, World]]:
    """A bank, and the loop in which it runs: the tests themselves are no coroutines, for they are run many times."""
    file = tmp_path_factory.mktemp("any") / "creditbank.sqlite"
    file.write_bytes(sqlite_template.read_bytes())
    with asyncio.Runner() as runner:
        bank = opened(f"sqlite+aiosqlite:///{file}", **CONFIGURED)
        world = runner.run(bank.__aenter__())
        runner.run(_apply(world))
        yield runner, world
        runner.run(bank.__aexit__(None, None, None))


async def _apply(world: World) -> None:
    await only(world, CERTIFICATE)
    learner, _, _ = await learner_with(world, "3")
    world.ids["conversion"] = (await apply_for(world, learner))["id"]
    results = b"external_id,student_number,kind,completed\nR-1,S-1,course,2025-01-20\n"
    taken = await world.partner.post("/v1/imports", content=results, headers={"Content-Type": "text/csv"})
    world.ids["import"] = taken.json()["id"]
    hook = {"url": "https://partner.example/hooks", "types": ["achievement.recorded"]}
    world.ids["webhook"] = (await world.partner.post("/v1/webhooks", json=hook)).json()["webhook"]["id"]
    await world.work()


async def _send(world: World, case: Case[Any], known: bool) -> None:
    if known and "id" in case.path_parameters:
        case.path_parameters["id"] = world.ids[KINDS[case.operation.path.split("/")[2]]]
    given_ = case.as_transport_kwargs(base_url="http://bank.test")
    content = given_.get("data")
    if isinstance(content, dict):
        content = urlencode(content, doseq=True)
    # The client holds every answer to the document (tests/api/contract.py): status, media type and shape.
    answer = await world.bank.request(
        given_["method"],
        given_["url"],
        params=given_.get("params"),
        headers=[(name.encode(), str(value).encode()) for name, value in (given_.get("headers") or {}).items()],
        content=content,
        **({"json": given_["json"]} if "json" in given_ else {}),
    )
    assert answer.status_code < 500, answer.text


# Of an operation that reads nothing of a request nothing can be wrong.
CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.body or list(operation.iter_parameters())
]


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_any_request_is_answered_as_documented(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, served: tuple[asyncio.Runner, World]
) -> None:
    runner, world = served

    @hypothesis.seed(20250301)
    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
    def run(case: Case[Any], known: bool) -> None:
        runner.run(_send(world, case, known))

    run()
