"""API shapes of what comes in and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from creditbank.access.domain import Actor, MissingScope
from creditbank.access.policy import Owned, can
from creditbank.achievements.domain import cap_assurance
from creditbank.achievements.schemas import AchievementOut, StatementIn
from creditbank.intake.domain import ProviderUnnamed, State, Submission
from creditbank.learners.domain import Application, Identity, birth_date_of, check_issuer
from creditbank.learners.schemas import AccountIn, ReferenceIn
from creditbank.ledger.domain import Lot
from creditbank.ledger.schemas import LotOut, show_lot
from creditbank.providers.domain import ForeignProvider
from creditbank.recognition.domain import Decision
from creditbank.web.fields import Path


class AchievementIn(StatementIn):
    """An achievement as a provider posts it."""

    learner: ReferenceIn
    provider: Path | None = Field(
        default=None, description="code of a provider under the caller's own; by default that"
    )
    open_account: AccountIn | None = Field(
        default=None, description="opens an account when nobody is known under `learner`; needs `learners:write`"
    )

    def to_domain(self, actor: Actor) -> Submission:
        """The submission that this caller makes. Raises ProviderUnnamed, ForeignProvider, MissingScope."""
        provider = self.provider or actor.provider
        if provider is None:
            raise ProviderUnnamed
        if not can(actor, "achievement.state", Owned(provider)):
            raise ForeignProvider(provider_code=provider)
        application = None
        if self.open_account is not None:
            if "learners:write" not in actor.scopes:
                raise MissingScope(scope="learners:write")
            application = self._application(actor, actor.provider or provider)
        return Submission(
            actor.client_id,
            provider,
            self.learner.to_domain(actor.provider or provider, "/learner"),
            {**self.content(cap_assurance(self.assurance, actor.assurance)), "provider": provider},
            application,
            actor.by,
        )

    def _application(self, actor: Actor, own: str) -> Application | None:
        account = self.open_account
        if account is None or self.learner.identity is None:
            # Without an identity nobody could ever find the account that would be opened.
            return None
        at = "/learner/identity"
        identities: tuple[Identity, ...] = (self.learner.identity.to_domain(own, at),)
        check_issuer(actor, identities[0], at)
        born = birth_date_of(account.birth_date, identities, "/open_account/birth_date")
        return Application(
            account.name, born, account.region, identities, actor.provider,
            identity_at=at, region_at="/open_account/region",
        )  # fmt: skip


class OutcomeOut(TypedDict):
    """What the bank made of an achievement, as it stands now."""

    state: State
    lots: list[LotOut]
    reasons: Annotated[list[str], Field(description="one sentence a decision, in the caller's language")]
    evaluation: UUID | None
    decisions: list[UUID]


class RecordedOut(TypedDict):
    """The stored achievement and its outcome."""

    achievement: AchievementOut
    outcome: OutcomeOut


class ItemOut(TypedDict):
    """What became of one achievement of a batch."""

    index: int
    status: int
    achievement: NotRequired[AchievementOut]
    outcome: NotRequired[OutcomeOut]
    problem: NotRequired[dict[str, Any]]


class Counts(TypedDict):
    """How many of a batch were recorded, were there already, were refused."""

    recorded: int
    unchanged: int
    refused: int


class BatchOut(TypedDict):
    """One result an achievement, in the order they were sent."""

    results: list[ItemOut]
    counts: Counts


def show_outcome(state: State, lots: Sequence[Lot], decisions: Sequence[Decision], reasons: list[str]) -> OutcomeOut:
    """The shape of an outcome."""
    return {
        "state": state,
        "lots": [show_lot(lot) for lot in lots],
        "reasons": reasons,
        "evaluation": decisions[-1].evaluation_id if decisions else None,
        "decisions": [d.id for d in decisions],
    }
