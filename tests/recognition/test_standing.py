"""What stands on credits at the edges of its instants: what happens at the very same one (rules/v1 section 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from creditbank.achievements.domain import VALID, Achievement, Version
from creditbank.ledger.domain import Account, Code, Lot, LotKey, LotTerms, Posting, Redeemed
from creditbank.recognition.domain import Decision
from creditbank.recognition.standing import Basis, Past, standing_of
from creditbank.rules.standing import Bound, VersionName
from creditbank.rulesets.domain import Book, Chapter, Entry, Interval, Publication
from tests.bank import content
from tests.rules.writing import compiled, rule

LEARNER, TOWN = UUID(int=1), UUID(int=2)
START, TODAY = date(2020, 3, 1), date(2025, 3, 1)
T = datetime(2025, 1, 10, 9, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


def achieved(letter: str, recorded_at: datetime) -> Achievement:
    """An achievement that was first recorded then."""
    id_ = UUID(int=ord(letter))
    version = Version(LEARNER, id_, 1, VALID, content(letter), None, None, None, recorded_at)
    return Achievement(LEARNER, id_, [version])


def binding(letters: str) -> str:
    return ",".join(str(UUID(int=ord(letter))) for letter in letters)


def keys(achievements: Sequence[Achievement], letters: str) -> frozenset[str]:
    return frozenset(one.key for one in achievements if one.current.content["external_id"] in letters)


def lot(number: int, letters: str, **positions: int) -> Lot:
    """The lot of this number, of one decision about these achievements."""
    terms = LotTerms(UUID(int=9), "cq/school", "course", "CR", None, None, None, None, START, None)
    stands = {account: positions.get(account.value, 0) for account in Account}
    return Lot(LEARNER, UUID(int=number), LotKey(TOWN, binding(letters), letters, 0), terms, stands)


def decided(letters: str, version: int) -> Decision:
    """A decision of the version with this number."""
    return Decision(UUID(int=9), UUID(int=8), TOWN, UUID(int=100 + version), None, "r", "grant", binding(letters), b"")


def posted(moved: Lot, source: Account, target: Account, at: datetime) -> Posting:
    """All of it is moved."""
    nothing = (UUID(int=7), UUID(int=6), TODAY, at, None, b"", b"")
    return Posting(LEARNER, UUID(int=5), 1, moved.id, source, target, 3000, Code.HOLD, *nothing)


def book(*known: tuple[datetime, datetime | None]) -> tuple[Book, dict[UUID, Entry]]:
    """Versions that corrected each other, with when the bank held each; the last is in force, the others are former."""
    entries, chapters = {}, []
    for number, (since, until) in enumerate(known, 1):
        id_ = UUID(int=100 + number)
        version = compiled(rule("r", {"fixed": 1}), header={"version": number, "from": START.isoformat()})
        entries[id_] = Entry(TOWN, id_, version)
        chapters.append(Chapter(TOWN, "town", number, Publication(id_, id_, Interval(START, None), since, until)))
    last = list(entries.values())[-1]
    made = Book(1, {last.named: last}, {}, [last.compiled], history={TOWN: chapters})
    return made, {id_: entry for id_, entry in entries.items() if entry is not last}


def test_rules_published_as_something_is_redeemed_are_those_it_rests_on() -> None:
    """The bank holds a version from its instant on, that instant included: so it governed what was redeemed then.

    It ends no era: that lasts until the next change, from whose instant on whatever comes is late to it.
    """
    corrected = T + 4 * HOUR
    rules, former = book((T - HOUR, T), (T, corrected), (corrected, None))
    recorded = {"a": T - HOUR, "b": T + HOUR, "c": corrected - TICK, "d": corrected, "e": corrected + HOUR}
    achievements = [achieved(letter, at) for letter, at in recorded.items()]
    redeemed = lot(1, "a", redeemed=3000)
    basis = Basis({redeemed.id: Redeemed(T, T.date())}, former)

    (era,) = standing_of(achievements, [redeemed], [decided("a", 2)], rules, TODAY, basis).eras["town"]

    assert [version.version for version in era.line] == [2]
    assert era.late == keys(achievements, "de")


# When the hold of B was placed and B decided, seen from when A was redeemed; whether A rests on that hold too.
MOMENTS = [("before", -TICK, True), ("at the very instant", timedelta(), True), ("after", TICK, False)]


@pytest.mark.parametrize(("after", "counts"), [case[1:] for case in MOMENTS], ids=[case[0] for case in MOMENTS])
def test_what_was_held_as_something_was_redeemed_counts_as_of_that_instant(after: timedelta, counts: bool) -> None:
    """As of an instant is with all that was recorded at it, as in every reading of the books (invariant 7).

    What one act posts has one instant, so that the redemption itself is always among what stood then.
    """
    rules, _ = book((T - HOUR, None))
    fell = T + HOUR
    achievements = [achieved("a", T - HOUR), achieved("b", T - HOUR), achieved("c", fell - TICK), achieved("d", fell)]
    redeemed, freed = lot(1, "a", redeemed=3000), lot(2, "b", available=3000)
    postings = [
        posted(redeemed, Account.AVAILABLE, Account.RESERVED, T - HOUR),
        *sorted(
            [posted(redeemed, Account.RESERVED, Account.REDEEMED, T),
             posted(freed, Account.AVAILABLE, Account.RESERVED, T + after)],
            key=lambda posting: posting.recorded_at,
        ),
        posted(freed, Account.RESERVED, Account.AVAILABLE, fell),
    ]  # fmt: skip
    decisions = [decided("a", 1), decided("b", 1)]
    past = Past(postings, [(T - HOUR, decisions[0]), (T + after, decisions[1])])
    basis = Basis({redeemed.id: Redeemed(T, T.date())}, past=past)

    found = standing_of(achievements, [redeemed, freed], decisions, rules, TODAY, basis)

    one = VersionName(1, START)
    a, b = achievements[0].key, achievements[1].key
    assert found.bound == {"town": {a: Bound(one, "r", (a,), is_redeemed=True)}}
    stood: list[tuple[Mapping[str, Bound], frozenset[str]]] = [
        (era.bound, era.late) for era in found.eras.get("town", ())
    ]
    both = {a: Bound(one, "r", (a,), is_redeemed=True), b: Bound(one, "r", (b,), is_redeemed=False)}
    # The era lasts as long as the hold: what comes as it falls is late.
    assert stood == ([(both, keys(achievements, "d"))] if counts else [])


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)], ids=["the redeemed one is younger", "the redeemed one is older"])
def test_a_fact_on_a_held_and_a_redeemed_lot_is_bound_by_the_redeemed_one(numbers: tuple[int, int]) -> None:
    """No change of rules reaches what is redeemed (section 8), but some reach what is held: the stronger one counts."""
    rules, _ = book((T - HOUR, T), (T, None))
    achievements = [achieved("a", T - HOUR), achieved("b", T - HOUR)]
    held, redeemed = lot(numbers[0], "a", reserved=3000), lot(numbers[1], "ba", redeemed=3000)

    found = standing_of(achievements, [held, redeemed], [decided("a", 1), decided("ba", 2)], rules, TODAY)

    by_redeemed = Bound(VersionName(2, START), "r", tuple(one.key for one in reversed(achievements)), is_redeemed=True)
    assert found.bound == {"town": {one.key: by_redeemed for one in achievements}}
