"""Every answer of every test is held to the OpenAPI document: no undocumented status, no other shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import jsonschema_rs

from creditbank.app import openapi_document
from tests.bank import settings_for

# What the edge says before it knows which operation is meant.
_ANYWHERE = frozenset({404, 405, 413})


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of the application."""
    return openapi_document(settings_for("sqlite+aiosqlite:///never-opened.sqlite"))


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    # Fixed paths first, as the router has them: /v1/achievements/batch is no achievement's id.
    ordered = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), path) for path in ordered]


def operation_of(method: str, path: str) -> Mapping[str, Any] | None:
    """The operation that this request means; None when it means none."""
    for form, template in _paths():
        if form.fullmatch(path) and method.lower() in document()["paths"][template]:
            found: Mapping[str, Any] = document()["paths"][template][method.lower()]
            return found
    return None


@cache
def _validator(operation_id: str, status: str, media_type: str) -> jsonschema_rs.Validator:
    operations = [o for path in document()["paths"].values() for o in path.values()]
    (operation,) = [o for o in operations if o["operationId"] == operation_id]
    content = operation["responses"][status].get("content", {})
    assert media_type in content, f"{operation_id} {status} is not documented as {media_type}"
    schema = content[media_type].get("schema", {})
    whole = {**schema, "components": document()["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


async def hold(answer: httpx.Response) -> None:
    """Hold an answer to the document. Raises AssertionError."""
    await answer.aread()
    request = answer.request
    operation = operation_of(request.method, request.url.path)
    if operation is None:
        known = {"/metrics", "/openapi.json", "/logout"}
        path = request.url.path
        is_page = path in known or path.startswith(("/static/", "/login"))
        assert is_page or answer.status_code in _ANYWHERE
        return
    status = str(answer.status_code)
    what = f"{operation['operationId']} answered {status}: {answer.text[:500]}"
    assert status in operation["responses"], what
    if answer.status_code in {204, 304}:
        assert answer.content == b""
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    validator = _validator(operation["operationId"], status, media_type)
    if media_type.endswith(("/json", "+json")):
        faults = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(answer.json())]
        assert faults == [], f"{what}\n{faults}"
