"""From a learner's facts to the difference that must be posted. Pure: no database, no clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from creditbank.achievements.domain import VALID, Achievement
from creditbank.credits import Credits
from creditbank.ledger.domain import (
    NOTHING,
    Account,
    Code,
    Entry,
    Hold,
    Lot,
    LotKey,
    LotTerms,
    Movement,
    Target,
    apply,
    effective_day,
    is_short,
    reconcile,
    release,
)
from creditbank.rules.evaluate import evaluate
from creditbank.rules.fact import Assurance, Fact
from creditbank.rules.outcome import Decision as RuleDecision
from creditbank.rules.outcome import Evaluation, TargetLot
from creditbank.rules.rulings import Block, Force, Insert, Ruling, Value, Waive
from creditbank.rules.standing import NOTHING_STANDS, Standing
from creditbank.rulesets.domain import Book

ENGINE: Final = "4"
"""The engine's version, kept with every evaluation: it changes when the same input may give another result."""

_COMPACT: Final = json.JSONEncoder(separators=(",", ":")).encode

WITHDRAWN: Final = "withdrawn"
"""The effect of a decision that closes another: nothing is left of it."""


class Cause(StrEnum):
    """Why a learner is evaluated again."""

    ACHIEVEMENT = "achievement"
    AMENDMENT = "amendment"
    REVOCATION = "revocation"
    RULING = "ruling"
    RULES = "rules"
    ACCREDITATION = "accreditation"
    DATE = "date"
    ENROLMENT = "enrolment"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule made of one binding, as stored. The latest for (rule set, binding) counts.

    ``rule_set_id`` and ``version_id`` are None for what no rule took and for a decision that closes such a one.
    ``kept_by_id`` is a later version that reaches the binding and lets stand what this one gave.
    """

    id: UUID
    evaluation_id: UUID
    rule_set_id: UUID | None
    version_id: UUID | None
    kept_by_id: UUID | None
    rule: str | None
    effect: str
    binding: str
    mark: bytes
    trace: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[UUID | None, str]:
        """What the decision is about."""
        return self.rule_set_id, self.binding

    @property
    def achievements(self) -> list[UUID]:
        """The achievements of its binding, in slot order."""
        return [UUID(text) for text in self.binding.split(",")]


@dataclass(frozen=True, slots=True)
class Difference:
    """What settling one learner comes to. Empty when everything stands as it should."""

    evaluation_id: UUID
    decisions: Sequence[Decision]
    made: Sequence[Lot]
    moved: Sequence[Lot]
    entries: Sequence[Entry]
    # How everything stands after it, for whoever asked.
    standing_decisions: Sequence[Decision]
    standing_lots: Sequence[Lot]
    # Holds whose basis fell away, and decisions that asked for a person and stand no more.
    broken: Sequence[Hold] = ()
    replaced: Sequence[UUID] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written."""
        return not (self.decisions or self.made or self.moved or self.entries)


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, and the instant whose knowledge of it is asked for."""

    effective: date
    known: datetime


def _number(text: str | None) -> Fraction | None:
    if text is None:
        return None
    whole, _, part = text.partition(".")
    return Fraction(int(whole + part), 10 ** len(part)) if part else Fraction(int(whole))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text is not None else None


@dataclass(frozen=True, slots=True)
class Known:
    """What the bank itself knows of a learner's achievements, as far as some rule in force reads it.

    ``provider_types`` by provider code; ``recognised`` gives the day on which an achievement was first recognised.
    """

    provider_types: Mapping[str, str] = field(default_factory=dict)
    recognised: Mapping[UUID, date] = field(default_factory=dict)


NOTHING_KNOWN: Final = Known()


class RulingState(StrEnum):
    """Proposed by one person, approved or refused by another, or withdrawn."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class HeldRuling:
    """A ruling as the bank keeps it. ``content`` is what it says, achievements named by their ids, with its reason.

    By kind: ``insert`` has achievement, unit, credits, and category and level if given; ``force`` achievement and rule;
    ``waive`` what, and achievement if given; ``block`` achievement, and unit if given; ``value`` achievement, unit, and
    credits or grade.
    """

    learner_id: UUID
    id: UUID
    kind: str
    rule_set: str
    content: Mapping[str, Any]
    state: RulingState
    author_id: UUID
    approver_id: UUID | None
    expires: date | None
    recorded_at: datetime

    def as_input(self, keys: Mapping[str, str]) -> Ruling | None:
        """The ruling as the engine reads it; None when it is about an achievement that is not there (any more).

        ``keys`` gives the fact's key for the id of each achievement.
        """
        said, named = self.content, self.content.get("achievement")
        fact = keys.get(named) if named is not None else None
        id_ = str(self.id)
        if fact is None:
            return Waive(id_, self.rule_set, said["what"]) if self.kind == "waive" and named is None else None
        milli = Credits.parse(said["credits"]).milli if "credits" in said else None
        # A unit that an achievement has only because it names none is called by the achievement's id (decision 4).
        unit = keys.get(said["unit"], said["unit"]) if "unit" in said else None
        match self.kind:
            case "insert":
                return Insert(
                    id_, self.rule_set, fact, unit or fact, milli or 0, said.get("category"), said.get("level")
                )
            case "force":
                return Force(id_, self.rule_set, fact, said["rule"])
            case "waive":
                return Waive(id_, self.rule_set, said["what"], fact)
            case "block":
                return Block(id_, self.rule_set, fact, unit)
            case _:
                return Value(id_, self.rule_set, fact, unit or fact, milli, said.get("grade"))


