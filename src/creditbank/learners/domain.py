"""A learner's account: who it is, how they are found, and what the bank refuses to do with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args
from uuid import UUID

from creditbank.access.domain import Actor
from creditbank.access.policy import Owned, can
from creditbank.errors import Kind, Refusal
from creditbank.identifiers import born_on, id_card_of
from creditbank.providers.domain import ForeignProvider

# What a new account's hash chain starts from.
NO_POSTING: Final = bytes(32)

IdentityType = Literal["id_card", "passport", "student_number", "phone"]
IDENTITY_TYPES: Final[tuple[IdentityType, ...]] = get_args(IdentityType)

# A student number means something only at the institution that gave it; the others are the same everywhere.
ISSUED_BY_PROVIDER: Final = frozenset({"student_number"})


AccountState = Literal["pending", "active", "closed", "deceased", "merged"]
"""What an account that can be opened is. ``merged``: its owner had two, and the other one holds its facts (merges/).

``pending``: opened by whoever it is of, and who that is nobody has confirmed. Facts accrue to it as to any other.
"""

NAMING_REFUSED: Final = "learner.name_refused"
"""Something was to be recorded of people whom the bank does not know: how many, and never who."""

ACTIVE: Final = "active"
PENDING: Final = "pending"
MERGED: Final = "merged"
ENDED: Final = frozenset({"closed", "deceased", MERGED})
"""States of accounts of which nothing new is recorded. What they hold is read, amended and revoked as ever."""

ERASED: Final = "erased"
"""The state of an account whose key is destroyed: what the append-only tables hold of it is noise."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One thing that identifies a person. ``issuer`` is the code of the provider that gave a student number."""

    type: str
    value: str
    issuer: str | None = None

    def parts(self) -> tuple[str, ...]:
        """What the look-up key is made of."""
        return (self.type, self.issuer or "", self.value)


_SEPARATORS: Final = re.compile(r"[\s\-./()·]+")


def normalise(type_: str, value: str) -> str | None:
    """The one form in which an identity is looked for, however it was typed; None when it cannot be one.

    Full-width letters and digits are taken as the usual ones. A card's number is checked whole: its sum, the date in
    it, and that its place is one. Where somebody lives now says nothing about the place on their card.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if type_ == "id_card":
        return id_card_of(_SEPARATORS.sub("", text))
    if type_ == "student_number":
        # Its form is its school's own.
        return re.sub(r"\s+", "", text) or None
    text = _SEPARATORS.sub("", text).upper()
    if type_ == "passport":
        return text or None
    # A number of this country may be written with its code.
    digits = text.removeprefix("+").removeprefix("0086") if not text.startswith("+86") else text[3:]
    return digits if digits.isascii() and digits.isdigit() else None


_WORDLESS: Final = re.compile(r"[\W_]+")


def likeness_of(name: str, birth_date: date | None) -> tuple[str, ...] | None:
    """What two accounts of one person have in common when no identity tells: birth date, and name however it was typed,
    without width, case, spaces and points. None where no birth date is known."""
    if birth_date is None:
        return None
    plain = _WORDLESS.sub("", unicodedata.normalize("NFKC", name).casefold())
    return ("likeness", birth_date.isoformat(), plain)


def birth_date_of(given: date | None, identities: Iterable[Identity], pointer: str = "/birth_date") -> date | None:
    """The birth date of an account: the one given, else the one on the card. Raises BirthDateDiffers."""
    for identity in identities:
        if identity.type == "id_card":
            on_card = born_on(identity.value)
            if given is not None and given != on_card:
                raise BirthDateDiffers(pointer=pointer)
            given = on_card
    return given


ALONE_FROM: Final = 14
"""The age in years from which somebody comes into an account alone: Personal Information Protection Law, article 31."""


def age_on(day: date, birth_date: date) -> int:
    """Whole years lived on that day; who was born on 29 February is a year older on 1 March of a common year."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


@dataclass(frozen=True, slots=True)
class Profile:
    """What names the person: always sealed at rest."""

    number: str
    name: str
    birth_date: date | None
    identities: tuple[Identity, ...]
    # What somebody says of themselves and nobody has seen: it finds nobody, and is another's perhaps.
    claimed: tuple[Identity, ...] = ()
    # Whether all of it is the person's own word, which nobody has confirmed.
    is_own_word: bool = False


@dataclass(frozen=True, slots=True)
class Residence:
    """Somebody lived in that region from ``since`` until the day of the next; None: nobody said since when."""

    region: str
    since: date | None


def residence_on(day: date, residences: Sequence[Residence]) -> str | None:
    """The region lived in on that day, of residences in their order; before the first of them, the first's."""
    if not residences:
        return None
    past = [one for one in residences if one.since is None or one.since <= day]
    return past[-1].region if past else residences[0].region


@dataclass(frozen=True, slots=True)
class Learner:
    """An account as its reader sees it. ``region`` is where they live now."""

    id: UUID
    profile: Profile
    region: str | None
    provider: str | None
    revision: int
    state: AccountState = ACTIVE
    # The account that stands for a merged one.
    merged_into: UUID | None = None

    @property
    def owned(self) -> Owned:
        """Whose the account is, for the policy: the learner's, and the provider's that opened it."""
        return Owned(self.provider, self.id)


