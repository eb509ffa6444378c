"""Which of several rules takes an achievement, and which rule is named when none does (rules/v1 sections 10 and 11)."""

from __future__ import annotations

import pytest

from tests.rules.writing import Case, mismatches, names


def given_by(id_: str, more: str = "", match: str = "", credits_: str = "fixed: 1") -> str:
    """A rule in YAML."""
    return f"{{id: {id_}, {more}{', ' if more else ''}match: {{{match}}}, grant: {{credits: {{{credits_}}}}}}}"


def rules(*written: str, blocks: str = "") -> str:
    """Rules in YAML."""
    return f"recognition: [{', '.join(written)}]\n{blocks}"


DENY = "{{id: {0}, {1}effect: deny, match: {{{2}}}}}".format
REVIEW = "{{id: {0}, {1}effect: review, match: {{{2}}}}}".format
BASE = given_by("base", "priority: 200", "kind: course", "native: 1")
NIGHT = "where: {fact: night, op: '==', value: true}"
ABROAD = "where: {fact: abroad, op: '==', value: true}"
BEST = "groups: {work: {hit: best_for_learner}}"
HOURLY = given_by("hourly", "group: work", "kind: work", "per_hour: 30")
OWN = given_by("own", "group: work", "kind: work", "native: 1")

CASES: list[Case] = [
    ("the higher priority", rules(given_by("low", "priority: 1", "kind: course"), given_by("high", "priority: 2",
     "code: A")),
     "{id: a, code: A}, {id: b}", "total: 2, a: [1, rule=high], b: [1, rule=low]"),
    ("a priority below none", rules(given_by("last", "priority: -1"), given_by("usual", "", "code: A")),
     "{id: a, code: A}, {id: b}",
     "a: [1, rule=usual], b: [1, rule=last]"),
    ("an achievement is consumed once", rules(given_by("low", "priority: 1", "kind: course"), given_by("high",
     "priority: 2", "code: A")),
     "{id: a, code: A}", "total: 1, a: 1"),
    ("a denial above", rules(given_by("low", "priority: 1", "kind: course"), DENY("never", "priority: 2, ", "code: A")),
     "{id: a, code: A}, {id: b}", "total: 1, a: [deny, never], b: 1"),
    ("a denial below comes too late", rules(given_by("high", "priority: 2", "code: A"), DENY("never", "priority: 1, ",
     "kind: course")),
     "{id: a, code: A}, {id: b}", "total: 1, a: [1, rule=high], b: [deny, never]"),
    ("a person decides", rules(given_by("low", "priority: 1", "kind: course"), REVIEW("ask", "priority: 2, ",
     "code: A")),
     "{id: a, code: A}, {id: b}", "total: 1, a: [review, ask], b: 1"),
    # Exceptions.
    ("an exception stands before its base, whatever its priority",
     rules(BASE, given_by("art", "exception_to: base", "kind: course, category: art")),
     "{id: a, category: art}, {id: b, category: math}", "total: 4, a: [1, rule=art], b: [3, rule=base]"),
    ("an exception stands just before its base, not before others",
     rules(BASE, given_by("art", "exception_to: base, priority: 900", "kind: course, category: art"),
           given_by("special", "priority: 300", "code: A", "fixed: 9")),
     "{id: a, code: A, category: art}, {id: b, category: art}", "total: 10, a: [9, rule=special], b: [1, rule=art]"),
    ("an exception that denies", rules(BASE, DENY("art", "exception_to: base, ", "kind: course, category: art")),
     "{id: a, category: art}, {id: b}", "total: 3, a: [deny, art], b: 3"),
    ("an exception that allows what is denied",
     rules(DENY("remedial", "priority: 300, ", "code: [M0, M1]"), given_by("but", "exception_to: remedial",
     "code: M1"), BASE),
     "{id: a, code: M0}, {id: b, code: M1}, {id: c}", "total: 4, a: [deny, remedial], b: [1, rule=but], c: 3"),
    ("an exception to an exception",
     rules(BASE, DENY("art", "exception_to: base, ", "kind: course, category: art"),
           given_by("music", "exception_to: art", "kind: course, category: art/music")),
     "{id: a, category: art}, {id: b, category: art/music}, {id: c}", "total: 4, a: deny, b: [1, rule=music], c: 3"),
    ("of two exceptions the higher priority",
     rules(BASE, given_by("x", "exception_to: base, priority: 1", f"kind: course, {NIGHT}"),
           given_by("y", "exception_to: base, priority: 2", f"kind: course, {ABROAD}", "fixed: 2")),
     "{id: a, facts: {night: true, abroad: true}}, {id: b, facts: {night: true}}",
     "total: 3, a: [2, rule=y], b: [1, rule=x]"),
    ("exceptions that do not both bind are no conflict",
     rules(BASE, given_by("x", "exception_to: base", "kind: course, code: A"),
           given_by("y", "exception_to: base", "kind: course, code: B", "fixed: 2")),
     "{id: a, code: A}, {id: b, code: B}", "total: 3, a: [1, rule=x], b: [2, rule=y]"),
    ("exceptions that both bind and do the same are no conflict",
     rules(BASE, DENY("x", "exception_to: base, ", f"kind: course, {NIGHT}"),
           DENY("y", "exception_to: base, ", f"kind: course, {ABROAD}")),
     "{id: a, facts: {night: true, abroad: true}}", "total: 0, a: [deny, x]"),
    ("exceptions that both bind and do not do the same are for a person",
     rules(BASE, DENY("x", "exception_to: base, ", f"kind: course, {NIGHT}"),
           REVIEW("y", "exception_to: base, ", f"kind: course, {ABROAD}")),
     "{id: a, facts: {night: true, abroad: true}}", "total: 0, a: [review, conflict with y]"),
    # A rule's own dates.
    ("a rule's last day", rules(given_by("old", "until: 2023-01-01")), "{id: a, completed: 2022-12-31}", "a: 1"),
    ("a rule's first day outside", rules(given_by("old", "until: 2023-01-01")), "{id: a, completed: 2023-01-01}",
     "a: [none, 'old: in force: 2023-01-01 (wanted open to 2023-01-01)']"),
    ("a rule's first day", rules(given_by("new", "from: 2023-01-01")), "{id: a, completed: 2023-01-01}", "a: 1"),
    ("the day before a rule's first", rules(given_by("new", "from: 2023-01-01")), "{id: a, completed: 2022-12-31}",
     "a: [none, 'new: in force: 2022-12-31 (wanted 2023-01-01 to open)']"),
    ("a rule's dates go by the governing date",
     "ruleset: {clock: {recognition: submitted}}\n" + rules(given_by("new", "from: 2023-01-01")),
     "{id: a, completed: 2022-12-31, submitted: 2023-01-01}", "a: 1"),
    ("a rule's dates go by the latest of a combination",
     rules("{id: pair, from: 2023-01-01, match: {all: [{code: A}, {code: B}]}, grant: {credits: {fixed: 4}}}"),
     "{id: a, code: A, completed: 2022-06-01}, {id: b, code: B, completed: 2023-01-01}", "total: 4, a+b: 4"),
    # Groups.
    ("the best for the learner: by hours", rules(HOURLY, OWN, blocks=BEST),
     "{id: a, kind: work, hours: 120, credits: 3}",
     "total: 4, a: [4, rule=hourly]"),
    ("the best for the learner: by own credits", rules(HOURLY, OWN, blocks=BEST),
     "{id: a, kind: work, hours: 60, credits: 3}",
     "total: 3, a: [3, rule=own]"),
    ("the best for the learner: a tie goes to the id", rules(OWN, HOURLY, blocks=BEST),
     "{id: a, kind: work, hours: 90, credits: 3}",
     "total: 3, a: [3, rule=hourly]"),
    ("the best for the learner: what needs a person is passed over", rules(HOURLY, OWN, blocks=BEST),
     "{id: a, kind: work, credits: 3}",
     "total: 3, a: [3, rule=own]"),
    ("the best for the learner: unless all need one", rules(HOURLY, OWN, blocks=BEST),
     "{id: a, kind: work, credits: null}",
     "total: 0, a: review"),
    ("the best for the learner: all lots of a rule together",
     rules("{id: two, group: work, match: {kind: work}, grant: [{unit: U, credits: {fixed: 2}}, {unit: V, credits: "
     "{fixed: 2}}]}",
           OWN, blocks=BEST), "{id: a, kind: work, credits: 3}", "total: 4, a/U: [2, rule=two], a/V: 2"),
    ("the best for the learner: a higher priority first",
     rules(given_by("first", "group: work, priority: 9", "kind: work, code: A", "fixed: 1"), HOURLY, blocks=BEST),
     "{id: a, kind: work, code: A, hours: 120}, {id: b, kind: work, hours: 120}",
     "total: 5, a: [1, rule=first], b: [4, rule=hourly]"),
    ("the best for the learner: each achievement by its own", rules(HOURLY, OWN, blocks=BEST),
     "{id: a, kind: work, hours: 120, credits: 3}, {id: b, kind: work, hours: 60, credits: 3}",
     "total: 7, a: [4, rule=hourly], b: [3, rule=own]"),
    # The nearest rule.
    ("nearest: fewer failed facts of identity before fewer failed conditions",
     rules(given_by("far", "", "kind: exam"), given_by("near", "",
     "code: A, hours: {min: 10}, attendance: {min: 80}, assurance: signed")),
     "{id: a, code: A}", "a: [none, 'near: hours: none (wanted >=10)', 'near: attendance: none (wanted >=80)', 'near: "
     "assurance: verified (wanted >=signed)']"),
    ("nearest: then fewer failed conditions",
     rules(given_by("b-one", "", "code: A, hours: {min: 10}"), given_by("a-two", "",
     "code: A, hours: {min: 10}, attendance: {min: 80}")),
     "{id: a, code: A}", "a: [none, 'b-one: hours: none (wanted >=10)']"),
    ("nearest: then the higher priority",
     rules(given_by("a", "", "code: A, hours: {min: 10}"), given_by("b", "priority: 5",
     "code: A, attendance: {min: 10}")),
     "{id: a, code: A}", "a: [none, 'b: attendance: none (wanted >=10)']"),
    ("nearest: then the id", rules(given_by("b", "", "code: A, hours: {min: 10}"), given_by("a", "",
     "code: A, attendance: {min: 10}")),
     "{id: a, code: A}", "a: [none, 'a: attendance: none (wanted >=10)']"),
    ("nearest: a denial is not near", rules(DENY("never", "priority: 9, ", "code: A, hours: {min: 10}"),
     given_by("near", "", "code: B, provider: us")),
     "{id: a, code: A}", "a: [none, 'near: code: A (wanted B)', 'near: provider: cn/cq (wanted in us)']"),
    ("nearest: a further slot counts as a condition",
     rules(given_by("solo", "", "code: A, hours: {min: 10}, attendance: {min: 80}"),
           "{id: trio, match: {all: [{code: A}, {code: B}]}, grant: {credits: {fixed: 4}}}"),
     "{id: a, code: A}", "a: [none, 'trio: another part of the combination is missing']"),
    ("nearest: a further slot and a condition are alike, then the priority",
     rules(given_by("solo", "priority: 5", "code: A, hours: {min: 10}"),
           "{id: pair, match: {all: [{code: A}, {code: B}]}, grant: {credits: {fixed: 4}}}"),
     "{id: a, code: A}", "a: [none, 'solo: hours: none (wanted >=10)']"),
    # What is said.
    ("age", rules(given_by("r", "", "age: {max: P5Y}")), "{id: a, completed: 2020-03-01, submitted: 2025-03-02}",
     "as_of: 2025-04-01, a: [none, 'r: age: completed 2020-03-01, submitted 2025-03-02 (wanted within P5Y)']"),
    ("age by application", rules(given_by("r", "", "age: {max: P5Y, at: applied}")),
     "{id: a, completed: 2020-03-01, submitted: 2025-03-01, applied: 2025-03-02}",
     "as_of: 2025-04-01, a: [none, 'r: age: completed 2020-03-01, applied 2025-03-02 (wanted within P5Y)']"),
    ("several values", rules(given_by("r", "", "kind: [mooc, exam], provider: [us, kr]")), "{id: a}",
     "a: [none, 'r: kind: course (wanted mooc|exam)', 'r: provider: cn/cq (wanted in us|kr)']"),
]  # fmt: skip