def fact_of(achievement: Achievement, book: Book, known: Known = NOTHING_KNOWN) -> Fact:
    """The fact that rules read: what the provider states, with what the bank itself knows of it."""
    content = achievement.current.content
    completed = date.fromisoformat(content["completed"])
    grade = content.get("grade")
    return Fact(
        key=achievement.key,
        kind=content["kind"],
        provider=content["provider"],
        completed=completed,
        code=content.get("code"),
        unit=content.get("unit"),
        category=content.get("category"),
        credits=_number(content.get("credits")),
        hours=_number(content.get("hours")),
        attendance=_number(content.get("attendance")),
        grade=next(iter(grade.items())) if grade else None,
        level=tuple(content["level"].items()) if "level" in content else (),
        accredited=book.accredited(content["provider"], content.get("code"), completed),
        barred=book.is_barred(content["provider"], content.get("code"), completed),
        assurance=Assurance[content["assurance"].upper()],
        submitted=_day(content.get("submitted")),
        applied=_day(content.get("applied")),
        recognised=known.recognised.get(achievement.id),
        shelf_life=content.get("shelf_life"),
        tags=frozenset(content.get("tags", ())),
        learning=content.get("learning"),
        provider_type=known.provider_types.get(content["provider"]),
        conditions_met=frozenset(content.get("conditions_met", ())),
        facts=tuple(content["facts"].items()) if "facts" in content else (),
    )


def input_hash(achievements: Iterable[Achievement], version_hashes: Iterable[str], as_of: date) -> bytes:
    """The facts, rules and day that an evaluation read, as a hash of ids, version numbers and rule hashes.

    Holds, elections and rulings are not in it, nor is any text about a person.
    """
    facts = sorted((str(a.id), a.current.number) for a in achievements if a.current.status == VALID)
    listed = [facts, sorted(version_hashes), as_of.isoformat(), ENGINE]
    return hashlib.sha256(_COMPACT(listed).encode()).digest()


def _what_stands(decision: Decision) -> tuple[object, ...]:
    return decision.mark, decision.version_id, decision.kept_by_id, decision.effect


