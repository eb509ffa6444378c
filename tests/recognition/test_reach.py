"""Evaluating what a change touches gives the same lots as evaluating everything (architecture, law)."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis
from hypothesis import strategies as st

from creditbank.achievements.domain import Achievement
from creditbank.intake.actions import Recorded
from tests.bank import Bank, document, granting, submission
from tests.recognition.test_settle import settle_whole

# Two rule sets that meet in the same units in different ways; an exam gives its own unit and, beside it, one that all
# exams and some courses share, so that a change travels over several achievements.
RULES = (
    document(
        granting("course", kind="course"),
        {
            "id": "exam",
            "match": {"kind": "exam"},
            "grant": [{"credits": {"native": 1}}, {"credits": {"native": "1/2"}, "unit": "A"}],
        },
        unique={"keep": "best"},
    ),
    document(granting("all", kind=["course", "exam"]), id_="city", unique={"keep": "latest"}),
)

STATED = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["course", "exam", "volunteering"]),
        "code": st.sampled_from(["A", "B", "C", None]),
        "credits": st.sampled_from(["1", "2", "3"]),
        "completed": st.sampled_from(["2024-01-10", "2024-02-10", "2024-03-10"]),
    }
)
ON_AN_OLD_ONE = st.tuples(st.sampled_from(["amend", "revoke"]), st.integers(0, 9), STATED)
STEPS = st.lists(
    st.one_of(st.lists(STATED, min_size=1, max_size=3).map(lambda many: ("record", 0, many)), ON_AN_OLD_ONE),
    min_size=1,
    max_size=7,
)

_serial = itertools.count()


def named(stated: dict[str, Any]) -> dict[str, Any]:
    """A statement without the fields that it leaves out."""
    return {name: value for name, value in stated.items() if value is not None}


@hypothesis.given(steps=STEPS)
@hypothesis.settings(
    max_examples=25,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
async def test_what_a_change_touches_is_all_that_changes(bank: Bank, steps: list[tuple[str, int, Any]]) -> None:
    if await bank.count("rule_sets") == 0:
        for plain in RULES:
            await bank.publish(plain)
    (learner,) = await bank.open("Li Wei")
    held: list[Achievement] = []
    for verb, which, stated in steps:
        if verb == "record":
            new = [submission(learner, f"E{next(_serial)}", **named(one)) for one in stated]
            held += [outcome.achievement for outcome in await bank.submit(*new) if isinstance(outcome, Recorded)]
        elif held:
            chosen = held.pop(which % len(held))
            if verb == "revoke":
                await bank.revoke(chosen)
            elif any(chosen.current.content.get(name) != value for name, value in stated.items()):
                held.append((await bank.amend(chosen, **stated)).achievement)

        assert not await settle_whole(bank, learner), (verb, stated)