DAYS: list[tuple[str, str, str, bool]] = [
    ("age: {max: P5Y}", "2015-06-01", "submitted: 2020-06-01", True),
    ("age: {max: P5Y}", "2015-06-01", "submitted: 2020-06-02", False),
    ("age: {max: P5Y}", "2016-02-29", "submitted: 2021-02-28", True),
    ("age: {max: P5Y}", "2016-02-29", "submitted: 2021-03-01", False),
    ("age: {max: P4Y}", "2016-02-29", "submitted: 2020-02-29", True),
    ("age: {max: P4Y}", "2016-02-29", "submitted: 2020-03-01", False),
    ("age: {max: P1M}", "2021-01-31", "submitted: 2021-02-28", True),
    ("age: {max: P1M}", "2021-01-31", "submitted: 2021-03-01", False),
    ("age: {max: P10D}", "2021-01-31", "submitted: 2021-02-10", True),
    ("age: {max: P10D}", "2021-01-31", "submitted: 2021-02-11", False),
    # Submitted is the day of completion where nothing else is said, and applied that of submission.
    ("age: {max: P1D}", "2015-06-01", "", True),
    ("age: {max: P5Y, at: submitted}", "2015-06-01", "submitted: 2020-06-01, applied: 2021-01-01", True),
    ("age: {max: P5Y, at: applied}", "2015-06-01", "submitted: 2020-06-01, applied: 2020-06-02", False),
    ("age: {max: P5Y, at: applied}", "2015-06-01", "submitted: 2019-01-01, applied: 2020-06-01", True),
    ("age: {max: P5Y, at: applied}", "2015-06-01", "submitted: 2020-06-02", False),
    ("tags: proctored", "2021-01-01", "tags: [online, proctored]", True),
    ("tags: [proctored, online]", "2021-01-01", "tags: [online, proctored, night]", True),
    ("tags: [proctored, online]", "2021-01-01", "tags: online", False),
    ("tags: proctored", "2021-01-01", "", False),
    ("level: {min: 4, below: 6}", "2021-01-01", "level: {eqf: '4'}", True),
    ("level: {min: 4, below: 6}", "2021-01-01", "level: {eqf: '6'}", False),
    ("accredited: ace", "2021-07-01", "provider: us/acme, code: NET1", True),
    ("accredited: ace", "2021-06-30", "provider: us/acme, code: NET1", False),
    ("accredited: ace", "2024-06-30", "provider: us/acme/west, code: NET1", True),
    ("accredited: ace", "2024-07-01", "provider: us/acme, code: NET1", False),
    ("accredited: ace", "2022-01-01", "provider: us/acme, code: NET2", False),
    ("accredited: ace", "2022-01-01", "provider: us/acme", False),
    ("accredited: ace", "2022-01-01", "provider: us/acmeco, code: NET1", False),
    ("accredited: ace", "2010-01-01", "provider: us/free, code: X", True),
    # Accreditation is asked on completion, not on submission.
    ("accredited: ace", "2024-06-30", "provider: us/acme, code: NET1, submitted: 2024-09-01", True),
    ("accredited: ace", "2021-06-30", "provider: us/acme, code: NET1, submitted: 2021-09-01", False),
    ("accredited: niie", "2021-01-01", "accredited: [niie, other]", True),
    ("accredited: niie", "2021-01-01", "accredited: other", False),
]  # fmt: skip