@dataclass(frozen=True, slots=True)
class Reference:
    """How a caller points at a learner: exactly one of the three is given."""

    id: UUID | None = None
    number: str | None = None
    identity: Identity | None = None

    @property
    def way(self) -> str:
        """By what the caller points, without what it is."""
        return self.identity.type if self.identity is not None else "number" if self.number is not None else "id"


@dataclass(frozen=True, slots=True)
class Found:
    """Whom a reference means. ``named_id`` is the merged account that it names, where it is another."""

    learner_id: UUID
    named_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """What is needed to open an account."""

    name: str
    birth_date: date | None
    region: str | None
    identities: tuple[Identity, ...]
    provider: str | None
    # Whether the person opens it alone; then what they say identifies them is only claimed.
    is_own_word: bool = False
    # Where in what was sent each stands, so that a refusal can point at it.
    identity_at: str = "/identities/{}"
    region_at: str = "/region"


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How account numbers look: a setting of the bank."""

    prefix: str
    digits: int


def mask(name: str) -> str:
    """A name that its bearer recognises and a stranger cannot use: 张三丰 -> 张**, Li Wei -> L*****."""
    return name[:1] + "*" * (len(name) - 1)


@dataclass(eq=False, kw_only=True)
class UnknownLearner(Refusal):
    """An achievement names a learner whom the bank does not know."""

    code = "unknown_learner"
    kind = Kind.INVALID
    pointer: str = "/learner"


@dataclass(eq=False, kw_only=True)
class LearnerNotFound(Refusal):
    """There is no such account, or the caller may not know of it."""

    code = "learner_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class LearnerErased(Refusal):
    """The person was erased: the id stands for nobody any more, and nothing is recorded under it."""

    code = "learner_erased"
    kind = Kind.GONE


@dataclass(eq=False, kw_only=True)
class IdentityTaken(Refusal):
    """One of the identities is already another account's. Which is not told: it would tell of each whether it is."""

    code = "identity_taken"
    kind = Kind.CONFLICT
    pointer: str = "/identities"


@dataclass(eq=False, kw_only=True)
class IdentityHeld(Refusal):
    """Whoever showed this identity has an account already: two accounts of one person."""

    code = "identity_held"
    kind = Kind.CONFLICT
    type: str
    learner: UUID
    pointer: str = "/identity"


@dataclass(eq=False, kw_only=True)
class ClaimedIdentityDiffers(Refusal):
    """The document that was seen is not what the person claimed: a slip of somebody's, or another person's account."""

    code = "claimed_identity_differs"
    kind = Kind.CONFLICT
    claimed: str
    pointer: str = "/identity"


@dataclass(eq=False, kw_only=True)
class AccountConfirmed(Refusal):
    """Somebody has seen whose account it is: nothing is claimed of it any more."""

    code = "account_confirmed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class IssuerUnnamed(Refusal):
    """A student number is one at its institution only, and whoever acts for none says which."""

    code = "issuer_unnamed"
    kind = Kind.INVALID


def check_issuer(actor: Actor, identity: Identity, pointer: str) -> None:
    """Hold whoever gives an account an identity to acting for the institution that issued it. Raises ForeignProvider.

    Who is found under another's number would else receive what that institution states of its own student.
    """
    if identity.issuer is not None and not can(actor, "identity.issue", Owned(identity.issuer)):
        raise ForeignProvider(provider_code=identity.issuer, pointer=f"{pointer}/issuer")


def asks_after(actor: Actor, reference: Reference) -> bool:
    """Whether to name somebody so is to ask after them: by an identity, save a number of the caller's own school."""
    identity = reference.identity
    return identity is not None and not (
        identity.issuer is not None and can(actor, "identity.issue", Owned(identity.issuer))
    )


@dataclass(eq=False, kw_only=True)
class MovedInFuture(Refusal):
    """Where somebody will live is not yet so."""

    code = "moved_in_future"
    kind = Kind.INVALID
    today: str
    pointer: str = "/since"


@dataclass(eq=False, kw_only=True)
class AccountEnded(Refusal):
    """The account is closed or its owner dead: nothing new is recorded of it."""

    code = "account_ended"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class AccountUnconfirmed(Refusal):
    """Who the owner of the account is, nobody has confirmed: no award is made to it, and nobody calls it active."""

    code = "account_unconfirmed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class AccountStateSame(Refusal):
    """The account is in this state already."""

    code = "account_state_same"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class BirthDateDiffers(Refusal):
    """The birth date is not the one on the identity card."""

    code = "birth_date_differs"
    kind = Kind.INVALID
    pointer: str = "/birth_date"


@dataclass(eq=False, kw_only=True)
class BornInFuture(Refusal):
    """Nobody has an account before they are born."""

    code = "born_in_future"
    kind = Kind.INVALID
    today: str
    pointer: str = "/birth_date"


def check_born(birth_date: date | None, today: date, pointer: str = "/birth_date") -> None:
    """Hold a birth date to the past. Raises BornInFuture."""
    if birth_date is not None and birth_date > today:
        raise BornInFuture(today=today.isoformat(), pointer=pointer)
