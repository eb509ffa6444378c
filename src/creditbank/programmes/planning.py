"""What an offering would give, and the nearest ways to close a gap: the engine asked about plans. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import ceil
from typing import Any, Final
from uuid import UUID

from creditbank.achievements.domain import VALID, Achievement, Version
from creditbank.catalogue.domain import Offering
from creditbank.credits import Credits
from creditbank.programmes.auditing import Audit
from creditbank.programmes.domain import leaves_of
from creditbank.programmes.stakes import LotName
from creditbank.recognition.domain import NOTHING_KNOWN, Known, fact_of
from creditbank.rules.allocate.problem import Candidate, cap_milli, fits, milli_of
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.evaluate import evaluate
from creditbank.rules.examine import candidates_of
from creditbank.rules.fact import Fact
from creditbank.rules.language.programmes import Cap, Requirement
from creditbank.rules.outcome import Decision
from creditbank.rules.rulings import Ruling
from creditbank.rules.standing import NOTHING_STANDS, Standing
from creditbank.rulesets.domain import Book

WAYS_MAX: Final = 5
"""So many ways are named for each gap."""

_TRIED_MAX: Final = 12

_NOBODY: Final = UUID(int=0)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN_COST: Final = 10**15


def planned_achievement(offering: Offering, today: date, number: int = 0) -> Achievement:
    """What completing an offering would be, with what planning assumes of whoever completes it."""
    content: dict[str, Any] = {
        "external_id": f"planned:{offering.id}:{number}",
        "provider": offering.provider,
        "kind": offering.kind,
        "code": offering.code,
        "title": {"zh": offering.title_zh, "en": offering.title_en},
        "completed": offering.completed_on(today).isoformat(),
        "assurance": "provider",
        **offering.assumed,
    }
    if offering.unit is not None:
        content["unit"] = offering.unit
    if offering.category is not None:
        content["category"] = offering.category
    if offering.level:
        content["level"] = dict(offering.level)
    if offering.credits_milli is not None:
        content["credits"] = str(Credits(offering.credits_milli))
    if offering.hours_milli is not None:
        content["hours"] = str(Credits(offering.hours_milli))
    version = Version(_NOBODY, offering.id, 1, VALID, content, None, None, None, _NEVER)
    return Achievement(_NOBODY, offering.id, (version,))


def worth_of(planned: Achievement, book: Book, today: date, known: Known = NOTHING_KNOWN) -> Sequence[Decision]:
    """What a planned achievement by itself would give today, by every rule set in force."""
    return evaluate([fact_of(planned, book, known)], book.every_version, today).decisions


@dataclass(frozen=True, slots=True)
class Situation:
    """A learner before one rule set: all that an evaluation reads."""

    book: Book
    line: Sequence[CompiledVersion]
    today: date
    facts: Sequence[Fact] = ()
    known: Known = NOTHING_KNOWN
    standing: Standing = NOTHING_STANDS
    rulings: Sequence[Ruling] = ()

    def lots(self, planned: Sequence[Offering] = ()) -> dict[LotName, Candidate]:
        """The available lots that the learner should have, with these offerings completed."""
        made = [planned_achievement(offering, self.today, number) for number, offering in enumerate(planned)]
        more = [fact_of(one, self.book, self.known) for one in made]
        facts = [*self.facts, *more]
        decisions = evaluate(facts, self.line, self.today, self.standing, self.rulings).decisions
        return {
            (candidate.achievements, candidate.unit, lot.number): candidate
            for candidate, lot in candidates_of(facts, decisions)
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing: of a requirement, or of the total (None). Thousandths, or whole lots."""

    requirement: Requirement | None
    milli: int
    count: int


@dataclass(frozen=True, slots=True)
class Way:
    """An offering that brings a gap nearer to its end: by how much, and whether it closes it alone."""

    offering: Offering
    milli: int
    count: int
    closes: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """Several ways to close a gap, each by itself a step; ``together`` closes it with the fewest of them.

    ``left`` is what even that leaves open.
    """

    gap: Gap
    ways: Sequence[Way]
    together: Sequence[Offering]
    left: Gap


def gaps_of(audit: Audit) -> list[Gap]:
    """What an audit finds missing, in the order of the document; what only the total lacks comes last."""
    found, taken = [], 0
    missing = audit.allocation.missing
    for requirement in leaves_of(audit.programme.requirements):
        one = missing.get(requirement.id)
        if one is not None and not one.is_met:
            found.append(Gap(requirement, one.milli, one.count))
            taken += one.milli if requirement.exclusive else 0
    rest = audit.allocation.total - audit.allocation.recognised - taken
    if rest > 0:
        found.append(Gap(None, rest, 0))
    return found