@pytest.mark.parametrize(("written", "given", "then"), [case[1:] for case in CASES], ids=names(CASES))
def test_the_rule_that_decides(written: str, given: str, then: str) -> None:
    assert mismatches(written, given, then) == []


@pytest.mark.parametrize(("match", "completed", "more", "is_taken"), DAYS, ids=[" | ".join(map(str, d)) for d in DAYS])
def test_a_matcher_on_both_sides_of_its_edge(match: str, completed: str, more: str, is_taken: bool) -> None:
    blocks = (
        "ruleset: {from: 2000-01-01}\nlevels: {eqf: {'4': 4, '6': 6}}\nregisters: {niie: {external: true}, ace: "
        "{entries:"
        " [{provider: us/acme, code: NET1, from: 2021-07-01, until: 2024-07-01}, {provider: us/free}]}}\n"
    )

    given = f"{{id: a, completed: {completed}{', ' if more else ''}{more}}}"

    assert mismatches(blocks + rules(given_by("r", "", match)), given, f"a: {'1' if is_taken else 'none'}") == []


def test_a_gap_between_two_terms_of_accreditation() -> None:
    blocks = (
        "registers: {ace: {entries: [{provider: us, until: 2021-01-01}, {provider: us, from: 2022-01-01}]}}\n"
        "recognition: [{id: r, match: {accredited: ace}, grant: {credits: {fixed: 1}}}]"
    )
    given = ", ".join(
        f"{{id: {id_}, provider: us, completed: {day}}}"
        for id_, day in [("a", "2020-12-31"), ("b", "2021-01-01"), ("c", "2021-12-31"), ("d", "2022-01-01")]
    )

    assert mismatches(blocks, given, "a: 1, b: none, c: none, d: 1") == []
