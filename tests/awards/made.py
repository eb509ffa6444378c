"""Learning, lots and applications as values, for tests that need no database. Amounts in whole credits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from creditbank.achievements.domain import Achievement, Version
from creditbank.awards.domain import Annulment, AnnulmentState, Award, Conversion, StackUse
from creditbank.ledger.domain import Account, Hold, HoldLine, HoldState, Lot, LotKey, LotTerms

TODAY = date(2025, 3, 1)
NOW = datetime(2025, 3, 1, 4, tzinfo=UTC)
LEARNER, TOWN, OTHER, CLIENT = (UUID(int=n) for n in (1, 2, 3, 4))


def achievement(**others: Any) -> Achievement:
    """A stated achievement."""
    id_ = uuid4()
    content = {"provider": "own", "external_id": str(id_), "completed": "2024-06-01", "kind": "course", **others}
    return Achievement(LEARNER, id_, (Version(LEARNER, id_, 1, "valid", content, None, None, None, NOW),))


def lot(
    one: Achievement, rule_set: UUID = TOWN, expires: date | None = None, unit: str = "CR", **positions: int
) -> Lot:
    """A lot of an achievement."""
    terms = LotTerms(uuid4(), "own", "course", unit, None, None, None, None, TODAY, expires)
    at = {account: positions.get(account.value, 0) * 1000 for account in Account}
    return Lot(LEARNER, uuid4(), LotKey(rule_set, str(one.id), "U", 0), terms, at)


def application(
    programme: str,
    state: str,
    lots: Mapping[UUID, int],
    *,
    rule_set: UUID = TOWN,
    of: int | None = None,
    stacked: tuple[StackUse, ...] = (),
) -> Conversion:
    """An application: ``open``, or ended as ``voided``, ``whole``, ``part`` or ``annulled``.

    Of each lot it holds what is given; redeemed is ``of`` at most.
    """
    is_made = state in {"whole", "part", "annulled"}
    held = HoldState.REDEEMED if is_made else HoldState(state)
    used = {id_: min(credits_, credits_ if of is None else of) for id_, credits_ in lots.items()}
    lines = tuple(HoldLine(id_, n * 1000, uuid4(), used[id_] * 1000 if is_made else 0) for id_, n in lots.items())
    award = Award(uuid4(), "A1", TODAY, state == "part", sum(used.values()) * 1000) if is_made else None
    gone = Annulment(uuid4(), "other", AnnulmentState.APPROVED, CLIENT, UUID(int=5), NOW)
    return Conversion(
        LEARNER,
        uuid4(),
        Hold(LEARNER, uuid4(), TODAY, NOW, held, lines),
        rule_set,
        "town",
        1,
        programme,
        None,
        sum(lots.values()) * 1000,
        CLIENT,
        (),
        stacked,
        "approved" if is_made else None,
        (),
        None,
        NOW,
        b"",
        award,
        (gone,) if state == "annulled" else (),
    )
