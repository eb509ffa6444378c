"""People and what they hold: grants of roles, the place in which a person acts, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final, Literal
from uuid import UUID

from creditbank.access.domain import Actor, PlaceNotHeld
from creditbank.access.policy import Owned, can
from creditbank.errors import Kind, Refusal
from creditbank.identifiers import is_under
from creditbank.people.roles import ROLES

Status = Literal["active", "closed"]

GUARDIANSHIP: Final = "guardianship:"
"""How ``granted_by`` begins where a guardianship gave the role: who holds it acts for a minor and is not the minor."""

ISSUER: Final = "issuer:"
"""How ``granted_by`` begins where an identity provider's claims gave the role, and take it away again."""


@dataclass(frozen=True, slots=True)
class Place:
    """For whom a person acts: a provider with all under it, a learner, or, with neither, the bank."""

    provider: str | None = None
    learner_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role given to a person for a place, from ``granted_at`` until it runs out or is revoked."""

    id: UUID
    role: str
    place: Place
    granted_by: str
    granted_at: datetime
    until: datetime | None
    revoked_at: datetime | None

    @property
    def is_guardian_s(self) -> bool:
        """Whether it is held for somebody else's account, as their guardian."""
        return self.granted_by.startswith(GUARDIANSHIP)

    @property
    def is_by_hand(self) -> bool:
        """Whether somebody gave it, and nothing else that gives and takes roles by its own rules."""
        return is_by_hand(self.granted_by)

    def holds(self, now: datetime) -> bool:
        """Whether it is in force now."""
        return self.revoked_at is None and (self.until is None or now < self.until)

    def covers(self, place: Place) -> bool:
        """Whether who holds it may act so in that place: a role held above is held below."""
        mine = self.place
        if mine.learner_id is not None or place.learner_id is not None:
            return mine.learner_id == place.learner_id
        if mine.provider is None:
            return True
        return place.provider is not None and is_under(place.provider, mine.provider)


def is_by_hand(granted_by: str) -> bool:
    """Whether this gives roles as a person does: each of them once only, so that it is taken back at once."""
    return not granted_by.startswith((GUARDIANSHIP, ISSUER))


@dataclass(frozen=True, slots=True)
class User:
    """A person's account as it is shown. Login and name are sealed at rest."""

    id: UUID
    login: str
    name: str
    status: Status
    created_at: datetime
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A role to be given for a place, until it is revoked or an instant has come."""

    role: str
    place: Place
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in on one device."""

    id: UUID
    user_id: UUID
    place: Place
    created_at: datetime
    authenticated_at: datetime
    used_at: datetime
    ended_at: datetime | None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A session with all that decides whether and as whom it lets in."""

    session: Session
    grants: tuple[Grant, ...]
    is_active: bool
    is_password_initial: bool
    # The suspended or closed institution for which the session acts, or under which that stands.
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What signing in needs of a user."""

    id: UUID
    password: str | None
    is_password_initial: bool
    is_active: bool


def places(grants: Iterable[Grant], now: datetime) -> list[Place]:
    """Where a person may act now: the bank first, then providers by code, then as a learner."""
    found = {grant.place for grant in grants if grant.holds(now)}
    return sorted(found, key=lambda place: (place.learner_id is not None, place.provider or "", str(place.learner_id)))


@dataclass(frozen=True, slots=True)
class Held:
    """A place in which a person may act, and as what; ``until`` is when the last of the roles runs out."""

    place: Place
    roles: frozenset[str]
    is_guardian: bool
    until: datetime | None

    @property
    def kind(self) -> Literal["bank", "provider", "self", "guardian"]:
        """For whom that is: of a learner's account for oneself, or for the minor whose it is."""
        if self.place.learner_id is not None:
            return "guardian" if self.is_guardian else "self"
        return "provider" if self.place.provider is not None else "bank"


def held(grants: Sequence[Grant], now: datetime) -> list[Held]:
    """Where a person may act now and as what, in the order of ``places``. A role held above is held below too."""
    found = []
    for place in places(grants, now):
        here = _reaching(grants, place, now)
        ends = [grant.until for grant in here]
        until = None if None in ends else max(end for end in ends if end is not None)
        roles = frozenset(grant.role for grant in here)
        found.append(Held(place, roles, all(grant.is_guardian_s for grant in here), until))
    return found


def _reaching(grants: Iterable[Grant], place: Place, now: datetime) -> list[Grant]:
    return [grant for grant in grants if grant.holds(now) and grant.covers(place)]


