"""The table of roles: what it may hold, and that the page shows it."""

from __future__ import annotations

import pytest

from creditbank.access.domain import SCOPES
from creditbank.people.roles import ROLES
from tests.architecture.pages import DOCS, rows

# What a learner's role may never carry: whatever decides, and whatever is about others.
_NOT_FOR_LEARNERS = ("decide", "approve", "accredit", "resolve", "users:", "audit:", "rules:", "rulings:", "reviews:")


def test_page_shows_every_role_as_it_is() -> None:
    shown = [(name, holders, scopes.replace("`", "")) for name, holders, scopes in rows(DOCS / "roles.md")]
    assert shown == [
        (name, ", ".join(sorted(role.held_for)), ", ".join(sorted(role.scopes))) for name, role in ROLES.items()
    ]


@pytest.mark.parametrize("name", ROLES)
def test_a_role_carries_scopes_that_are_there(name: str) -> None:
    assert ROLES[name].scopes
    assert ROLES[name].scopes <= set(SCOPES)


def test_a_learner_s_role_is_for_learners_only_and_decides_nothing() -> None:
    assert [name for name, role in ROLES.items() if "learner" in role.held_for] == ["learner"]
    assert ROLES["learner"].held_for == {"learner"}
    assert not [scope for scope in ROLES["learner"].scopes for word in _NOT_FOR_LEARNERS if word in scope]


def test_who_keeps_accounts_decides_nothing_about_credits_and_who_audits_changes_nothing() -> None:
    assert not [
        s for s in ROLES["operator"].scopes if s.startswith(("ledger", "achievements", "conversions", "claims"))
    ]
    assert all(scope.endswith(":read") for scope in ROLES["auditor"].scopes)


def test_a_district_administrator_can_give_the_roles_of_a_district() -> None:
    mine = ROLES["district_administrator"].scopes
    assert all(ROLES[name].scopes <= mine for name in ("provider_staff", "assessor"))
    assert not ROLES["registrar"].scopes <= mine
