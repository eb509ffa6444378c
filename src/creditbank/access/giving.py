"""Nobody gives what they do not have: the bounds within which an administrator lets programs in."""

from __future__ import annotations

from collections.abc import Iterable

from creditbank.access.domain import (
    ASSURANCES,
    SCOPES,
    Actor,
    AssuranceNotHeld,
    Client,
    ClientNotFound,
    ProviderNotHeld,
    ScopeNotHeld,
    UnknownScope,
)
from creditbank.access.policy import Owned, can


def check_may_give(actor: Actor, scopes: Iterable[str], assurance: str, provider: str | None) -> None:
    """Nobody gives what they do not have. Raises UnknownScope, ScopeNotHeld, AssuranceNotHeld, ProviderNotHeld."""
    if not can(actor, "client.govern", Owned(provider)):
        raise ProviderNotHeld(provider=provider or "-", pointer="/provider")
    for place, scope in enumerate(scopes):
        if scope not in SCOPES:
            raise UnknownScope(scope=scope, pointer=f"/scopes/{place}")
        if scope not in actor.scopes:
            raise ScopeNotHeld(scope=scope, pointer=f"/scopes/{place}")
    if ASSURANCES.index(assurance) > ASSURANCES.index(actor.assurance):
        raise AssuranceNotHeld(assurance=assurance, pointer="/assurance")


def check_governs(actor: Actor, client: Client) -> None:
    """Whoever makes keys of a client or gives it back its rights could use them: they must have all of them already.

    Raises ClientNotFound for a client of a foreign provider, ScopeNotHeld, AssuranceNotHeld.
    """
    check_sees(actor, client)
    for scope in sorted(client.scopes):
        if scope not in actor.scopes:
            raise ScopeNotHeld(scope=scope)
    if ASSURANCES.index(client.assurance) > ASSURANCES.index(actor.assurance):
        raise AssuranceNotHeld(assurance=client.assurance)


def check_sees(actor: Actor, client: Client) -> None:
    """A provider knows of its own clients and of those below it. Raises ClientNotFound."""
    if not can(actor, "client.govern", Owned(client.provider)):
        raise ClientNotFound
