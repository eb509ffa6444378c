"""ETag, If-Match and If-None-Match: nobody overwrites what they have not seen."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from creditbank.errors import Kind, Refusal
from creditbank.web.problems import EdgeRefusal


@dataclass(eq=False, kw_only=True)
class RevisionChanged(Refusal):
    """Somebody changed the resource since the caller read it."""

    code = "revision_changed"
    kind = Kind.PRECONDITION
    pointer: str = "header:If-Match"


def etag(revision: int | str) -> str:
    """The strong ETag of a revision."""
    return f'"{revision}"'


def check_match(request: Request, revision: int | str) -> None:
    """Hold a change to the revision that its caller read. Raises 428 without If-Match, RevisionChanged for another."""
    given = request.headers.get("if-match")
    if given is None:
        raise EdgeRefusal(428)
    wanted = {tag.strip() for tag in given.split(",")}
    if "*" not in wanted and etag(revision) not in wanted:
        raise RevisionChanged


def is_unchanged(request: Request, revision: int | str) -> bool:
    """Whether the caller has this revision already, so that 304 is answer enough."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    wanted = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in wanted or etag(revision) in wanted
