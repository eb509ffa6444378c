"""The transcript: one calculation of everything that any form of it shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from creditbank.achievements.domain import VALID, Achievement, Content
from creditbank.learners.domain import Learner
from creditbank.ledger.domain import Account, Lot
from creditbank.recognition.domain import WITHDRAWN, Decision, Moment


@dataclass(frozen=True, slots=True)
class Credit:
    """The credits of one lot, with the decision that gave them."""

    lot: Lot
    decision: Decision
    # What the trace says of this very lot: its steps answer why.
    trace: Mapping[str, Any]

    @property
    def available_milli(self) -> int:
        """What can be used."""
        return self.lot.positions[Account.AVAILABLE]


@dataclass(frozen=True, slots=True)
class Line:
    """An achievement with what it gave; without credits ``refusals`` say why."""

    achievement_id: UUID
    content: Content
    status: str
    credits: Sequence[Credit]
    refusals: Sequence[Decision]


@dataclass(frozen=True, slots=True)
class Total:
    """What the lots of one unit come to: thousandths by account, and those available by category."""

    unit: str
    positions: Mapping[Account, int]
    by_category: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that any form of the transcript shows."""

    learner: Learner
    moment: Moment
    lines: Sequence[Line]
    totals: Sequence[Total]


def compose(
    learner: Learner,
    achievements: Sequence[Achievement],
    lots: Sequence[Lot],
    decisions: Sequence[Decision],
    moment: Moment,
) -> Transcript:
    """The transcript of what stands: achievements by completion, each with its credits and their reasons.

    ``decisions`` are the latest for each (rule set, binding), with traces. A combination's credits stand with its lead.
    """
    standing = [d for d in decisions if d.effect != WITHDRAWN]
    by_id = {d.id: d for d in standing}
    credits_: dict[UUID, list[Credit]] = defaultdict(list)
    for lot in lots:
        decision = by_id.get(lot.terms.decision_id)
        if decision is not None and lot.positions[Account.ISSUED] != 0:
            credits_[decision.achievements[0]].append(Credit(lot, decision, _trace_of(lot, decision)))
    refusals: dict[UUID, list[Decision]] = defaultdict(list)
    gave = {credit.decision.id for mine in credits_.values() for credit in mine}
    for decision in standing:
        # A grant of which nothing stands, such as one that a limit dropped, is told among those that gave nothing.
        if decision.id not in gave:
            for achievement_id in decision.achievements:
                refusals[achievement_id].append(decision)
    lines = [
        Line(a.id, a.current.content, a.current.status, credits_[a.id], refusals[a.id])
        for a in sorted(achievements, key=lambda a: (a.current.content["completed"], a.key))
        # What was revoked is no part of what a learner shows; the ledger keeps it.
        if a.current.status == VALID
    ]
    return Transcript(learner, moment, lines, totals_of(lots))


def _trace_of(lot: Lot, decision: Decision) -> Mapping[str, Any]:
    traces = (decision.trace or {}).get("lots", [])
    mine = [trace for trace in traces if trace["unit"] == lot.key.unit]
    found: Mapping[str, Any] = mine[lot.key.number]
    return found


def totals_of(lots: Sequence[Lot]) -> list[Total]:
    """The one calculation of all totals, by unit: units are never added together."""
    positions: dict[str, dict[Account, int]] = defaultdict(lambda: dict.fromkeys(Account, 0))
    categories: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for lot in lots:
        if not any(lot.positions.values()):
            # Credits that were all taken back leave nothing to be added up.
            continue
        for account, milli in lot.positions.items():
            positions[lot.terms.credit_unit][account] += milli
        categories[lot.terms.credit_unit][lot.terms.category or ""] += lot.positions[Account.AVAILABLE]
    return [
        Total(unit, accounts, {name: milli for name, milli in sorted(categories[unit].items()) if milli})
        for unit, accounts in sorted(positions.items())
    ]