@dataclass(slots=True)
class _Settling:
    """One learner's difference while it is being found."""

    book: Book
    evaluation_id: UUID
    settled: date
    revoked: Mapping[UUID, date]
    new_id: Callable[[], UUID]
    mark: Callable[[Mapping[str, Any]], bytes]
    held: Mapping[tuple[UUID | None, str], Decision]
    lots: dict[LotKey, Lot]
    # Movements that void holds, by lot: they come before everything else that moves the lot.
    voids: dict[UUID, tuple[Movement, ...]] = field(default_factory=dict)
    standing: dict[tuple[UUID | None, str], Decision] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    made: list[Lot] = field(default_factory=list)
    moved: list[Lot] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    after: list[Lot] = field(default_factory=list)

    def decide(self, decision: Decision) -> Decision:
        """The decision that stands: the held one when it says the same under the same version, else the new one."""
        held = self.held.get(decision.key)
        if held is None or _what_stands(held) != _what_stands(decision):
            self.decisions.append(decision)
            held = decision
        else:
            held = replace(held, trace=decision.trace)
        self.standing[held.key] = held
        return held

    def _revoked_on(self, binding: str) -> date | None:
        """The last day on which an achievement of the binding was revoked; None when they all stand."""
        if not self.revoked:
            return None
        bound = [UUID(text) for text in binding.split(",")]
        return max((self.revoked[id_] for id_ in bound if id_ in self.revoked), default=None)

    def settle_lot(self, key: LotKey, terms: LotTerms, target: Target, learner_id: UUID) -> None:
        """Bring one lot to its target, making it when it is not there."""
        former = self.lots.pop(key, None)
        lot = former or Lot(learner_id, self.new_id(), key, terms, {})
        revoked_on = self._revoked_on(key.binding)
        voids = self.voids.get(lot.id, ())
        movements = voids + reconcile(
            apply(lot.positions, voids) if voids else lot.positions,
            target,
            revoked=revoked_on is not None,
            waives=key.rule_set_id in self.book.waiving,
        )
        if former is not None and not movements and former.terms == terms:
            # Nearly every lot of nearly every settling stands as it should.
            self.after.append(former)
            return
        after = replace(lot, terms=terms, positions=apply(lot.positions, movements))
        self.after.append(after)
        (self.made if former is None else self.moved).append(after)
        self.entries.extend(
            Entry(
                lot.id,
                movement,
                self.evaluation_id,
                terms.decision_id,
                effective_day(
                    movement.code,
                    governing=terms.effective,
                    expires=terms.expires,
                    settled=revoked_on if revoked_on and movement.code is Code.REVERSE else self.settled,
                ),
            )
            for movement in movements
        )


def evaluate_achievements(
    achievements: Iterable[Achievement],
    book: Book,
    as_of: date,
    known: Known = NOTHING_KNOWN,
    standing: Standing = NOTHING_STANDS,
    rulings: Sequence[Ruling] = (),
) -> Evaluation:
    """What the rules say of the valid ones among these achievements."""
    facts = [fact_of(a, book, known) for a in achievements if a.current.status == VALID]
    return evaluate(facts, book.versions, as_of, standing, rulings)


def settle_learner(
    learner_id: UUID,
    achievements: Sequence[Achievement],
    lots: Sequence[Lot],
    decisions: Sequence[Decision],
    book: Book,
    as_of: date,
    *,
    evaluation_id: UUID,
    new_id: Callable[[], UUID],
    mark: Callable[[Mapping[str, Any]], bytes],
    known: Known = NOTHING_KNOWN,
    standing: Standing = NOTHING_STANDS,
    rulings: Sequence[Ruling] = (),
    holds: Sequence[Hold] = (),
    evaluation: Evaluation | None = None,
) -> Difference:
    """Evaluate a learner and find what must be written so that decisions, lots and postings say the same.

    ``achievements`` are all of the learner's, or all that a change touches; lots and decisions are those of these
    achievements, the decisions the latest for each (rule set, binding). ``mark`` makes the keyed hash of a trace. An
    ``evaluation`` of these very achievements is taken as it is.
    """
    valid = {a.key: a for a in achievements if a.current.status == VALID}
    settling = _Settling(
        book,
        evaluation_id,
        as_of,
        {a.id: a.current.effective or as_of for a in achievements if a.current.status != VALID},
        new_id,
        mark,
        {d.key: d for d in decisions if d.effect != WITHDRAWN},
        {lot.key: lot for lot in lots},
    )
    if evaluation is None:
        evaluation = evaluate_achievements(achievements, book, as_of, known, standing, rulings)
    broken = _broken(settling, evaluation, valid, holds)
    for made in evaluation.decisions:
        _settle_decision(settling, learner_id, made, valid)
    _withdraw(settling, learner_id)
    return Difference(
        evaluation_id,
        settling.decisions,
        settling.made,
        settling.moved,
        settling.entries,
        list(settling.standing.values()),
        settling.after,
        broken,
        [
            held.id
            for key, held in settling.held.items()
            if held.effect == "review" and (key not in settling.standing or settling.standing[key].id != held.id)
        ],
    )


def unit_of(lot: TargetLot, valid: Mapping[str, Achievement]) -> str:
    """The unit under which a lot is stored, which is in the clear.

    What names no unit is a unit of its own, to the engine under the fact's key. The key holds what its provider calls
    it, which may be a student's number; the achievement's id says the same and names nobody (decision 4).
    """
    own = valid.get(lot.unit)
    return str(own.id) if own is not None else lot.unit


