"""From equivalencies to a rule document: settled where they contradict, ordered, and with a test for each.

Published tables were not written for a machine: they repeat a course with another answer, or let two combinations share
a course. Whatever can be said exactly becomes a rule; where a table contradicts itself the rule sends the matter to a
person, and a finding names the courses that show it. Nothing is ever decided by guessing (rules/v1 section 11).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from itertools import combinations
from typing import Any, Final, Literal

Effect = Literal["grant", "deny", "review"]

BLANKET: Final = "blanket:"
"""Units that begin so are credits of a kind, not a course; several of them never compete (rules/v1 section 6)."""

MOST_SLOTS: Final = 12
"""No combination of rules/v1 is larger."""


@dataclass(frozen=True, slots=True)
class Grade:
    """Grades of one scale with their position in [min, below); None leaves that side open."""

    scale: str
    min: Fraction | None = None
    below: Fraction | None = None

    def holds(self, scale: str, position: Fraction) -> bool:
        """Whether a grade of that scale at that position is inside."""
        return (
            scale == self.scale
            and (self.min is None or position >= self.min)
            and (self.below is None or position < self.below)
        )

    def holds_all(self, other: Grade) -> bool:
        """Whether every grade of the other is inside."""
        return (
            self.scale == other.scale
            and (self.min is None or (other.min is not None and other.min >= self.min))
            and (self.below is None or (other.below is not None and other.below <= self.below))
        )

    def meets(self, other: Grade) -> bool:
        """Whether one grade can be in both."""
        return (
            self.scale == other.scale
            and (self.min is None or other.below is None or self.min < other.below)
            and (other.min is None or self.below is None or other.min < self.below)
        )


@dataclass(frozen=True, slots=True)
class Course:
    """What must have been taken, at whom. Without a code anything of the provider serves; without a grade any grade."""

    provider: str
    code: str | None = None
    kind: str | None = None
    grade: Grade | None = None
    title: str | None = field(default=None, compare=False)

    def meets(self, other: Course) -> bool:
        """Whether one achievement can serve for both."""
        return (
            (self.code is None or other.code is None or self.code == other.code)
            and (self.kind is None or other.kind is None or self.kind == other.kind)
            and (contains(self.provider, other.provider) or contains(other.provider, self.provider))
            and (self.grade is None or other.grade is None or self.grade.meets(other.grade))
        )

    def __str__(self) -> str:
        return f"{self.provider} {self.code or '*'}"


@dataclass(frozen=True, slots=True)
class Award:
    """One lot that is granted. ``credits`` None: as many as were earned where the course was taken."""

    unit: str
    credits: Fraction | None
    title: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Equivalency:
    """One statement of a table: any of the alternatives, of which all courses are needed, gives all of the awards.

    ``priority`` None leaves the place among the others to ``compose``. ``source`` says where it was found, for people.
    """

    id: str
    sending: tuple[tuple[Course, ...], ...]
    effect: Effect = "grant"
    awards: tuple[Award, ...] = ()
    priority: int | None = None
    title: str | None = None
    source: str = ""

    @property
    def size(self) -> int:
        """How many courses the largest alternative needs."""
        return max(len(courses) for courses in self.sending)

    @property
    def outcome(self) -> Outcome:
        """What tells two equivalencies apart beside their courses."""
        return (self.effect, frozenset(Counter((award.unit, award.credits) for award in self.awards).items()))


Outcome = tuple[Effect, frozenset[tuple[tuple[str, Fraction | None], int]]]


@dataclass(frozen=True, slots=True)
class Scheme:
    """The head of a rule set, and the scales its grades stand on: position by grade; an empty scale has numbers."""

    id: str
    start: date
    unit: str
    version: int = 1
    until: date | None = None
    step: Fraction = Fraction(1, 2)
    round: str = "down"
    title: str | None = None
    scales: Mapping[str, Mapping[str, Fraction]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remark:
    """What a table does not say clearly, where, and the courses of a transcript that shows it.

    ``code`` is one of ``faults.REMARKS``; ``terms`` fill its sentence.
    """

    code: str
    source: str
    terms: Mapping[str, str] = field(default_factory=dict)
    counterexample: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Composition:
    """A rule set ready to be written: its rules in the order of the table, and what a person should look at."""

    scheme: Scheme
    rules: tuple[Equivalency, ...]
    remarks: tuple[Remark, ...]


def contains(tree: str, path: str) -> bool:
    """Whether a provider's subtree holds another: ``cn/cq`` holds ``cn/cq/yz``, not ``cn/cqx``."""
    return path == tree or path.startswith(f"{tree}/")