def kinds_and_providers(gap: Gap) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """What a gap asks of an offering itself; category, level and unit are the lot's, which rules give."""
    if gap.requirement is None:
        return None, None
    return gap.requirement.kind, gap.requirement.provider


def ways_to_close(gap: Gap, offerings: Sequence[Offering], situation: Situation, audit: Audit | None) -> Ways:
    """The nearest ways among these offerings: the fewest first, then the cheapest, the shortest, the soonest.

    Each was asked of the engine with all that the learner has, so that what is a duplicate or over a limit is no way.
    """
    alone = Situation(situation.book, situation.line, situation.today, known=situation.known)
    ranked = []
    for offering in offerings:
        gain = _gain(gap, {}, alone.lots([offering]), audit)
        if any(gain):
            ranked.append((_cost(gap, offering, gain), offering))
    ranked.sort(key=lambda pair: pair[0])
    before = situation.lots()
    ways: list[Way] = []
    for _, offering in ranked[:_TRIED_MAX]:
        gain = _gain(gap, before, situation.lots([offering]), audit)
        if any(gain) and len(ways) < WAYS_MAX:
            ways.append(Way(offering, *gain, _closes(gap, gain)))
    together, left = _together(gap, [offering for _, offering in ranked[:_TRIED_MAX]], situation, before, audit)
    return Ways(gap, ways, together, left)


def _together(
    gap: Gap,
    offerings: Sequence[Offering],
    situation: Situation,
    before: Mapping[LotName, Candidate],
    audit: Audit | None,
) -> tuple[list[Offering], Gap]:
    """As many of the offerings, in their order, as it takes; one that adds nothing beside the others is passed over."""
    chosen: list[Offering] = []
    gained = (0, 0)
    for offering in offerings:
        if _closes(gap, gained):
            break
        more = _gain(gap, before, situation.lots([*chosen, offering]), audit)
        if more > gained:
            chosen.append(offering)
            gained = more
    return chosen, Gap(gap.requirement, max(gap.milli - gained[0], 0), max(gap.count - gained[1], 0))


def _closes(gap: Gap, gain: tuple[int, int]) -> bool:
    return gain[0] >= gap.milli and gain[1] >= gap.count


def _gain(
    gap: Gap, before: Mapping[LotName, Candidate], after: Mapping[LotName, Candidate], audit: Audit | None
) -> tuple[int, int]:
    """What a plan brings for a gap: thousandths, or whole lots."""
    milli = count = 0
    for name, candidate in after.items():
        change = candidate.milli - (before[name].milli if name in before else 0)
        if change <= 0 or (gap.requirement is not None and not fits(gap.requirement, candidate)):
            continue
        if audit is not None and _is_capped(audit, candidate):
            continue
        if gap.count:
            count += name not in before
        else:
            milli += change
    # What it would take away elsewhere in the requirement counts against it.
    if not gap.count:
        for name, candidate in before.items():
            lost = candidate.milli - (after[name].milli if name in after else 0)
            if lost > 0 and (gap.requirement is None or fits(gap.requirement, candidate)):
                milli -= lost
    return max(milli, 0), count


def _is_capped(audit: Audit, candidate: Candidate) -> bool:
    """Whether a cap that is full already stands in the way of a lot like this."""
    return any(fits(cap, candidate) and _is_full(audit, cap, candidate) for cap in audit.programme.caps)


def _is_full(audit: Audit, cap: Cap, candidate: Candidate) -> bool:
    used = [
        (audit.stakes[id_].candidate, milli)
        for id_, milli in audit.allocation.uses.items()
        if fits(cap, audit.stakes[id_].candidate)
        and (cap.by is None or audit.stakes[id_].candidate.provider == candidate.provider)
    ]
    if cap.count_at_most is not None:
        return len({one.decision for one, _ in used}) >= cap.count_at_most
    return sum(milli for _, milli in used) >= cap_milli(cap, milli_of(audit.programme.total))


def _cost(gap: Gap, offering: Offering, gain: tuple[int, int]) -> tuple[object, ...]:
    """How far a way is: how many such offerings it takes, what they cost, how long they last, when they end."""
    steps = ceil(gap.count / gain[1]) if gap.count else ceil(gap.milli / gain[0])
    fee = _UNKNOWN_COST if offering.fee_milli is None else offering.fee_milli * steps
    hours = _UNKNOWN_COST if offering.hours_milli is None else offering.hours_milli * steps
    return steps, fee, hours, offering.ends_on or date.min, offering.provider, offering.code
