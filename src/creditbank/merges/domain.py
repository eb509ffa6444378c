"""Merges: whose two accounts become one, who decided so, how far it is, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.learners.domain import IDENTITY_TYPES, IdentityType, Learner, Profile, likeness_of

Reason = Literal["document_seen", "learner_asked", "institution_confirmed"]
"""How it is known that both are one person's; never what somebody said about them."""

UndoReason = Literal["different_people", "learner_asked", "wrong_direction"]
"""Why a merge is undone."""


DismissalReason = Literal["different_people", "wanted_so"]
"""Why two accounts that look like one person's are left two."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two accounts with one birth date and one name, in the order of their ids."""

    learner_id: UUID
    other_id: UUID


What = Literal["name", "birth_date", "id_card", "passport", "student_number", "phone", "region"]
"""What is compared of two accounts. What it is, is told to nobody."""

How = Literal["same", "written_differently", "claimed_same", "differs", "other_issuer", "only_one"]
"""How it compares. ``claimed_same``: one of the two only says so of themselves. ``other_issuer``: numbers of two
institutions, which say nothing of each other. ``only_one``: of one account it is not known."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing of two accounts, and how it compares."""

    what: What
    how: How


def compare(one: Learner, other: Learner) -> list[Compared]:
    """What agrees and what differs between two accounts, in one order; what neither has is left out."""
    mine, theirs = one.profile, other.profile
    likened = [likeness_of(profile.name, date.min) for profile in (mine, theirs)]
    written: How = "written_differently" if likened[0] == likened[1] else "differs"
    found = [Compared("name", "same" if mine.name == theirs.name else written)]
    found += _of_two("birth_date", mine.birth_date, theirs.birth_date)
    for type_ in IDENTITY_TYPES:
        found += _of_identities(type_, mine, theirs)
    return found + _of_two("region", one.region, other.region)


def _of_two(what: What, mine: object, theirs: object) -> list[Compared]:
    if mine is None and theirs is None:
        return []
    how: How = "only_one" if mine is None or theirs is None else "same" if mine == theirs else "differs"
    return [Compared(what, how)]


def _of_identities(type_: IdentityType, mine: Profile, theirs: Profile) -> list[Compared]:
    held = [[i for i in (*profile.identities, *profile.claimed) if i.type == type_] for profile in (mine, theirs)]
    if not any(held):
        return []
    how: How
    if not all(held):
        how = "only_one"
    elif set(held[0]) & set(held[1]):
        # No two accounts are found by one identity: of one of them it is the person's own word.
        how = "claimed_same"
    else:
        are_apart = {i.issuer for i in held[0]}.isdisjoint({i.issuer for i in held[1]})
        how = "other_issuer" if are_apart else "differs"
    return [Compared(type_, how)]


class MergeState(StrEnum):
    """Proposed, then declined, or approved and worked off; done. Then the same way back."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DONE = "done"
    UNDO_PROPOSED = "undo_proposed"
    UNDOING = "undoing"
    UNDONE = "undone"
    DECLINED = "declined"


UNDER_WAY: Final = frozenset({MergeState.APPROVED, MergeState.UNDOING})
"""While a worker moves facts."""

OPEN: Final = UNDER_WAY | {MergeState.PROPOSED, MergeState.UNDO_PROPOSED}
"""While somebody or something is waited for."""


class StepKind(StrEnum):
    """What became of one achievement: moved to the account that stands for both, returned from it when the merge was
    undone; ``lapsed`` when its provider had withdrawn it meanwhile, ``stayed`` when it came to that account since and
    named no other, so that nobody can tell whose it is."""

    MOVED = "moved"
    RETURNED = "returned"
    LAPSED = "lapsed"
    STAYED = "stayed"


@dataclass(frozen=True, slots=True)
class MergeStep:
    """One line of the trace."""

    achievement_id: UUID
    kind: StepKind
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Merge:
    """That one account stand for another of the same person. ``author`` and the others are principals."""

    learner_id: UUID
    id: UUID
    merged_id: UUID
    state: MergeState
    # What the merged account was, and is again when the merge is undone.
    former_state: str
    reason: str
    author: str
    approver: str | None
    undo_reason: str | None
    undo_author: str | None
    undo_approver: str | None
    recorded_at: datetime
    decided_at: datetime | None
    undo_recorded_at: datetime | None
    undo_decided_at: datetime | None
    # Whether whoever proposed it knew that the two had been said to be two.
    is_despite_dismissal: bool = False
    steps: Sequence[MergeStep] = ()


@dataclass(eq=False, kw_only=True)
class MergeNotFound(Refusal):
    """There is no such merge, or the caller may not know of it."""

    code = "merge_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class MergeWithItself(Refusal):
    """An account is merged with another one."""

    code = "merge_with_itself"
    kind = Kind.INVALID
    pointer: str = "/merged"


@dataclass(eq=False, kw_only=True)
class MergeOpen(Refusal):
    """Another merge of one of the two waits for a decision, or is under way."""

    code = "merge_open"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class PairDismissed(Refusal):
    """The two accounts were said to be two people's, or to stay two, and whoever proposes it does not say otherwise."""

    code = "pair_dismissed"
    kind = Kind.CONFLICT
    pointer: str = "/merged"


@dataclass(eq=False, kw_only=True)
class MergeBarred(Refusal):
    """The account that is to be merged has what cannot be moved; the other has nothing of the kind."""

    code = "merge_barred"
    kind = Kind.CONFLICT
    learner: UUID
    what: str
    pointer: str = "/merged"


@dataclass(eq=False, kw_only=True)
class MergeBarredBothWays(Refusal):
    """Both accounts have what cannot be moved."""

    code = "merge_barred_both_ways"
    kind = Kind.CONFLICT
    learner: UUID
    what: str
    pointer: str = "/merged"


@dataclass(eq=False, kw_only=True)
class NoMergeProposed(Refusal):
    """Neither the merge nor its undoing waits for a decision."""

    code = "no_merge_proposed"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class MergeNotDone(Refusal):
    """Only what was done can be undone."""

    code = "merge_not_done"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class AccountMerged(Refusal):
    """The account is merged: what is decided about its owner is decided at the one that stands for it."""

    code = "account_merged"
    kind = Kind.CONFLICT
    into: UUID