def actor_of(
    user_id: UUID, grants: Sequence[Grant], place: Place, now: datetime, authenticated_at: datetime | None
) -> Actor:
    """The person acting in one place, with the roles held there now; elsewhere somebody who has lost that place."""
    reaching = _reaching(grants, place, now)
    here = [grant for grant in reaching if grant.role in ROLES]
    roles = frozenset(grant.role for grant in here)
    return Actor(
        user_id,
        place.provider,
        frozenset(scope for role in roles for scope in ROLES[role].scopes),
        # What a person types is checked by nobody yet; a learner's own word less so.
        "self" if place.learner_id is not None else "provider",
        user_id=user_id,
        roles=roles,
        learner_id=place.learner_id,
        authenticated_at=authenticated_at,
        is_guardian=bool(here) and all(grant.is_guardian_s for grant in here),
        has_lost_place=not reaching,
    )


def check_held(grants: Iterable[Grant], place: Place, now: datetime) -> None:
    """Let a person act only where some role of theirs reaches. Raises PlaceNotHeld."""
    if not _reaching(grants, place, now):
        raise PlaceNotHeld


def check_grantable(actor: Actor | None, role: str, place: Place) -> None:
    """Hold a grant to what the role is and, but for the operator (None), to what the giver holds there himself.

    Raises UnknownRole, RoleMisplaced, GrantBeyondOwn.
    """
    if role not in ROLES:
        raise UnknownRole(role=role)
    holder = "learner" if place.learner_id else "provider" if place.provider else "bank"
    if (place.learner_id and place.provider) or holder not in ROLES[role].held_for:
        raise RoleMisplaced(role=role)
    if actor is None:
        return
    reaches = can(actor, "role.grant", Owned(place.provider))
    if not reaches or not ROLES[role].scopes <= actor.scopes:
        raise GrantBeyondOwn(role=role)


@dataclass(eq=False, kw_only=True)
class UserNotFound(Refusal):
    """There is no such user, or the caller may not know of them."""

    code = "user_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class LoginTaken(Refusal):
    """Somebody signs in under this name already."""

    code = "login_taken"
    kind = Kind.CONFLICT
    pointer: str = "/login"


@dataclass(eq=False, kw_only=True)
class UnknownRole(Refusal):
    """There is no such role."""

    code = "unknown_role"
    kind = Kind.INVALID
    role: str
    pointer: str = "/role"


@dataclass(eq=False, kw_only=True)
class RoleMisplaced(Refusal):
    """The role is not held for such a place: a learner's for a learner, a provider's for a provider."""

    code = "role_misplaced"
    kind = Kind.INVALID
    role: str
    pointer: str = "/role"


@dataclass(eq=False, kw_only=True)
class RoleHeld(Refusal):
    """The person holds the role there already: given twice, taking it back once would leave it."""

    code = "role_held"
    kind = Kind.CONFLICT
    role: str
    pointer: str = "/role"


@dataclass(eq=False, kw_only=True)
class UnknownPlace(Refusal):
    """The provider or the learner for whom a role is to be held is not there."""

    code = "unknown_place"
    kind = Kind.INVALID
    pointer: str = "/provider"


@dataclass(eq=False, kw_only=True)
class GrantBeyondOwn(Refusal):
    """Nobody grants what he does not hold, nor where he does not hold it."""

    code = "grant_beyond_own"
    kind = Kind.FORBIDDEN
    role: str


@dataclass(eq=False, kw_only=True)
class GrantNotFound(Refusal):
    """There is no such grant in force."""

    code = "grant_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class SessionNotFound(Refusal):
    """There is no such session of the caller's."""

    code = "session_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class PasswordLength(Refusal):
    """The password is shorter than the bank asks, or longer than anybody types."""

    code = "password_length"
    kind = Kind.INVALID
    length_min: int
    pointer: str = "/password"


@dataclass(eq=False, kw_only=True)
class PasswordObvious(Refusal):
    """The password is among those that are tried first."""

    code = "password_obvious"
    kind = Kind.INVALID
    pointer: str = "/password"


@dataclass(eq=False, kw_only=True)
class LoginRefused(Refusal):
    """Login and password do not belong together, or the account is closed: which, nobody is told."""

    code = "login_refused"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class TooManyAttempts(Refusal):
    """Too many answers were wrong: passwords under one login, proofs beside one code, or either from one address.

    Even the right one waits.
    """

    code = "too_many_attempts"
    kind = Kind.TOO_MANY
    seconds: int
    # The same for people, rounded up.
    minutes: int

    @property
    def wait_seconds(self) -> int:
        """Until the next attempt is looked at."""
        return self.seconds


def check_attempts(counted: Iterable[tuple[Sequence[datetime], int]], window: timedelta, now: datetime) -> None:
    """Hold attempts to so many wrong ones in a window of time. Raises TooManyAttempts.

    ``counted`` is, for each way of counting, when those in the window were, oldest first, and how many may be: the next
    is looked at when of each enough have left it.
    """
    free_at = [failed[len(failed) - most] + window for failed, most in counted if len(failed) >= most]
    if free_at:
        left = max(free_at) - now
        raise TooManyAttempts(seconds=ceil(left.total_seconds()), minutes=ceil(left / timedelta(minutes=1)))
