"""Audits over a bank: the programmes of the field's schemes, what is missing in each, and no credit used twice."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from creditbank.programmes.auditing import Audit
from creditbank.providers.actions import NewAccreditation, accredit
from creditbank.providers.queries import by_code
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.document import ParsedDocument, read_documents
from creditbank.rules.language.examples import Example, Given
from creditbank.rules.numbers import decimal_text
from creditbank.rulesets import actions as rulesets
from creditbank.rulesets.actions import Draft
from creditbank.rulesets.domain import Interval
from tests.bank import Bank, document, granting, opened
from tests.programmes.desk import applied, audited, credits_of, decided, learnt, waived

TODAY = date(2025, 3, 1)


@pytest_asyncio.fixture
async def bank(database_url: str) -> AsyncIterator[Bank]:
    """A bank with two schools."""
    async with opened(database_url) as made:
        await made.enter("own", "else")
        yield made


def missing(audit: Audit) -> dict[str, str]:
    """What each requirement lacks, in credits or in items."""
    lacking = {id_: one.milli + one.count * 1000 for id_, one in audit.allocation.missing.items()}
    return credits_of(lacking)


def major(credits_: int, **others: Any) -> dict[str, Any]:
    """An achievement of the major."""
    return {"category": "major", "credits": str(credits_), **others}


def general(credits_: int, **others: Any) -> dict[str, Any]:
    """An achievement of general education."""
    return {"category": "general", "credits": str(credits_), **others}


EVERYTHING = granting("own", kind=["course", "certificate", "exam"])
OWN = {"id": "own-18", "kind": "course", "exclusive": False, "need": {"credits": 18}}
BACHELOR = {
    "id": "bachelor",
    "total": 140,
    "requirements": [
        {"id": "major", "category": "major", "need": {"credits": 60}},
        {"id": "general", "category": "general", "need": {"credits": 30}},
        OWN,
    ],
    "caps": [
        {"id": "one-provider", "kind": "course", "by": "provider", "credits_at_most": 105},
        {"id": "certificates", "kind": "certificate", "count_at_most": 3},
    ],
}
EXITS = [
    {"id": "certificate", "total": 40, "reuse": {"stack_into": ["diploma", "degree"]}},
    {"id": "diploma", "total": 80, "reuse": {"stack_into": ["degree"]}},
    {"id": "degree", "total": 120},
]


HALF = {"id": "major", "category": "major", "need": {"credits": 60}}


def capped(share: str, total: int, **of: Any) -> dict[str, Any]:
    """A programme that takes at most a share of its total from somewhere."""
    return {"id": "bachelor", "total": total, "caps": [{"id": "most", "share_at_most": share, **of}]}


SCHEMES: list[tuple[str, Mapping[str, Any], Sequence[Mapping[str, Any]], str, Mapping[str, str], Sequence[str]]] = [
    # name, programme, what was learnt, recognised, missing, why the rest is not used
    (
        "KR-6: the 106th credit from one institution is not used",
        BACHELOR,
        [general(30), major(76)],
        "105",
        {"major": "0", "general": "0", "own-18": "0"},
        ["cap one-provider, own"],
    ),
    (
        "KR-6: the same credit of another institution is",
        BACHELOR,
        [general(30), major(75), major(1, provider="else")],
        "106",
        {"major": "0", "general": "0", "own-18": "0"},
        [],
    ),
    (
        "KR-7: 17 of 18 credits from courses",
        BACHELOR,
        [general(17), general(63, kind="exam"), major(60, kind="exam")],
        "140",
        {"major": "0", "general": "0", "own-18": "1"},
        [],
    ),
    (
        "KR-8: a surplus of electives does not stand in for the major; KR-9: nor counts beyond the free 50",
        BACHELOR,
        [general(40), general(41, provider="else"), major(59)],
        "139",
        {"major": "1", "general": "0", "own-18": "0"},
        ["full general, own-18"],
    ),
    (
        "KR-11: a fourth certificate is not used although its credits fit",
        BACHELOR,
        [major(5, kind="certificate", completed=f"2024-0{month}-01") for month in (1, 2, 3, 4)],
        "15",
        {"major": "45", "general": "30", "own-18": "18"},
        ["cap certificates"],
    ),
    (
        "IN-8: 64 of 160 by distance, the 65th is over",
        capped("2/5", 160, kind="exam"),
        [major(64, kind="exam"), major(1, kind="exam")],
        "64",
        {},
        ["cap most"],
    ),
    (
        "IN-10: half of the credits in the major",
        {"id": "bachelor", "total": 120, "requirements": [HALF]},
        [major(59), general(61)],
        "119",
        {"major": "1"},
        ["full "],
    ),
    (
        "CN-1: exemption up to 35 % of 50",
        {"id": "bachelor", "total": 50, "caps": [{"id": "most", "kind": "exam", "share_at_most": "7/20"}]},
        [major(20, kind="exam")],
        "17.5",
        {},
        ["cap most"],
    ),
    (
        "US-6: prior learning up to a half of 60",
        capped("1/2", 60, kind="exam"),
        [major(31, kind="exam"), general(10)],
        "40",
        {},
        ["cap most"],
    ),
    ("TH-1: 90 of 120 from elsewhere", capped("3/4", 120, provider_not="own"), [major(91, provider="else")], "90", {},
     ["cap most"]),
    ("VN-1: 65 of 130 recognised", capped("1/2", 130, provider_not="own"), [major(66, provider="else")], "65", {},
     ["cap most"]),
    (
        "UK-4: 240 credits with 90 at level 2",
        {"id": "bachelor", "total": 240,
         "requirements": [{"id": "upper", "unit": ["U0"], "exclusive": False, "need": {"credits": 100}}]},
        [major(90), major(150, provider="else")],
        "240",
        {"upper": "10"},
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("programme", "lots", "recognised", "lacking", "idle"),
    [row[1:] for row in SCHEMES],
    ids=[row[0].partition(":")[0] + f" {number}" for number, row in enumerate(SCHEMES)],
)
async def test_the_schemes_of_the_field(
    bank: Bank,
    programme: Mapping[str, Any],
    lots: Sequence[Mapping[str, Any]],
    recognised: str,
    lacking: Mapping[str, str],
    idle: Sequence[str],
) -> None:
    await bank.publish(document(EVERYTHING, programmes=[programme]))
    (learner,) = await bank.open("Li Wei")
    await learnt(bank, learner, *lots)

    audit = await audited(bank, learner, "bachelor")

    assert decimal_text(f"{audit.allocation.recognised}/1000") == recognised
    assert missing(audit) == lacking
    assert [f"{one.reason} {', '.join(one.names)}" for one in audit.allocation.idle] == idle


# --- Credits are used once, and once more where programmes stack ------------------------------------------------------


async def redeem(bank: Bank, learner: UUID, programme: str) -> None:
    """Apply for an award, and have it."""
    await decided(bank, await applied(bank, learner, programme))


async def test_in_5_credits_of_an_earlier_exit_count_once_more(bank: Bank) -> None:
    await bank.publish(document(EVERYTHING, programmes=EXITS))
    (learner,) = await bank.open("Li Wei")
    await learnt(bank, learner, major(45), major(34))
    stands = {name: (await audited(bank, learner, name)).allocation for name in ("certificate", "diploma", "degree")}
    assert {name: one.is_complete for name, one in stands.items()} == {
        "certificate": True, "diploma": False, "degree": False,
    }  # fmt: skip

    await redeem(bank, learner, "certificate")

    again = await audited(bank, learner, "certificate")
    assert again.allocation.recognised == 39_000
    assert [one.reason for one in again.set_aside] == ["redeemed"]
    diploma = await audited(bank, learner, "diploma")
    assert diploma.allocation.recognised == 79_000
    assert sum(milli for _, milli in diploma.to_hold) == 39_000
    await learnt(bank, learner, major(45), major(34), major(1))
    await redeem(bank, learner, "diploma")
    degree = await audited(bank, learner, "degree")
    assert (degree.allocation.recognised, degree.to_hold) == (80_000, [])


async def test_a_hold_counts_for_its_own_programme_alone(bank: Bank) -> None:
    await bank.publish(
        document(EVERYTHING, programmes=[{"id": "certificate", "total": 30}, {"id": "other", "total": 40}])
    )
    (learner,) = await bank.open("Li Wei")
    await learnt(bank, learner, major(30))
    await applied(bank, learner, "certificate")

    mine, other = await audited(bank, learner, "certificate"), await audited(bank, learner, "other")

    assert (mine.allocation.recognised, mine.to_hold) == (30_000, [])
    assert (other.allocation.recognised, [one.reason for one in other.set_aside]) == (0, ["reserved"])


@pytest.mark.parametrize("learning", [None, "the same learning"])
async def test_what_is_used_under_other_rules_is_not_used_here(bank: Bank, learning: str | None) -> None:
    await bank.publish(document(EVERYTHING, programmes=EXITS))
    only = granting("other", kind="course") if learning is None else granting("other", kind="course", provider="else")
    await bank.publish(document(only, id_="other", programmes=EXITS))
    (learner,) = await bank.open("Li Wei")
    if learning is None:
        await learnt(bank, learner, major(40))
    else:
        await learnt(bank, learner, major(40, learning=learning), major(40, learning=learning, provider="else"))
    before = (await audited(bank, learner, "certificate")).allocation.recognised
    await redeem(bank, learner, "other.certificate")

    audit = await audited(bank, learner, "certificate")

    assert before > 0
    assert audit.allocation.recognised == 0
    assert {one.reason for one in audit.set_aside} == {"already_used"}


async def test_a_waiver_drops_a_requirement(bank: Bank) -> None:
    await bank.publish(document(EVERYTHING, programmes=[BACHELOR]))
    (learner,) = await bank.open("Li Wei")
    before = await audited(bank, learner, "bachelor")
    await waived(bank, learner, "own-18")

    after = await audited(bank, learner, "bachelor")

    assert set(before.allocation.missing) - set(after.allocation.missing) == {"own-18"}
    assert after.waived == ("own-18",)
    assert before.inputs != after.inputs


# --- The published examples -------------------------------------------------------------------------------------------


def _documents() -> dict[str, str]:
    """The field's rows as documents, and the design's examples where they are, by name; those with programmes."""
    given = os.environ.get("CREDITBANK_TEST_EXAMPLES")
    folder = Path(given) if given else Path(__file__).resolve().parents[3] / "shared/design/examples"
    rows = Path(__file__).parents[1] / "rules" / "field"
    files = [*sorted(rows.glob("*.yaml")), *sorted(folder.glob("*.yaml"))]
    return {path.stem: text for path in files if "programme:" in (text := path.read_text("utf-8"))}


DOCUMENTS = _documents()


async def hold(bank: Bank, parsed: ParsedDocument) -> None:
    """Let a document govern as it stands: its kinds and categories are its own, and the bank's code lists lack them."""
    text, header = canonical(parsed.model), parsed.model.ruleset
    draft = Draft(header.id, header.version, text.decode(), sha256(text))
    async with bank.database.write() as connection:
        rule_set = await rulesets.register(connection, header.id, None, bank.clock())
        version = await rulesets.add_draft(connection, rule_set, draft, "client:test", bank.clock())
        await rulesets.turn_epoch(connection)
        valid = Interval(header.from_, header.until)
        simulated = replace(version, state="simulated")
        await rulesets.mark_approved(connection, simulated, "client:other", bank.clock())
        await rulesets.publish(connection, replace(version, state="approved"), valid, bank.clock())


