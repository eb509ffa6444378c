"""Who may do what with what: the one place that knows it.

A scope says what somebody may do at all, and each route names its own. The rest is whose the thing is: the bank acts
for everybody, a provider for what is its own or below it, a learner for themselves, and whoever made a thing for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal
from uuid import UUID

from creditbank.access.domain import Actor

Action = Literal[
    "account.act",
    "account.activate",
    "account.confirm",
    "account.end",
    "account.mend",
    "account.read",
    "achievement.read",
    "achievement.state",
    "activity.check_in",
    "activity.hold",
    "audit.read",
    "chain.read",
    "claim.assess",
    "claim.lodge",
    "claim.read",
    "client.govern",
    "consent.give",
    "consent.read",
    "conversion.decide",
    "conversion.read",
    "conversion.withdraw",
    "enrolment.read",
    "erasure.decide",
    "guardianship.govern",
    "head_count.put",
    "head_count.read",
    "identity.claim",
    "identity.issue",
    "import.follow",
    "learner.export",
    "looks.read",
    "lot.read",
    "merge.decide",
    "offering.change",
    "programme.govern",
    "provider.accredit",
    "provider.change",
    "provider.figures",
    "region.change",
    "review.close",
    "review.work",
    "role.grant",
    "rule_set.change",
    "ruling.make",
    "simulation.cases",
    "transcript.read",
    "user.read",
    "webhook.govern",
]


class Owner(Enum):
    """In what relation to a thing somebody stands who may do something with it."""

    BANK = "the bank"
    PROVIDER = "the provider whose it is, or one above"
    SELF = "the learner of whom it is"
    MAKER = "whoever made it"


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a thing is: the provider's whose code it has, the learner's of whom it speaks, its maker's."""

    provider: str | None = None
    learner_id: UUID | None = None
    made_by: UUID | None = None


NOBODY_S: Final = Owned()
"""What is of no provider and no learner: the bank's, or many together."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do it, and the code of the refusal of everybody else: often that there is no such thing."""

    owners: frozenset[Owner]
    reason: str


def _rule(reason: str, *owners: Owner) -> Rule:
    return Rule(frozenset({Owner.BANK, *owners}), reason)


_PROVIDER, _SELF, _MAKER = Owner.PROVIDER, Owner.SELF, Owner.MAKER

