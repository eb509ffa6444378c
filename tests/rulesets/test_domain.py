"""Which version governs which days, and what a publication does to the ones before it (decision 6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from creditbank.providers.domain import Accreditation
from creditbank.rulesets.domain import (
    Book,
    Entry,
    Interval,
    Publication,
    RuleSet,
    StoredVersion,
    VersionOverlaps,
    succeed,
)
from tests.rules.writing import compiled

KNOWN = datetime(2025, 1, 1, tzinfo=UTC)


def days(start: str, until: str | None = None) -> Interval:
    return Interval(date.fromisoformat(start), date.fromisoformat(until) if until else None)


def published(*valid: Interval) -> list[Publication]:
    return [Publication(UUID(int=n), UUID(int=100 + n), one, KNOWN, None) for n, one in enumerate(valid)]


OVERLAPPING = [
    (days("2020-01-01"), days("2020-01-01"), True),
    (days("2020-01-01"), days("2024-01-01"), True),
    (days("2020-01-01", "2021-01-01"), days("2021-01-01"), False),
    (days("2020-01-01", "2021-01-01"), days("2020-12-31"), True),
    (days("2020-01-01", "2021-01-01"), days("2019-01-01", "2020-01-01"), False),
    (days("2020-01-01", "2021-01-01"), days("2020-06-01", "2020-06-02"), True),
]


@pytest.mark.parametrize(("one", "other", "overlap"), OVERLAPPING)
def test_two_intervals_overlap_when_a_day_lies_in_both(one: Interval, other: Interval, overlap: bool) -> None:
    assert one.overlaps(other) is overlap
    assert other.overlaps(one) is overlap


# What stands, what is published, and what is left of each one that it meets.
SUCCESSIONS: dict[str, tuple[list[Interval], Interval, list[Interval | None]]] = {
    "the first": ([], days("2020-01-01"), []),
    "beside another": ([days("2020-01-01", "2021-01-01")], days("2021-01-01"), []),
    "a correction of an open one": ([days("2020-01-01")], days("2020-01-01"), [None]),
    "a correction of a closed one": (
        [days("2020-01-01", "2021-01-01"), days("2021-01-01")], days("2020-01-01", "2021-01-01"), [None],
    ),
    "a succession": ([days("2020-01-01")], days("2024-01-01"), [days("2020-01-01", "2024-01-01")]),
    "a succession of the last": (
        [days("2020-01-01", "2022-01-01"), days("2022-01-01")], days("2024-01-01"), [days("2022-01-01", "2024-01-01")],
    ),
    "a succession by a day": ([days("2020-01-01")], days("2020-01-02"), [days("2020-01-01", "2020-01-02")]),
}  # fmt: skip


@pytest.mark.parametrize(("standing", "new", "rests"), SUCCESSIONS.values(), ids=SUCCESSIONS)
def test_publishing(standing: list[Interval], new: Interval, rests: list[Interval | None]) -> None:
    assert [change.rest for change in succeed(published(*standing), new)] == rests


REFUSED: dict[str, tuple[list[Interval], Interval]] = {
    "a hole in an open one": ([days("2020-01-01")], days("2024-01-01", "2025-01-01")),
    "from before an open one": ([days("2020-01-01")], days("2019-01-01")),
    "from within a closed one": ([days("2020-01-01", "2022-01-01")], days("2021-01-01")),
    "a closed one cut short": ([days("2020-01-01", "2022-01-01")], days("2020-01-01", "2021-01-01")),
    "an open one closed": ([days("2020-01-01")], days("2020-01-01", "2021-01-01")),
    "over two": ([days("2020-01-01", "2022-01-01"), days("2022-01-01")], days("2021-01-01")),
}


@pytest.mark.parametrize(("standing", "new"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_could_mean_is_refused(standing: list[Interval], new: Interval) -> None:
    with pytest.raises(VersionOverlaps) as refused:
        succeed(published(*standing), new)

    assert refused.value.pointer == "/ruleset/from"


def test_a_version_is_superseded_when_the_bank_holds_none_of_its_publications() -> None:
    stood, stands = published(days("2020-01-01"), days("2020-01-01", "2024-01-01"))
    closed = Publication(stood.id, stood.version_id, stood.valid, KNOWN, datetime(2025, 2, 1, tzinfo=UTC))

    def version(state: str, *publications: Publication) -> StoredVersion:
        rule_set = RuleSet(UUID(int=1), "town", None)
        return StoredVersion(UUID(int=2), rule_set, 1, state, "{}", "", 1, KNOWN, publications)

    assert version("published", closed).is_superseded
    assert not version("published", closed, stands).is_superseded
    assert not version("draft").is_superseded


ENTRY = Accreditation(UUID(int=1), "niie", "cq/school", None, date(2024, 1, 1), date(2025, 1, 1))
OFFERING = Accreditation(UUID(int=2), "niie", "cq", "MATH", date(2023, 1, 1), None)
ACCREDITED = [
    ("cq/school", "MATH", "2024-01-01", True),
    ("cq/school", None, "2024-12-31", True),
    ("cq/school/annex", "ART", "2024-06-10", True),
    ("cq/schoolx", None, "2024-06-10", False),
    ("cq/school", None, "2025-01-01", False),
    ("cq/school", "ART", "2023-06-10", False),
    ("cq/school", "MATH", "2023-06-10", True),
    ("cq/other", "MATH", "2030-06-10", True),
    ("us/other", "MATH", "2024-06-10", False),
]


@pytest.mark.parametrize(("provider", "offering", "on", "expected"), ACCREDITED)
def test_accreditation_is_of_a_day_and_reaches_down_the_tree(
    provider: str, offering: str | None, on: str, expected: bool
) -> None:
    book = Book(1, {}, {"niie": {"cq/school": [ENTRY], "cq": [OFFERING]}}, [])

    assert book.accredited(provider, offering, date.fromisoformat(on)) == ({"niie"} if expected else set())


def test_what_is_known_of_a_book_is_found_out_once_whomever_it_is_for() -> None:
    town, club = compiled(header={"id": "town"}), compiled(header={"id": "club"})
    entries = {(one.rule_set, 1): Entry(uuid4(), uuid4(), one) for one in (town, club)}
    restricted = entries["club", 1].rule_set_id
    book = Book(1, entries, {}, [town], restricted=frozenset((restricted,)))

    enrolled = book.for_enrolled({restricted})
    former = book.with_former({uuid4(): entries["town", 1]})

    assert list(enrolled.versions) == [town, club]
    assert book.for_enrolled({restricted, uuid4()}) is enrolled
    assert book.for_enrolled({uuid4()}) is book.with_former({}) is book
    for one in (enrolled, former):
        assert one.every_version is book.every_version
        assert one.lines_in_force is book.lines_in_force
    assert set(book.lines_in_force) == {"town", "club"}
    assert former.former
    assert not book.former


def test_the_lines_of_a_simulation_are_those_of_before_and_of_after() -> None:
    before, after = compiled(header={"version": 1}), compiled(header={"version": 2})
    book = Book(1, {("town", 1): Entry(uuid4(), uuid4(), before)}, {}, [before])
    assert len(book.lines_in_force[before.rule_set]) == 1

    both = replace(book, versions=[before, after])

    assert [number for number, *_ in both.lines_in_force[before.rule_set]] == [1, 2]