def trace_of(made: RuleDecision, bound: Sequence[Achievement], valid: Mapping[str, Achievement]) -> dict[str, Any]:
    """What is stored of a decision: the engine's trace, with the ids and units that its lots are stored under."""
    lots = [{**lot.trace, "unit": unit_of(lot, valid)} for lot in made.lots]
    return {**made.trace, "achievements": [str(a.id) for a in bound], "lots": lots}


def _broken(
    settling: _Settling, evaluation: Evaluation, valid: Mapping[str, Achievement], holds: Sequence[Hold]
) -> list[Hold]:
    """The holds that must be voided because too little of one of their lots is left, with what that moves."""
    if not holds:
        return []
    targets: dict[LotKey, Target] = {}
    for made in evaluation.decisions:
        if made.effect != "none":
            entry = settling.book.entry(made.rule_set, made.version)
            binding = ",".join(str(valid[key].id) for key in made.binding)
            for lot in made.lots:
                targets[LotKey(entry.rule_set_id, binding, unit_of(lot, valid), lot.number)] = _target(lot)
    short = {lot.id for key, lot in settling.lots.items() if is_short(lot.positions, targets.get(key, NOTHING))}
    broken = [hold for hold in holds if any(line.lot_id in short for line in hold.lines)]
    for hold in broken:
        for line in hold.lines:
            voided = release(line, Code.VOID, expired=False)
            settling.voids[line.lot_id] = settling.voids.get(line.lot_id, ()) + voided
    return broken


def _target(lot: TargetLot) -> Target:
    return Target(lot.recognised.milli, lot.excess.milli, lot.state)


def _settle_decision(
    settling: _Settling, learner_id: UUID, made: RuleDecision, valid: Mapping[str, Achievement]
) -> None:
    taken = made.effect != "none"
    entry = settling.book.entry(made.rule_set, made.version) if taken else None
    bound = [valid[key] for key in made.binding]
    binding = ",".join(str(a.id) for a in bound)
    trace = trace_of(made, bound, valid)
    decision = settling.decide(
        Decision(
            settling.new_id(),
            settling.evaluation_id,
            entry.rule_set_id if entry else None,
            entry.version_id if entry else None,
            settling.book.entry(made.rule_set, made.kept_by).version_id if made.kept_by is not None else None,
            made.rule if taken else None,
            made.effect,
            binding,
            settling.mark(trace),
            trace,
        )
    )
    if entry is None:
        return
    lead = bound[0]
    for lot in made.lots:
        key = LotKey(entry.rule_set_id, binding, unit_of(lot, valid), lot.number)
        settling.settle_lot(key, _terms(lot, decision.id, made, lead), _target(lot), learner_id)


def _terms(lot: TargetLot, decision_id: UUID, made: RuleDecision, lead: Achievement) -> LotTerms:
    scale, grade = lot.grade if lot.grade is not None else (None, None)
    return LotTerms(
        decision_id,
        lead.current.content["provider"],
        lead.current.content["kind"],
        made.credit_unit,
        lot.category,
        lot.level,
        scale,
        grade,
        lot.effective,
        lot.expires,
    )


def _withdraw(settling: _Settling, learner_id: UUID) -> None:
    """Close the decisions of which nothing is left, and take back the lots that no decision stands behind any more."""
    closed: dict[tuple[UUID | None, str], Decision] = {}
    for key, held in settling.held.items():
        if key not in settling.standing:
            revoked = any(id_ in settling.revoked for id_ in held.achievements)
            trace: dict[str, Any] = {"effect": WITHDRAWN, "reason": "revoked" if revoked else "replaced"}
            closing = replace(
                held,
                id=settling.new_id(),
                evaluation_id=settling.evaluation_id,
                effect=WITHDRAWN,
                mark=settling.mark(trace),
                trace=trace,
            )
            settling.decisions.append(closing)
            closed[key] = closing
    for lot_key, lot in list(settling.lots.items()):
        about = (lot_key.rule_set_id, lot_key.binding)
        decision = settling.standing.get(about) or closed.get(about)
        # A lot that was taken back long ago has no decision to be found here, and nothing to be moved.
        terms = replace(lot.terms, decision_id=decision.id) if decision else lot.terms
        # Credits that came by exchange have no decision of their own to stand by: only their date moves them.
        gone = bool(lot.positions.get(Account.EXCHANGE, 0) < 0 and lot.is_expired(settling.settled))
        settling.settle_lot(lot_key, terms, Target(0, 0, "expired") if gone else NOTHING, learner_id)