def compose(scheme: Scheme, equivalencies: Iterable[Equivalency]) -> Composition:
    """Settle contradictions and give every rule its id and priority."""
    remarks: list[Remark] = []
    settled = _settle(equivalencies, remarks)
    ranked = _rank(settled, remarks)
    return Composition(scheme, tuple(ranked), tuple(remarks))


# --- Contradictions ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Atom:
    """One alternative of one equivalency."""

    origin: int
    courses: tuple[Course, ...]
    whole: Equivalency
    review: bool = False

    @property
    def outcome(self) -> Outcome:
        return self.whole.outcome


def _settle(equivalencies: Iterable[Equivalency], remarks: list[Remark]) -> list[Equivalency]:
    """The same equivalencies, each set of courses with one outcome; what contradicts itself goes to review."""
    atoms = [
        _Atom(origin, courses, equivalency)
        for origin, equivalency in enumerate(equivalencies)
        for courses in equivalency.sending
    ]
    same: dict[object, list[_Atom]] = defaultdict(list)
    for atom in atoms:
        # Which courses, without the grades: of the same courses two grade bands may meet.
        same[tuple(sorted(map(_identity, atom.courses)))].append(atom)
    kept: list[_Atom] = []
    for group in same.values():
        kept.extend(_settled_group(group, remarks) if len(group) > 1 else group)
    return _regroup(sorted(kept, key=lambda atom: atom.origin))


def _settled_group(group: list[_Atom], remarks: list[Remark]) -> Iterator[_Atom]:
    for cluster in _meeting(group):
        explicit = [atom.whole.priority for atom in cluster]
        outcomes = {atom.outcome: atom for atom in reversed(cluster)}
        if len(set(explicit)) == len(cluster) and None not in explicit:
            # Whoever wrote the priorities has decided which comes first.
            yield from cluster
        elif len(outcomes) == 1:
            yield from _without_repeats(cluster, remarks)
        elif (largest := _that_holds_all(list(outcomes.values()))) is not None and _is_one_set(cluster):
            terms = {"rule": largest.whole.id, "awards": _awards_text(largest.whole)}
            remarks.append(Remark("contained", _sources(cluster), terms))
            yield largest
        else:
            terms = {
                "courses": _courses_text(cluster[0].courses),
                "outcomes": " | ".join(_awards_text(atom.whole) for atom in reversed(list(outcomes.values()))),
            }
            shown = tuple(str(course) for course in cluster[0].courses)
            remarks.append(Remark("several_outcomes", _sources(cluster), terms, shown))
            for atom in _widest(cluster):
                atom.review = True
                yield atom


def _meeting(group: list[_Atom]) -> Iterator[list[_Atom]]:
    """Atoms whose grades meet, together. The courses are the same, and stand in one order."""
    left = list(group)
    while left:
        cluster, grown = [left.pop(0)], True
        while grown:
            near = [atom for atom in left if any(_meet(atom.courses, other.courses) for other in cluster)]
            grown = bool(near)
            cluster.extend(near)
            left = [atom for atom in left if atom not in near]
        yield cluster


def _meet(some: Sequence[Course], others: Sequence[Course]) -> bool:
    return all(a.meets(b) for a, b in zip(sorted(some, key=_identity), sorted(others, key=_identity), strict=True))


def _identity(course: Course) -> tuple[str, str, str]:
    return (course.code or "", course.provider, course.kind or "")


def _is_one_set(cluster: Sequence[_Atom]) -> bool:
    return len({frozenset(Counter(atom.courses).items()) for atom in cluster}) == 1


def _widest(cluster: Sequence[_Atom]) -> list[_Atom]:
    """Without those that another takes all of: of equal ones the first stays, of grades the wider band."""
    widest: list[_Atom] = []
    for atom in cluster:
        if not any(_takes_all(other, atom) for other in widest):
            widest = [other for other in widest if not _takes_all(atom, other)] + [atom]
    return widest


def _takes_all(atom: _Atom, other: _Atom) -> bool:
    pairs = zip(sorted(atom.courses, key=_identity), sorted(other.courses, key=_identity), strict=True)
    return all(a.grade is None or (b.grade is not None and a.grade.holds_all(b.grade)) for a, b in pairs)


