"""The file of identity providers: what it may say, and to which roles claims lead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from creditbank.people.domain import Place
from creditbank.people.login.providers import ProvidersUnusable, read_providers

CAMPUS: dict[str, Any] = {
    "name": "campus",
    "title": {"zh": "校园", "en": "Campus"},
    "issuer": "https://idp.example/realm/",
    "client_id": "creditbank",
    "client_secret": "a-secret-of-the-bank",
    "roles_claim": "groups",
    "roles": [
        {"value": "assessors", "role": "assessor", "provider": "cq/yuzhong"},
        {"value": "auditors", "role": "auditor"},
    ],
}


def written(folder: Path, *providers: Any) -> str:
    file = folder / "providers.json"
    file.write_text(json.dumps(providers), "utf-8")
    return str(file)


def test_without_a_file_there_are_none() -> None:
    assert read_providers("") == ()


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"groups": ["assessors", "students"]}, [("assessor", Place("cq/yuzhong"))]),
        ({"groups": "auditors"}, [("auditor", Place())]),
        ({"groups": ["auditors", "assessors"]}, [("assessor", Place("cq/yuzhong")), ("auditor", Place())]),
        ({"groups": []}, []),
        ({"groups": {"auditors": True}}, []),
        ({"groups": [["auditors"]]}, []),
        ({"roles": ["auditors"]}, []),
        ({}, []),
    ],
)
def test_claims_lead_to_the_roles_that_are_mapped(
    claims: dict[str, Any], roles: list[tuple[str, Place]], tmp_path: Path
) -> None:
    (campus,) = read_providers(written(tmp_path, CAMPUS))
    assert [(one.role, one.place) for one in campus.grants(claims)] == roles


@pytest.mark.parametrize(
    "others",
    [
        {"issuer": "http://idp.example"},
        {"issuer": "file:///etc/passwd"},
        {"scopes": "profile"},
        {"name": "Campus/1"},
        {"accounts": "everybody"},
        {"roles": [{"value": "x", "role": "king"}]},
        {"roles": [{"value": "x", "role": "learner"}]},
        {"roles": [{"value": "x", "role": "provider_staff"}]},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_stops_the_start_without_telling_secrets(others: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ProvidersUnusable) as refused:
        read_providers(written(tmp_path, {**CAMPUS, **others}))
    assert "a-secret-of-the-bank" not in str(refused.value)


def test_names_are_told_apart_and_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(ProvidersUnusable, match="two of one name"):
        read_providers(written(tmp_path, CAMPUS, CAMPUS))
    with pytest.raises(ProvidersUnusable, match="FileNotFoundError"):
        read_providers(str(tmp_path / "nowhere.json"))
