"""What agrees and what differs between two accounts is shown, and nothing of what it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from creditbank.learners.domain import Identity, Learner, Profile
from creditbank.merges.domain import compare
from creditbank.merges.schemas import CandidateOut
from tests.api.world import World

CARD, PASSPORT, PHONE = (Identity(t, v) for t, v in (("id_card", "1"), ("passport", "P1"), ("phone", "138")))
HERE, THERE = Identity("student_number", "7", "cq/here"), Identity("student_number", "7", "cq/there")
BORN = date(1990, 1, 2)


def of(name: str = "Li Wei", born: date | None = BORN, *known: Identity, **others: Any) -> Learner:
    region = others.pop("region", None)
    return Learner(UUID(int=1), Profile("CQ1", name, born, known, **others), region, None, 1)


CASES = {
    "alike": (of(), of(), {"name": "same", "birth_date": "same"}),
    "typed otherwise": (of("Li Wei"), of("LI  wei"), {"name": "written_differently", "birth_date": "same"}),
    "another name": (of("Li Wei"), of("Li Wen"), {"name": "differs", "birth_date": "same"}),
    "another birth date": (of(), of(born=date(1990, 2, 1)), {"name": "same", "birth_date": "differs"}),
    "a birth date of one": (of(), of(born=None), {"name": "same", "birth_date": "only_one"}),
    "no birth date": (of(born=None), of(born=None), {"name": "same"}),
    "a card and another": (
        of("Li Wei", BORN, CARD), of("Li Wei", BORN, replace(CARD, value="2")),
        {"name": "same", "birth_date": "same", "id_card": "differs"},
    ),
    "a card of one, a telephone of the other": (
        of("Li Wei", BORN, CARD), of("Li Wei", BORN, PHONE),
        {"name": "same", "birth_date": "same", "id_card": "only_one", "phone": "only_one"},
    ),
    "a passport that is claimed": (
        of("Li Wei", BORN, PASSPORT), of("Li Wei", BORN, claimed=(PASSPORT,), is_own_word=True),
        {"name": "same", "birth_date": "same", "passport": "claimed_same"},
    ),
    "another passport is claimed": (
        of("Li Wei", BORN, PASSPORT), of("Li Wei", BORN, claimed=(replace(PASSPORT, value="P2"),)),
        {"name": "same", "birth_date": "same", "passport": "differs"},
    ),
    "numbers of two schools": (
        of("Li Wei", BORN, HERE), of("Li Wei", BORN, THERE),
        {"name": "same", "birth_date": "same", "student_number": "other_issuer"},
    ),
    "numbers of one school": (
        of("Li Wei", BORN, HERE), of("Li Wei", BORN, replace(HERE, value="8")),
        {"name": "same", "birth_date": "same", "student_number": "differs"},
    ),
    "one region": (of(region="500103"), of(region="500103"), {"name": "same", "birth_date": "same", "region": "same"}),
    "another region": (
        of(region="500103"), of(region="500105"), {"name": "same", "birth_date": "same", "region": "differs"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_agrees_and_what_differs(case: str) -> None:
    one, other, expected = CASES[case]
    for pair in ((one, other), (other, one)):
        assert {each.what: each.how for each in compare(*pair)} == expected


@pytest.mark.parametrize("case", CASES)
def test_every_comparison_has_a_sentence_in_both_languages(case: str) -> None:
    one, other, expected = CASES[case]
    sentence = CandidateOut.from_domain(one, other).sentence
    assert sentence.zh.count("；") == sentence.en.count("; ") == len(expected) - 1
    assert (sentence.zh[-1], sentence.en[-1], "{" in sentence.zh + sentence.en) == ("。", ".", False)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_list_shows_what_speaks_for_it_and_nothing_of_the_people(world: World) -> None:
    name, born = "Ouyang Qingfeng", "1963-04-05"
    mine = await world.open(name, identities=[{"type": "student_number", "value": "S-1"}], birth_date=born)
    passport = {"type": "passport", "value": "E7770001"}
    other = await world.open("ouyang  qingfeng", birth_date=born, region="500103", identities=[passport])
    answer = await world.partner.get("/v1/duplicates", params={"limit": 200})
    (shown,) = [one for one in answer.json()["items"] if one["learners"] == [mine, other]]
    assert shown["names"] == ["O" + "*" * 14, "o" + "*" * 15]
    assert {each["what"]: each["how"] for each in shown["compared"]} == {
        "name": "written_differently", "birth_date": "same", "passport": "only_one", "student_number": "only_one",
        "region": "only_one",
    }  # fmt: skip
    assert shown["sentence"]["zh"].startswith("姓名写法不同，但可视为相同；出生日期相同；")
    assert shown["sentence"]["en"].startswith("The name is written differently and reads the same; the birth date is")
    for secret in (name, "qingfeng", born, "E7770001", "S-1", "500103"):
        assert secret.lower() not in answer.text.lower()
    # Whoever it is reads that they were looked at.
    for learner in (mine, other):
        looks = (await world.bank.get(f"/v1/learners/{learner}/looks")).json()["items"]
        assert [one["route"] for one in looks if "duplicates" in one["route"]] == ["GET /v1/duplicates"]