def stated(given: Given) -> dict[str, Any]:
    """An achievement of an example as it is recorded."""
    plain = given.model_dump(mode="json", exclude_defaults=True, exclude={"id", "accredited"})
    plain |= {name: decimal_text(plain[name]) for name in ("credits", "hours", "attendance") if name in plain}
    return {"credits": "0", "assurance": given.assurance, **plain}


async def live(bank: Bank, example: Example, number: int) -> UUID:
    """Enter everything that an example is about, on its day; answers its learner."""
    day = example.as_of
    bank.clock.instant = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    codes = {"/".join(g.provider.split("/")[:n]) for g in example.given for n in range(1, g.provider.count("/") + 2)}
    async with bank.database.read() as connection:
        known = await by_code(connection, sorted(codes))
    await bank.enter(*sorted(codes - set(known)))
    async with bank.database.write() as connection:
        found = await by_code(connection, sorted(codes))
        for register, provider in sorted({(r, g.provider) for g in example.given for r in g.accredited}):
            entry = NewAccreditation(register, None, date(2000, 1, 1), None)
            await accredit(connection, found[provider].id, entry, bank.clock())
        await rulesets.turn_epoch(connection)
    (learner,) = await bank.open("Li Wei")
    for given in example.given:
        await bank.record(learner, f"{number}.{given.id}", **stated(given))
    return learner


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_bank_audits_as_the_document_says(bank: Bank, name: str) -> None:
    documents = read_documents(DOCUMENTS[name])
    for parsed in sorted(documents, key=lambda one: one.model.ruleset.from_):
        await hold(bank, parsed)
    examples = [(parsed, one) for parsed in documents for one in parsed.model.tests if one.then.programme]
    for number, (parsed, example) in enumerate(examples):
        learner = await live(bank, example, number)
        for expected in example.then.programme:
            audit = await audited(bank, learner, f"{parsed.model.ruleset.id}.{expected.id}")
            assert audit.allocation.recognised == expected.recognised * 1000
            if expected.missing is not None:
                assert missing(audit) == {id_: decimal_text(amount) for id_, amount in expected.missing.items()}
            if expected.use is not None:
                names = {id_: stake.name[0] for id_, stake in audit.stakes.items()}
                used = {names[id_][0].partition(".")[2]: milli for id_, milli in audit.allocation.uses.items()}
                assert credits_of(used) == {key: decimal_text(amount) for key, amount in expected.use.items()}


def test_the_rows_of_the_field_are_among_them() -> None:
    assert {"kr-6", "kr-7", "kr-8", "kr-9", "kr-11", "in-5", "cn-1", "us-6", "th-1", "vn-1"} <= DOCUMENTS.keys()