def _without_repeats(cluster: list[_Atom], remarks: list[Remark]) -> Iterable[_Atom]:
    distinct = _widest(cluster)
    if len(distinct) < len(cluster):
        remarks.append(Remark("repeated", _sources(cluster), {"courses": _courses_text(cluster[0].courses)}))
    return distinct


def _that_holds_all(cluster: Sequence[_Atom]) -> _Atom | None:
    """The one whose awards include everybody's: when it is granted every statement of the table is true."""
    if any(atom.whole.effect != "grant" for atom in cluster):
        return None
    largest = max(cluster, key=lambda atom: len(atom.whole.awards))
    held = Counter((award.unit, award.credits) for award in largest.whole.awards)
    for atom in cluster:
        if Counter((award.unit, award.credits) for award in atom.whole.awards) - held:
            return None
    return largest


def _sources(atoms: Sequence[_Atom]) -> str:
    return ", ".join(dict.fromkeys(atom.whole.source for atom in sorted(atoms, key=lambda atom: atom.origin)))


def _courses_text(courses: Iterable[Course]) -> str:
    return " + ".join(str(course) for course in courses)


def _awards_text(equivalency: Equivalency) -> str:
    if equivalency.effect != "grant":
        return equivalency.effect
    return " + ".join(
        f"{award.unit} ({'native' if award.credits is None else award.credits})" for award in equivalency.awards
    )


def _regroup(atoms: Sequence[_Atom]) -> list[Equivalency]:
    """Equivalencies again: alternatives of one rank together, for a nearer or larger set of courses comes first."""
    together: dict[tuple[int, int, bool], list[_Atom]] = {}
    for atom in atoms:
        rank = _base(atom.courses) if atom.whole.priority is None else 0
        together.setdefault((atom.origin, rank, atom.review), []).append(atom)
    taken: set[str] = set()
    rules = []
    for (_, _, review), group in together.items():
        whole = group[0].whole
        rule = replace(whole, id=_free_id(whole.id, taken), sending=tuple(atom.courses for atom in group))
        if review and whole.effect != "review":
            rule = replace(rule, effect="review", awards=())
        rules.append(rule)
    return rules


