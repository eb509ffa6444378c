"""The OpenAPI document: what FastAPI knows of the routes, and the shapes that our own dependencies read and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from creditbank.web.problems import Problem

_ABOUT = (
    "Providers state achievements; published rules recognise credits; the ledger keeps where each credit is. "
    "Every credit answers why. Errors are RFC 9457 problems; lists are paged by cursor; unsafe requests take "
    "`Idempotency-Key`."
)

_SESSION: Final = "Session"
_REF = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Make the application describe itself in full."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    schemes: dict[str, Any] = document["components"].setdefault("securitySchemes", {})
    # Of people: in place of a key, and never with one. What it is called over plain http: docs/people.md.
    schemes[_SESSION] = {"type": "apiKey", "in": "cookie", "name": "__Host-creditbank", "description": "A session."}
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["security"] = [*operation["security"], {_SESSION: []}]
            _hoist(operation.get("requestBody", {}), schemas)
            operation["parameters"] = [*operation.get("parameters", []), *_headers(operation.get("responses", {}))]
            # FastAPI documents its own shape of a validation error, which no route of ours answers with.
            _drop_validation(operation.get("responses", {}))
    problem = Problem.model_json_schema(ref_template=_REF)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


# Each header is read by the routes that document a status to which it leads.
_HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    "304": {
        "name": "If-None-Match",
        "in": "header",
        "description": "the ETag that the caller has",
        "schema": {"type": "string"},
    },
    "410": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "names this request, so that it is done once however often it is sent; remembered some days",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    "428": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "the ETag of the revision that is changed, or `*`",
        "schema": {"type": "string"},
    },
}


def _headers(responses: dict[str, Any]) -> list[dict[str, Any]]:
    return [header for status, header in _HEADERS.items() if status in responses]


def _hoist(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Move the definitions that a body carries to where every schema can refer to them."""
    for media in body.get("content", {}).values():
        schema = media["schema"]
        schemas.update(schema.pop("$defs", {}))
        if "title" in schema and schema.get("type") == "object" and "properties" in schema:
            name = schema["title"]
            schemas[name] = dict(schema)
            media["schema"] = {"$ref": _REF.format(model=name)}


def _drop_validation(responses: dict[str, Any]) -> None:
    plain = responses.get("422", {}).get("content", {}).get("application/json", {})
    if plain.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]["content"]["application/json"]