RULES: Final[Mapping[Action, Rule]] = {
    # An account is the provider's that opened it. To act for it is to apply, to exchange, to hand in evidence.
    "account.read": _rule("learner_not_found", _PROVIDER, _SELF),
    "account.act": _rule("learner_not_found", _PROVIDER, _SELF),
    "account.mend": _rule("learner_not_found", _PROVIDER),
    # Whoever opened an account hands out the code by which its learner comes in.
    "account.activate": _rule("learner_not_found", _PROVIDER),
    "account.confirm": _rule("bank_only"),
    "account.end": _rule("bank_only"),
    # A student number is its institution's to give: others look it up and give it to nobody.
    "identity.issue": _rule("foreign_provider", _PROVIDER),
    # What somebody says of themselves before anybody has seen a document.
    "identity.claim": _rule("learner_not_found", _SELF),
    "achievement.read": _rule("achievement_not_found", _PROVIDER, _SELF),
    # What a provider states is the provider's: nobody states anything of themselves.
    "achievement.state": _rule("foreign_provider", _PROVIDER),
    # A file names many learners; whose it is follows it and cancels it.
    "import.follow": _rule("import_not_found", _PROVIDER),
    "lot.read": _rule("learner_not_found", _PROVIDER, _SELF),
    # A chain, a decision or a transcript is whole or nothing: it shows what every provider gave.
    "chain.read": _rule("bank_only", _SELF),
    "transcript.read": _rule("bank_only", _SELF),
    "enrolment.read": _rule("enrolment_not_found", _PROVIDER, _SELF),
    "programme.govern": _rule("foreign_programme", _PROVIDER),
    "conversion.read": _rule("conversion_not_found", _PROVIDER, _SELF, _MAKER),
    "conversion.withdraw": _rule("conversion_not_found", _SELF, _MAKER),
    "conversion.decide": _rule("conversion_not_found", _PROVIDER),
    "claim.lodge": _rule("foreign_provider", _PROVIDER, _SELF),
    "claim.read": _rule("claim_not_found", _PROVIDER, _SELF),
    "claim.assess": _rule("claim_not_found", _PROVIDER),
    "review.work": _rule("review_not_found", _PROVIDER),
    "review.close": _rule("bank_only"),
    "ruling.make": _rule("bank_only"),
    # Two people of the bank decide whether two accounts are one person's; whoever opened both may propose it.
    "merge.decide": _rule("bank_only"),
    "rule_set.change": _rule("foreign_rule_set", _PROVIDER),
    # The largest changes are about persons, of whatever provider.
    "simulation.cases": _rule("bank_only"),
    "offering.change": _rule("foreign_provider", _PROVIDER),
    "provider.change": _rule("foreign_provider", _PROVIDER),
    "provider.accredit": _rule("bank_only"),
    "provider.figures": _rule("provider_not_found", _PROVIDER),
    "region.change": _rule("bank_only"),
    # Everybody may read what is held, so that hiding it would tell nothing. Who was there is the holder's to say;
    # a learner says it of themselves by what the venue shows.
    "activity.hold": _rule("foreign_provider", _PROVIDER),
    "activity.check_in": _rule("foreign_provider", _PROVIDER, _SELF),
    "head_count.put": _rule("foreign_provider", _PROVIDER),
    "head_count.read": _rule("provider_not_found", _PROVIDER),
    # A guardian sees what every provider gave: no provider makes anybody one.
    "guardianship.govern": _rule("bank_only"),
    # What is a learner's right over their own data. A provider reads the consents that were given to it, and gives
    # itself none; whoever erases is two people of the bank.
    "consent.give": _rule("bank_only", _SELF),
    "consent.read": _rule("learner_not_found", _PROVIDER, _SELF),
    "learner.export": _rule("bank_only", _SELF),
    "looks.read": _rule("bank_only", _SELF),
    "erasure.decide": _rule("bank_only"),
    # Of the log a provider sees what its own programs and people did, and what was done to what is its own.
    "audit.read": _rule("bank_only", _PROVIDER),
    "client.govern": _rule("client_not_found", _PROVIDER),
    "user.read": _rule("user_not_found", _PROVIDER),
    "role.grant": _rule("grant_beyond_own", _PROVIDER),
    "webhook.govern": _rule("webhook_not_found", _PROVIDER),
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done, and as what."""

    owner: Owner

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not be done; ``reason`` is the code of the refusal that says so."""

    reason: str

    def __bool__(self) -> bool:
        return False


def can(actor: Actor, action: Action, resource: Owned) -> Allowed | Denied:
    """Whether the actor may do this with that, the scope apart."""
    rule = RULES[action]
    for owner in Owner:
        if owner in rule.owners and _stands(actor, owner, resource):
            return Allowed(owner)
    return Denied(rule.reason)


def _stands(actor: Actor, owner: Owner, resource: Owned) -> bool:
    match owner:
        case Owner.BANK:
            return actor.is_bank
        case Owner.PROVIDER:
            return resource.provider is not None and actor.acts_for(resource.provider)
        case Owner.SELF:
            return actor.learner_id is not None and actor.learner_id == resource.learner_id
        case Owner.MAKER:
            return actor.client_id == resource.made_by


def part(actor: Actor, action: Action, resource: Owned) -> str | Denied | None:
    """Which part of many things of one kind the actor may see, so that a query can ask for no more.

    None: all of them; a code: those of that provider and below; Denied: none. ``resource`` is what all have in common.
    """
    verdict = can(actor, action, resource)
    if verdict:
        return None
    if actor.provider is not None and Owner.PROVIDER in RULES[action].owners:
        return actor.provider
    return Denied(RULES[action].reason)
