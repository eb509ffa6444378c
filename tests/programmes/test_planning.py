"""The nearest ways to close a gap: what counts as one, and in which order they are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest

from creditbank.achievements.domain import fact_key
from creditbank.catalogue.domain import Offering
from creditbank.enrolments.domain import latest_for
from creditbank.programmes.auditing import Audit, read_pins
from creditbank.programmes.domain import Place, ProgrammeRef
from creditbank.programmes.planning import Gap, Situation, Ways, gaps_of, planned_achievement, ways_to_close, worth_of
from creditbank.programmes.stakes import Stake
from creditbank.recognition.domain import fact_of
from creditbank.rules.allocate.allocation import allocate
from creditbank.rules.compile import compile_version
from creditbank.rules.document import read_documents
from creditbank.rules.fact import Assurance, Fact
from creditbank.rulesets.domain import Book, Entry
from tests.bank import document, granting

TODAY = date(2025, 3, 1)

MATHS = {"id": "maths", "need": {"credits": 6}, "category": "maths"}
TWO = {"id": "two-exams", "need": {"count": 2}, "kind": "exam", "exclusive": False}


def offering(code: str, credits_: int | None = 3, **others: Any) -> Offering:
    """A course in mathematics, as far as nothing else is said."""
    known: dict[str, Any] = {
        "provider": "own", "kind": "course", "unit": code, "category": "maths", "level": {}, "hours_milli": None,
        "fee_milli": None, "places": None, "starts_on": None, "ends_on": None, "assumed": {}, "status": "open",
        **others,
    }  # fmt: skip
    milli = credits_ * 1000 if credits_ is not None else None
    return Offering(uuid4(), code=code, title_zh=code, title_en=code, credits_milli=milli, revision=1, **known)


def fact(code: str, credits_: int, **others: Any) -> Fact:
    """Something that the learner has done."""
    known: dict[str, Any] = {"kind": "course", "category": "maths", **others}
    return Fact(fact_key("own", code), provider="own", completed=date(2024, 6, 1), code=code, unit=code,
                credits=Fraction(credits_), **known)  # fmt: skip


def book(*rules: Any, **blocks: Any) -> Book:
    """A book with the town's rules alone."""
    text = json.dumps(document(*rules, **blocks))
    version = compile_version(read_documents(text, format="json")[0].layered, sha256="")
    return Book(1, {("town", 1): Entry(UUID(int=1), UUID(int=2), version)}, {}, [version])


def audited(held: Book, facts: Sequence[Fact]) -> tuple[Audit, Situation]:
    """How a learner with these facts stands, all lots being available."""
    place = Place(ProgrammeRef("town", "p"), UUID(int=1), held.versions)
    situation = Situation(held, held.versions, TODAY, facts)
    version = latest_for(held.versions, "p", TODAY)
    assert version is not None
    programme = version.programmes["p"]
    stakes = [Stake(None, name, one, one.milli) for name, one in situation.lots().items()]
    found = allocate(programme, [s.candidate for s in stakes])
    by_id = {s.candidate.id: s for s in stakes}
    audit = Audit(place, version, UUID(int=2), programme, None, None, (), read_pins({}), by_id, (), found, b"")
    return audit, situation


def ways(
    offerings: Sequence[Offering], facts: Sequence[Fact] = (), *, requirement: Any = MATHS, **programme: Any
) -> Ways:
    """The ways to close the first gap of a programme."""
    plain = {"id": "p", "total": 12, "requirements": [requirement], **programme}
    blocks = {"programmes": [plain], "unique": {}}
    audit, situation = audited(book(granting("own", kind=["course", "exam"]), **blocks), facts)
    return ways_to_close(gaps_of(audit)[0], offerings, situation, audit)


def shown(found: Ways) -> str:
    """The ways with what each gives; those that close the gap alone have a full stop."""
    return " ".join(
        f"{way.offering.code}:{way.milli // 1000 or way.count}{'.' if way.closes else ''}" for way in found.ways
    )


