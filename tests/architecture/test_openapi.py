"""The OpenAPI document: written down as the code has it, complete, and with examples that the bank would take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from typer.testing import CliRunner

from creditbank.cli import app
from tests.api.contract import document
from tests.architecture.source import ROOT

FILE = ROOT / "openapi" / "openapi.json"
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in document()["paths"].items()
    for method, operation in operations.items()
]
BODIES = [
    (f"{name} {media_type}", media)
    for name, operation in OPERATIONS
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items()
]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


def test_written_document_is_what_the_code_says() -> None:
    done = CliRunner().invoke(app, ["openapi", "--check", str(FILE)])
    assert done.exit_code == 0, "run `make openapi`"
    assert json.loads(FILE.read_text("utf-8")) == document()


def test_command_prints_the_document_and_finds_another_wrong(tmp_path: Any) -> None:
    printed = CliRunner().invoke(app, ["openapi"])
    assert printed.stdout == FILE.read_text("utf-8")
    other = tmp_path / "openapi.json"
    other.write_text(printed.stdout.replace("read_learner", "get_learner"), "utf-8")
    assert CliRunner().invoke(app, ["openapi", "--check", str(other)]).exit_code == 1


def test_document_is_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1.")
    jsonschema_rs.meta.validate({"$defs": document()["components"]["schemas"]})


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    schemas = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
    assert set(_references(document())) == schemas


def test_operation_ids_are_stable_names_of_one_operation() -> None:
    ids = [operation["operationId"] for _, operation in OPERATIONS]
    assert sorted(set(ids)) == sorted(ids)
    assert all(id_.isidentifier() and id_.islower() for id_ in ids)


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_operation_says_what_it_does_and_refuses_in_one_shape(name: str, operation: dict[str, Any]) -> None:
    assert operation["description"]
    assert operation["tags"]
    # The token endpoint speaks of the grant as RFC 6749 section 5.2 has it, and asks for no bearer.
    grants = {"400", "401"} if operation["operationId"] == "issue_token" else set()
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if status in grants:
            assert answer["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/OAuthErrorOut"}}}
        elif status >= "400":
            (media_type, shown), *others = answer["content"].items()
            assert (media_type, shown, others) == (
                "application/problem+json",
                {"schema": {"$ref": "#/components/schemas/Problem"}},
                [],
            )
    assert "400" in operation["responses"]
    asks_who = "401" in operation["responses"] and not grants
    assert ("security" in operation) == asks_who
    # A public one may refuse too: who comes with a wrong code.
    assert "403" in operation["responses"] or not asks_who


@pytest.mark.parametrize(("name", "media"), BODIES, ids=[name for name, _ in BODIES])
def test_body_has_an_example_of_its_own_shape(name: str, media: dict[str, Any]) -> None:
    whole = {**media["schema"], "components": document()["components"]}
    validator = jsonschema_rs.validator_for(whole, validate_formats=True)
    assert [error.message for error in validator.iter_errors(media["example"])] == []
    assert not validator.is_valid(None)
