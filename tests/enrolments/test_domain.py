"""Which version governs an enrolment: catalogue right, interruption, election (rules/v1 section 12)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from creditbank.enrolments.domain import (
    AlreadyInterrupted,
    Change,
    ChangeKind,
    ChangeOutOfOrder,
    ElectionBackwards,
    ElectionOver,
    Enrolment,
    EnrolmentEnded,
    NotInterrupted,
    VersionNotElectable,
    check_change,
    check_election,
    governed,
    version_for,
)
from creditbank.errors import Refusal
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.document import read_documents

NOBODY = UUID(int=0)
NOW = datetime(2025, 1, 1, tzinfo=UTC)


def version(number: int, start: str, until: str | None, right: str | None = "P2Y", **others: Any) -> CompiledVersion:
    """A version of a rule set with one programme."""
    header = {
        "lcb": "rules/v1", "id": "t", "version": number, "from": start, "unit": {"code": "CR"},
        **({"until": until} if until else {}), **others.pop("header", {}),
    }  # fmt: skip
    programme = {"id": others.pop("programme", "p"), "total": 3, **({"catalogue_right": right} if right else {})}
    text = json.dumps({"ruleset": header, "programmes": [programme], **others})
    return compile_version(read_documents(text, format="json")[0].layered, sha256="")


LINE = [
    version(1, "2018-01-01", "2020-01-01"),
    version(2, "2020-01-01", "2022-01-01", None),
    version(3, "2022-01-01", None),
]


def day(text: str) -> date:
    """A day."""
    return date.fromisoformat(text)


def enrolment(enrolled: str, *changes: str, applied: str | None = None) -> Enrolment:
    """An enrolment; a change is written ``interrupted 2020-01-01`` or ``elected 2020-01-01 3 2022-01-01``."""
    made = []
    for text in changes:
        kind, on, *detail = text.split()
        said = {"version": int(detail[0]), "from": detail[1]} if detail else {}
        made.append(Change(NOBODY, ChangeKind(kind), day(on), said, NOW))
    return Enrolment(
        NOBODY, NOBODY, NOBODY, "p", day(enrolled), day(applied) if applied else None, NOW, tuple(made)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "activity", "today", "number", "lapsed"),
    [
        # The version of the day of enrolment, as long as the learner goes on.
        (enrolment("2019-06-01"), "", "2019-07-01", 1, None),
        (enrolment("2019-12-31"), "", "2021-12-30", 1, None),
        (enrolment("2020-01-01"), "", "2021-12-31", 2, None),
        # Two years without activity, and the right is gone on the very day.
        (enrolment("2019-12-31"), "", "2021-12-31", 2, "2021-12-31"),
        (enrolment("2019-06-01"), "2021-05-31", "2023-05-30", 1, None),
        (enrolment("2019-06-01"), "2021-06-01", "2021-06-02", 2, "2021-06-01"),
        # Version 2 gives its right for ever: whoever came back under it stays.
        (enrolment("2019-06-01"), "2021-06-01", "2030-01-01", 2, "2021-06-01"),
        # What was done before the enrolment is no activity in it, nor is what lies after the day that is asked about.
        (enrolment("2019-06-01"), "2018-01-01", "2021-06-01", 2, "2021-06-01"),
        (enrolment("2019-06-01"), "2021-05-01", "2021-04-01", 1, None),
        # An interruption stops the clock: one year of two is left after it.
        (enrolment("2019-06-01", "interrupted 2020-06-01", "resumed 2022-06-01"), "", "2023-06-01", 1, None),
        (enrolment("2019-06-01", "interrupted 2020-06-01", "resumed 2022-06-01"), "", "2024-06-01", 3, "2024-06-01"),
        (enrolment("2019-06-01", "interrupted 2020-06-01"), "", "2030-01-01", 1, None),
        # An interruption that begins when the right is gone does not bring it back.
        (enrolment("2019-06-01", "interrupted 2021-07-01"), "", "2021-08-01", 2, "2021-06-01"),
        # A later version is elected as a whole, and its own right counts from then on.
        (enrolment("2019-06-01", "elected 2020-06-01 2 2020-01-01"), "", "2029-01-01", 2, None),
        (enrolment("2019-06-01", "elected 2022-06-01 3 2022-01-01"), "2021-01-01", "2023-01-01", 3, None),
        # What was elected is gone with a lapsed right.
        (enrolment("2018-06-01", "elected 2022-06-01 3 2022-01-01"), "2020-05-01", "2024-06-01", 3, "2024-06-01"),
        # A version that was corrected since governs no day: what governs its days now takes its place.
        (enrolment("2019-06-01", "elected 2020-06-01 7 2020-01-01"), "", "2029-01-01", 2, None),
    ],
)  # fmt: skip
def test_the_version_that_governs(one: Enrolment, activity: str, today: str, number: int, lapsed: str | None) -> None:
    found = governed(one, LINE, [day(text) for text in activity.split()], day(today))

    assert found is not None
    assert (found.version.version, found.lapsed_on) == (number, day(lapsed) if lapsed else None)


def test_the_day_of_the_application_governs_where_the_rules_say_so() -> None:
    applied = {"clock": {"programme": "applied"}}
    line = [version(1, "2018-01-01", "2020-01-01", header=applied), version(2, "2020-01-01", None, header=applied)]

    before = governed(enrolment("2020-02-01", applied="2019-12-01"), line, [], day("2020-03-01"))
    after = governed(enrolment("2020-02-01"), line, [], day("2020-03-01"))

    assert before is not None
    assert after is not None
    assert (before.version.version, after.version.version) == (1, 2)


def test_a_programme_that_no_version_has() -> None:
    line = [version(1, "2018-01-01", None, programme="other")]

    assert governed(enrolment("2020-02-01"), line, [], day("2020-03-01")) is None
    assert version_for(line, "p", day("2020-01-01")) is None


@pytest.mark.parametrize(
    ("present", "wanted", "today", "refusal"),
    [
        (1, 2, "2021-01-01", None),
        (1, 3, "2022-01-01", None),
        (2, 2, "2021-01-01", ElectionBackwards),
        (3, 1, "2022-01-01", ElectionBackwards),
        (1, 3, "2021-12-31", VersionNotElectable),
        (1, 9, "2022-01-01", VersionNotElectable),
    ],
)
def test_elections(present: int, wanted: int, today: str, refusal: type[Refusal] | None) -> None:
    found = next((v for v in LINE if v.version == wanted), None)
    if refusal is None:
        assert check_election(LINE[present - 1], found, "p", day(today), wanted) is found
        return
    with pytest.raises(refusal):
        check_election(LINE[present - 1], found, "p", day(today), wanted)


def test_an_election_ends_on_its_day() -> None:
    wanted = version(2, "2020-01-01", None, transition={"elect_until": "2020-07-01"})

    assert check_election(LINE[0], wanted, "p", day("2020-06-30"), 2) is wanted
    with pytest.raises(ElectionOver):
        check_election(LINE[0], wanted, "p", day("2020-07-01"), 2)


@pytest.mark.parametrize(
    ("one", "kind", "on", "refusal"),
    [
        (enrolment("2020-01-01"), "interrupted", "2020-01-01", None),
        (enrolment("2020-01-01"), "interrupted", "2019-12-31", ChangeOutOfOrder),
        (enrolment("2020-01-01"), "resumed", "2020-02-01", NotInterrupted),
        (enrolment("2020-01-01", "interrupted 2020-02-01"), "interrupted", "2020-03-01", AlreadyInterrupted),
        (enrolment("2020-01-01", "interrupted 2020-02-01"), "resumed", "2020-01-31", ChangeOutOfOrder),
        (enrolment("2020-01-01", "interrupted 2020-02-01"), "ended", "2020-03-01", None),
        (enrolment("2020-01-01", "ended 2020-02-01"), "pinned", "2020-03-01", EnrolmentEnded),
        # A choice of lots holds from its own moment: what happens later may have its day before it.
        (enrolment("2020-01-01", "pinned 2020-05-01"), "interrupted", "2020-03-01", None),
    ],
)
def test_changes_in_order(one: Enrolment, kind: str, on: str, refusal: type[Refusal] | None) -> None:
    if refusal is None:
        check_change(one, ChangeKind(kind), day(on))
        return
    with pytest.raises(refusal):
        check_change(one, ChangeKind(kind), day(on))


def test_an_enrolment_holds_until_the_day_it_ended() -> None:
    one = enrolment("2020-01-01", "interrupted 2020-02-01", "ended 2020-03-01")

    assert [one.holds_on(day(text)) for text in ("2019-12-31", "2020-01-01", "2020-02-15", "2020-03-01")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert one.interruptions == ((day("2020-02-01"), None),)