def _free_id(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        ending = f"-{number}"
        name = wanted[: 64 - len(ending)] + ending
    taken.add(name)
    return name


# --- Order ------------------------------------------------------------------------------------------------------------

_BAND: Final = 1000
"""Priorities of one number of courses: no two bands touch, and 999 combinations that clash have room in one."""


def _rank(rules: Sequence[Equivalency], remarks: list[Remark]) -> list[Equivalency]:
    """The more courses a rule needs the earlier it comes; of single courses the nearer provider; a blanket rule last.

    Combinations that share a course and differ in outcome may not stand at one priority (E2): the earlier in the table
    comes first, and a remark names the transcript on which that decides.
    """
    by_code: dict[str | None, list[int]] = defaultdict(list)
    for index, rule in enumerate(rules):
        for code in {course.code for courses in rule.sending for course in courses}:
            by_code[code].append(index)
    priorities = [rule.priority for rule in rules]
    for index, rule in enumerate(rules):
        if priorities[index] is not None:
            continue
        base = _base(rule.sending[0])
        if rule.size == 1:
            priorities[index] = base
            continue
        near = {
            other
            for code in {None, *(course.code for courses in rule.sending for course in courses)}
            for other in by_code[code]
            if rules[other].size > 1 and rules[other].outcome != rule.outcome and other != index
        }
        clashing = [other for other in near if _share_a_course(rule, rules[other])]
        used = {priorities[other] for other in clashing if other < index}
        priorities[index] = next(number for number in range(base, base - _BAND, -1) if number not in used)
    ranked = [replace(rule, priority=priority) for rule, priority in zip(rules, priorities, strict=True)]
    _tell_of_order(ranked, by_code, remarks)
    return ranked


def _base(courses: Sequence[Course]) -> int:
    """The highest priority of such a set of courses."""
    if len(courses) > 1:
        return len(courses) * _BAND + _BAND - 1
    (course,) = courses
    depth = course.provider.count("/") + 1
    return (_BAND if course.code is not None else 0) + 10 * depth + (5 if course.kind is not None else 0)


def _share_a_course(rule: Equivalency, other: Equivalency) -> bool:
    mine = [course for courses in rule.sending for course in courses]
    theirs = [course for courses in other.sending for course in courses]
    return any(a.meets(b) for a in mine for b in theirs)


def _tell_of_order(
    rules: Sequence[Equivalency], by_code: Mapping[str | None, Sequence[int]], remarks: list[Remark]
) -> None:
    pairs = {
        pair
        for indices in by_code.values()
        for pair in combinations(indices, 2)
        if (rules[pair[0]].size > 1 or rules[pair[1]].size > 1) and rules[pair[0]].outcome != rules[pair[1]].outcome
    }
    for pair in sorted(pairs):
        first, second = sorted((rules[index] for index in pair), key=lambda rule: (-(rule.priority or 0), rule.id))
        if "grant" not in (first.effect, second.effect):
            continue
        for some, others in ((a, b) for a in first.sending for b in second.sending):
            if remark := _order_decides(first, second, some, others):
                remarks.append(remark)
                break


def _order_decides(
    first: Equivalency, second: Equivalency, some: Sequence[Course], others: Sequence[Course]
) -> Remark | None:
    shared = Counter(some) & Counter(others)
    if not shared or second.effect != "grant":
        return None
    held = Counter((award.unit, award.credits) for award in first.awards)
    if not Counter((award.unit, award.credits) for award in second.awards) - held:
        return None
    everything = Counter(some) | Counter(others)
    terms = {
        "courses": _courses_text(everything.elements()),
        "given": _awards_text(first),
        "lost": _awards_text(second),
    }
    code = "larger_set_first" if shared == Counter(others) else "order_decides"
    shown = tuple(str(course) for course in everything.elements())
    return Remark(code, f"{first.source}, {second.source}", terms, shown)


# --- The document -----------------------------------------------------------------------------------------------------


def document_of(composition: Composition, tests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The rule document as plain values."""
    scheme = composition.scheme
    head: dict[str, Any] = {"lcb": "rules/v1", "id": scheme.id, "version": scheme.version, "from": scheme.start}
    if scheme.until is not None:
        head["until"] = scheme.until
    head["unit"] = {"code": scheme.unit, "step": number_text(scheme.step), "round": scheme.round}
    if scheme.title is not None:
        head["title"] = scheme.title
    document: dict[str, Any] = {"ruleset": head}
    used = {
        course.grade.scale
        for rule in composition.rules
        for courses in rule.sending
        for course in courses
        if course.grade is not None
    }
    if used:
        document["scales"] = {
            name: {"grades": {grade: number_text(place) for grade, place in scheme.scales[name].items()}}
            for name in sorted(used)
        }
    document["recognition"] = [rule_of(rule) for rule in composition.rules]
    document["unique"] = {"key": "unit", "keep": "best"}
    document["tests"] = list(tests)
    return document


def rule_of(rule: Equivalency) -> dict[str, Any]:
    """One rule as plain values."""
    plain: dict[str, Any] = {"id": rule.id}
    if rule.title is not None:
        plain["title"] = rule.title
    plain["priority"] = rule.priority or 0
    if rule.effect != "grant":
        plain["effect"] = rule.effect
    alternatives = [
        _matcher(courses[0]) if len(courses) == 1 else {"all": [_matcher(course) for course in courses]}
        for courses in rule.sending
    ]
    plain["match"] = alternatives[0] if len(alternatives) == 1 else {"any": alternatives}
    if rule.effect == "grant":
        plain["grant"] = [_grant(award) for award in rule.awards]
    return plain


def _matcher(course: Course) -> dict[str, Any]:
    matcher: dict[str, Any] = {}
    if course.kind is not None:
        matcher["kind"] = course.kind
    matcher["provider"] = course.provider
    if course.code is not None:
        matcher["code"] = course.code
    if course.grade is not None:
        matcher["grade"] = {"scale": course.grade.scale}
        for name, bound in (("min", course.grade.min), ("below", course.grade.below)):
            if bound is not None:
                matcher["grade"][name] = number_text(bound)
    if course.title is not None:
        matcher["title"] = course.title
    return matcher


def _grant(award: Award) -> dict[str, Any]:
    grant: dict[str, Any] = {"unit": award.unit}
    if award.title is not None:
        grant["title"] = award.title
    grant["credits"] = {"native": "1"} if award.credits is None else {"fixed": number_text(award.credits)}
    return grant


def number_text(number: Fraction) -> str:
    """A number as documents and tables write it: a decimal where it has an end, else a fraction."""
    milli = number * 1000
    if milli.denominator != 1:
        return str(number)
    whole, part = divmod(abs(milli.numerator), 1000)
    return f"{'-' if milli < 0 else ''}{whole}" + (f".{part:03d}".rstrip("0") if part else "")
