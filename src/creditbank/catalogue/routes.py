"""Public code lists."""

from __future__ import annotations

from fastapi import APIRouter, Response
from typing_extensions import TypedDict

from creditbank.codes import ListName, code_list
from creditbank.web.bodies import json_answer
from creditbank.web.paging import Page
from creditbank.web.problems import documented

router = APIRouter(tags=["catalogue"])


class CodeOut(TypedDict):
    """A code of a public list, with its name."""

    code: str
    name: dict[str, str]


def _shown(name: ListName) -> Response:
    items: list[dict[str, object]] = [
        {"code": item.code, "name": {"zh": item.zh, "en": item.en}} for item in code_list(name).values()
    ]
    if name == "kinds":
        for shown, item in zip(items, code_list(name).values(), strict=True):
            shown["facts"] = dict(item.facts)
    return json_answer({"items": items, "next": None}, headers={"Cache-Control": "public, max-age=3600"})


@router.get(
    "/v1/kinds",
    operation_id="list_kinds",
    responses={200: {"model": Page[CodeOut], "description": "the kinds"}, **documented(public=True)},
)
async def list_kinds() -> Response:
    """The kinds of achievement, each with the facts that rules may ask of it and their types."""
    return _shown("kinds")


@router.get(
    "/v1/categories",
    operation_id="list_categories",
    responses={200: {"model": Page[CodeOut], "description": "the categories"}, **documented(public=True)},
)
async def list_categories() -> Response:
    """The bank's tree of fields of learning; a code is a path in it."""
    return _shown("categories")


@router.get(
    "/v1/provider-types",
    operation_id="list_provider_types",
    responses={200: {"model": Page[CodeOut], "description": "the types"}, **documented(public=True)},
)
async def list_provider_types() -> Response:
    """The types of institution."""
    return _shown("provider_types")
