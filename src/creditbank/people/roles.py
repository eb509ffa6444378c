"""What people may be: a role is a named set of scopes, and says for whom it can be held.

The one table of roles; docs/roles.md shows it and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from creditbank.access.domain import SCOPES

Holder = Literal["bank", "provider", "learner"]


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of scopes, and for whom it can be held: the bank, a provider with all under it, a learner."""

    scopes: frozenset[str]
    held_for: frozenset[Holder]


def _role(scopes: str, *held_for: Holder) -> Role:
    return Role(frozenset(scopes.split()), frozenset(held_for))


_STAFF: Final = (
    "achievements:read achievements:write activities:check_in activities:read activities:write catalogue:write "
    "claims:read claims:write consents:read conversions:read conversions:write learners:read learners:resolve "
    "learners:write ledger:read programmes:read programmes:write providers:read regions:read rules:read"
)
_ASSESSOR: Final = (
    "achievements:read claims:decide claims:read conversions:decide conversions:read learners:read ledger:read "
    "programmes:read providers:read reviews:read rules:read"
)

ROLES: Final[Mapping[str, Role]] = {
    # A learner's own account and nothing else: the policy holds every one of these to the learner who acts.
    "learner": _role(
        "achievements:read activities:check_in claims:read claims:write conversions:read conversions:write "
        "identities:claim learners:read ledger:read programmes:read transcripts:read privacy:export looks:read "
        "consents:read consents:write",
        "learner",
    ),
    "provider_staff": _role(_STAFF, "provider"),
    "assessor": _role(_ASSESSOR, "provider", "bank"),
    "district_administrator": _role(
        f"{_STAFF} {_ASSESSOR} providers:write users:read users:write webhooks:read webhooks:write",
        "provider",
    ),
    "registrar": _role(
        f"{_STAFF} {_ASSESSOR} providers:write providers:accredit regions:write rules:write rules:approve "
        "rulings:write rulings:approve transcripts:read privacy:export consents:write looks:read",
        "bank",
        "provider",
    ),
    "auditor": _role(" ".join(scope for scope in SCOPES if scope.endswith(":read")), "bank", "provider"),
    # Keeps the machine and the accounts, and decides nothing about anybody's credits.
    "operator": _role(
        "audit:read providers:read providers:write regions:read regions:write rules:read users:read users:write", "bank"
    ),
    # Every scope. Two-people rules bind an administrator as everybody else.
    "administrator": _role(" ".join(SCOPES), "bank"),
}


def roles_with(scope: str) -> tuple[str, ...]:
    """The roles that carry a scope, in the order of their names."""
    return tuple(sorted(name for name, role in ROLES.items() if scope in role.scopes))