@pytest.mark.parametrize(
    ("offerings", "expected"),
    [
        ([offering("ART", category="arts")], ""),
        ([offering("A"), offering("B", 6)], "B:6. A:3"),
        # The fewest first, then the cheapest in all; what costs nobody knows stands behind what is known.
        ([offering("A", 6, fee_milli=9), offering("B", 6, fee_milli=8), offering("C", 6)], "B:6. A:6. C:6."),
        ([offering("A", 2, fee_milli=1), offering("B", 3, fee_milli=100)], "B:3 A:2"),
        ([offering("A", 6, hours_milli=80), offering("B", 6, hours_milli=60)], "B:6. A:6."),
        ([offering("A", 6, ends_on=date(2025, 9, 1)), offering("B", 6, ends_on=date(2025, 6, 1))], "B:6. A:6."),
        # Five are named, however many there are.
        ([offering(f"A{n}", 6) for n in range(9)], "A0:6. A1:6. A2:6. A3:6. A4:6."),
    ],
)
def test_ways_in_order(offerings: list[Offering], expected: str) -> None:
    assert shown(ways(offerings)) == expected


def test_a_duplicate_is_no_way() -> None:
    assert shown(ways([offering("A"), offering("B")], [fact("A", 3)])) == "B:3."


def test_only_what_is_better_than_the_duplicate_counts() -> None:
    # The better of two of one unit counts: five in the place of three are two more.
    assert shown(ways([offering("A", 5)], [fact("A", 3)])) == "A:2"


def test_what_a_full_cap_keeps_out_is_no_way() -> None:
    caps = [{"id": "most", "kind": "course", "credits_at_most": 3}]

    assert shown(ways([offering("A"), offering("X", kind="exam")], [fact("B", 3)], caps=caps)) == "X:3."


def test_a_count_is_closed_by_lots() -> None:
    found = ways([offering("A"), offering("X", kind="exam")], [fact("E", 1, kind="exam")], requirement=TWO)

    assert (found.gap.milli, found.gap.count) == (0, 1)
    assert shown(found) == "X:1."
    assert [one.code for one in found.together] == ["X"]


def test_together_takes_as_many_as_needed_and_says_what_is_left() -> None:
    found = ways([offering("A"), offering("A2", unit="A"), offering("B")])
    assert [one.code for one in found.together] == ["A", "B"]
    assert (found.left.milli, found.left.count) == (0, 0)

    short = ways([offering("A"), offering("A2", unit="A")])
    assert [one.code for one in short.together] == ["A"]
    assert short.left == Gap(short.gap.requirement, 3000, 0)


def test_gaps_end_with_what_only_the_total_lacks() -> None:
    plain = {"id": "p", "total": 12, "requirements": [MATHS, TWO]}
    audit, _ = audited(book(programmes=[plain]), [fact("A", 3)])

    assert [(g.requirement.id if g.requirement else None, g.milli, g.count) for g in gaps_of(audit)] == [
        ("maths", 3000, 0),
        ("two-exams", 0, 2),
        (None, 6000, 0),
    ]


def test_a_plan_assumes_what_the_offering_says() -> None:
    one = offering(
        "A", 2, level={"eqf": "4"}, hours_milli=40_500, ends_on=date(2025, 9, 1),
        assumed={"grade": {"pct": "75"}, "attendance": "90", "assurance": "signed", "tags": ["x"]},
    )  # fmt: skip

    planned = fact_of(planned_achievement(one, TODAY), book())

    assert planned == Fact(
        key=planned.key, kind="course", provider="own", completed=date(2025, 9, 1), code="A", unit="A",
        category="maths", credits=Fraction(2), hours=planned.hours, attendance=Fraction(90), grade=("pct", "75"),
        level=(("eqf", "4"),), assurance=Assurance.SIGNED, tags=frozenset({"x"}),
    )  # fmt: skip
    assert planned.hours is not None
    assert planned.hours * 2 == 81
    plain = fact_of(planned_achievement(offering("B"), TODAY), book())
    assert plain.assurance is Assurance.PROVIDER


def test_what_an_offering_is_worth_by_itself() -> None:
    held = book(granting("exam", kind="exam"))

    (taken,) = worth_of(planned_achievement(offering("A", kind="exam"), TODAY), held, TODAY)
    (not_taken,) = worth_of(planned_achievement(offering("A"), TODAY), held, TODAY)

    assert (taken.effect, str(taken.lots[0].recognised)) == ("grant", "3")
    assert (not_taken.effect, not_taken.rule) == ("none", "exam")
