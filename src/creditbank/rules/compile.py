"""From a document to closures and an index: what evaluation runs (rules/v1 sections 5, 11 and 16)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from creditbank.rules.fact import Assurance, Fact, ancestors
from creditbank.rules.numbers import ratio_text, read_number

if TYPE_CHECKING:
    from creditbank.rules.document import (
        Formula,
        GradeRange,
        Grant,
        Matcher,
        Range,
        Register,
        Rule,
        RuleSetDocument,
        Unit,
    )

Got = Callable[[Fact], dict[str, Any]]
Holds = Callable[[Fact], bool]


@dataclass(slots=True, eq=False)
class Test:
    """One test of a matcher. Equal tests of a version are one object, so that a test is known by its identity.

    ``terms`` are what a trace says of the test whatever the fact: ``fact``, ``op``, ``want``, and ``on`` for a scale.
    """

    holds: Holds
    got: Got
    terms: Mapping[str, Any]

    def traced(self, fact: Fact, ok: bool) -> dict[str, Any]:
        """The test as a trace shows it (section 14)."""
        return {**self.terms, **self.got(fact), "ok": ok}


class Amount(NamedTuple):
    """What a formula gives: thousandths of a credit, with its steps; or the reason why a person must decide."""

    milli: int
    steps: list[dict[str, Any]]
    missing: str | None


@dataclass(slots=True, eq=False)
class CompiledGrant:
    """One grant: everything but the unit is taken from the lead as the grant says."""

    unit: str | None
    category: str | None
    level: int | Literal["mapped"] | None
    keeps_grade: bool
    amount: Callable[[Sequence[Fact]], Amount]

    def unit_of(self, lead: Fact) -> str:
        """The unit of the lot: the grant's, or the lead's unit, else its code, else its key."""
        return self.unit or lead.unit or lead.code or lead.key


class CompiledRule:
    """A rule with its tests; ``rank`` is its place in the order of precedence (section 11), 0 first."""

    __slots__ = ("conditions", "grants", "holds", "id", "identity", "matcher", "priority", "rank", "tests")

    def __init__(self, rule: Rule, rank: int, identity: tuple[Test, ...], conditions: tuple[Test, ...]) -> None:
        self.id = rule.id
        self.priority = rule.priority
        self.rank = rank
        self.matcher = rule.match
        self.identity = identity
        self.conditions = conditions
        self.tests = identity + conditions
        self.holds = _all_hold(tuple(test.holds for test in self.tests))
        self.grants: tuple[CompiledGrant, ...] = ()


class Miss(NamedTuple):
    """How far a rule is from taking a fact; the least is the nearest (section 10, step 6)."""

    identity: int
    conditions: int
    priority: int
    id: str
    rule: CompiledRule


@dataclass(frozen=True, slots=True, eq=False)
class CompiledVersion:
    """One version of a rule set, ready to be evaluated.

    Whoever publishes may cut short the days that a document leaves open, with ``dataclasses.replace`` on
    ``valid_from`` and ``valid_until`` (half-open). ``keep`` is that of ``unique``, None without. ``rules`` stand in
    order of precedence.
    """

    rule_set: str
    version: int
    sha256: str
    valid_from: date
    valid_until: date | None
    clock: Literal["completed", "submitted"]
    credit_unit: str
    keep: Literal["best", "latest", "first"] | None
    rules: tuple[CompiledRule, ...]
    index: Index
    level_of: Callable[[Fact], int | None]
    position: Callable[[str, str], Fraction | None]

    def governing(self, fact: Fact) -> date:
        """The date by which this rule set chooses the version for the fact (section 12)."""
        return fact.completed if self.clock == "completed" else fact.submitted or fact.completed

    def governs(self, day: date) -> bool:
        """Whether the day lies in the version."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def first_match(self, fact: Fact) -> CompiledRule | None:
        """The rule that takes the fact, found through the index."""
        return self.index.first_match(fact)

    def scan(self, fact: Fact) -> CompiledRule | None:
        """The same answer by looking at every rule: what the index is measured against."""
        return next((rule for rule in self.rules if rule.holds(fact)), None)

    def nearest(self, fact: Fact) -> Miss | None:
        """The rule that is nearest to taking a fact that no rule takes; None when there are no rules."""
        return self.index.nearest(fact)

    def scan_nearest(self, fact: Fact) -> Miss | None:
        """The same answer by looking at every rule."""
        return min((_miss(rule, fact) for rule in self.rules), default=None, key=lambda miss: miss[:4])


def compile_version(model: RuleSetDocument, *, sha256: str) -> CompiledVersion:
    """Compile a document that was read and so checked; ``sha256`` is that of its canonical form."""
    header = model.ruleset
    positions = {name: scale.grades for name, scale in model.scales.items()}
    level_of = _levels(model.levels)
    tests = _Tests(positions, model.registers, level_of)
    formulas: dict[Any, _Formula] = {}
    ordered = sorted(model.recognition, key=lambda rule: (-rule.priority, rule.id))
    rules = []
    for rank, rule in enumerate(ordered):
        compiled = CompiledRule(rule, rank, *tests.of(rule.match))
        compiled.grants = tuple([_grant(grant, header.unit, formulas) for grant in rule.grant])
        rules.append(compiled)
    return CompiledVersion(
        rule_set=header.id,
        version=header.version,
        sha256=sha256,
        valid_from=header.from_,
        valid_until=header.until,
        clock=header.clock.recognition,
        credit_unit=header.unit.code,
        keep=model.unique.keep if model.unique is not None else None,
        rules=tuple(rules),
        index=Index(rules),
        level_of=level_of,
        position=_position_on(positions),
    )


# --- Tests ------------------------------------------------------------------------------------------------------------


def _all_hold(checks: tuple[Holds, ...]) -> Holds:
    if len(checks) == 1:
        return checks[0]

    def holds(fact: Fact) -> bool:
        for check in checks:  # noqa: SIM110 (a generator costs twice as much as the tests)
            if not check(fact):
                return False
        return True

    return holds


def _miss(rule: CompiledRule, fact: Fact) -> Miss:
    identity = sum(not test.holds(fact) for test in rule.identity)
    conditions = sum(not test.holds(fact) for test in rule.conditions)
    return Miss(identity, conditions, -rule.priority, rule.id, rule)


def _levels(levels: Mapping[str, Mapping[str, int]]) -> Callable[[Fact], int | None]:
    def level_of(fact: Fact) -> int | None:
        """The bank's own level; of several frameworks the lowest, for a claim holds only as far as all bear it."""
        mapped = [
            levels[framework][value]
            for framework, value in fact.level
            if framework in levels and value in levels[framework]
        ]
        return min(mapped, default=None)

    return level_of


@lru_cache(maxsize=4096)
def _numeric(grade: str) -> Fraction | None:
    try:
        return read_number(grade)
    except ValueError:
        return None


def _position_on(positions: Mapping[str, Mapping[str, Fraction]]) -> Callable[[str, str], Fraction | None]:
    def position(scale: str, grade: str) -> Fraction | None:
        """The position of a grade, higher is better; None when the scale does not know it."""
        grades = positions.get(scale)
        if grades is None:
            return None
        return grades.get(grade) if grades else _numeric(grade)

    return position


def _within(wanted: Range) -> Callable[[Fraction | int], bool]:
    """Membership of [min, below), by whole numbers only: comparing fractions is slow."""
    low, below = wanted.min, wanted.below
    low_n, low_d = (low.numerator, low.denominator) if low is not None else (0, 0)
    below_n, below_d = (below.numerator, below.denominator) if below is not None else (0, 0)

    def within(value: Fraction | int) -> bool:
        numerator, denominator = value.numerator, value.denominator
        # An open end has denominator 0 and compares 0 >= 0; an open upper end is asked for first.
        return numerator * low_d >= low_n * denominator and (not below_d or numerator * below_d < below_n * denominator)

    return within


def _range_terms(fact: str, wanted: Range) -> dict[str, Any]:
    low, below = (str(bound) if bound is not None else None for bound in (wanted.min, wanted.below))
    if low is not None and below is not None:
        return {"fact": fact, "op": "in_range", "want": [low, below]}
    return {"fact": fact, "op": ">=", "want": low} if low is not None else {"fact": fact, "op": "<", "want": below}


class _Tests:
    """Makes the tests of one version; equal tests are made once."""

    def __init__(
        self,
        positions: Mapping[str, Mapping[str, Fraction]],
        registers: Mapping[str, Register],
        level_of: Callable[[Fact], int | None],
    ) -> None:
        self.positions = positions
        self.registers = registers
        self.level_of = level_of
        self.made: dict[Any, Test] = {}

    def of(self, matcher: Matcher) -> tuple[tuple[Test, ...], tuple[Test, ...]]:
        """The tests on identity (kind, provider, code, category), then the others (section 10, step 6)."""
        identity: list[Test] = []
        conditions: list[Test] = []
        if matcher.kind is not None:
            identity.append(self.once("kind", matcher.kind, self.one_of))
        if matcher.provider is not None:
            identity.append(self.once("provider", matcher.provider, self.under))
        if matcher.code is not None:
            identity.append(self.once("code", matcher.code, self.one_of))
        if matcher.category is not None:
            identity.append(self.once("category", matcher.category, self.under))
        if matcher.level is not None:
            conditions.append(self.once("level", matcher.level, self.level, _range_key(matcher.level)))
        if matcher.grade is not None:
            key = (matcher.grade.scale, *_range_key(matcher.grade))
            conditions.append(self.once("grade", matcher.grade, self.grade, key))
        if matcher.hours is not None:
            conditions.append(self.once("hours", matcher.hours, self.number, _range_key(matcher.hours)))
        if matcher.attendance is not None:
            conditions.append(self.once("attendance", matcher.attendance, self.number, _range_key(matcher.attendance)))
        if matcher.accredited is not None:
            conditions.append(self.once("accredited", matcher.accredited, self.accredited))
        if matcher.assurance is not None:
            conditions.append(self.once("assurance", matcher.assurance, self.assurance))
        return tuple(identity), tuple(conditions)

    def once(self, name: str, wanted: Any, make: Callable[[str, Any], Test], key: Any = None) -> Test:
        """The test of these terms, made when it is asked for first."""
        full = (name, wanted if key is None else key)
        test = self.made.get(full)
        if test is None:
            test = self.made[full] = make(name, wanted)
        return test

    def one_of(self, name: str, wanted: tuple[str, ...]) -> Test:
        read = _READ[name]
        if len(wanted) == 1:
            only = wanted[0]
            return Test(
                (lambda fact: fact.code == only) if name == "code" else (lambda fact: fact.kind == only),
                _got(name),
                {"fact": name, "op": "in", "want": [only]},
            )
        among = frozenset(wanted)
        return Test(lambda fact: read(fact) in among, _got(name), {"fact": name, "op": "in", "want": list(wanted)})

    def under(self, name: str, wanted: tuple[str, ...]) -> Test:
        tops = frozenset(wanted)

        def provider_under(fact: Fact) -> bool:
            return not tops.isdisjoint(ancestors(fact.provider))

        def category_under(fact: Fact) -> bool:
            return fact.category is not None and not tops.isdisjoint(ancestors(fact.category))

        holds = provider_under if name == "provider" else category_under
        return Test(holds, _got(name), {"fact": name, "op": "under", "want": list(wanted)})

    def level(self, name: str, wanted: Range) -> Test:
        level_of, within = self.level_of, _within(wanted)

        def holds(fact: Fact) -> bool:
            level = level_of(fact)
            return level is not None and within(level)

        def got(fact: Fact) -> dict[str, Any]:
            level = level_of(fact)
            return {"got": None if level is None else str(level)}

        return Test(holds, got, _range_terms(name, wanted))

    def grade(self, name: str, wanted: GradeRange) -> Test:
        scale, within, grades = wanted.scale, _within(wanted), self.positions[wanted.scale]
        enough = frozenset(grade for grade, position in grades.items() if within(position))

        def listed(fact: Fact) -> bool:
            return fact.grade is not None and fact.grade[0] == scale and fact.grade[1] in enough

        def counted(fact: Fact) -> bool:
            if fact.grade is None or fact.grade[0] != scale:
                return False
            position = _numeric(fact.grade[1])
            return position is not None and within(position)

        def got(fact: Fact) -> dict[str, Any]:
            if fact.grade is None:
                return {"got": None}
            if fact.grade[0] != scale:
                return {"got": fact.grade[1], "got_on": fact.grade[0]}
            return {"got": fact.grade[1]}

        return Test(listed if grades else counted, got, {**_range_terms(name, wanted), "on": scale})

    def number(self, name: str, wanted: Range) -> Test:
        within = _within(wanted)

        def hours(fact: Fact) -> bool:
            return fact.hours is not None and within(fact.hours)

        def attendance(fact: Fact) -> bool:
            return fact.attendance is not None and within(fact.attendance)

        def got(fact: Fact) -> dict[str, Any]:
            number = fact.hours if name == "hours" else fact.attendance
            return {"got": None if number is None else str(number)}

        return Test(hours if name == "hours" else attendance, got, _range_terms(name, wanted))

    def accredited(self, name: str, wanted: str) -> Test:
        entries = self.registers[wanted].entries

        def external(fact: Fact) -> bool:
            return wanted in fact.accredited

        def listed(fact: Fact) -> bool:
            lines = ancestors(fact.provider)
            return any(
                entry.provider in lines
                and (entry.code is None or entry.code == fact.code)
                and (entry.from_ is None or entry.from_ <= fact.completed)
                and (entry.until is None or fact.completed < entry.until)
                for entry in entries or ()
            )

        holds = external if entries is None else listed
        return Test(
            holds, lambda fact: {"got": wanted if holds(fact) else None}, {"fact": name, "op": "==", "want": wanted}
        )

    def assurance(self, name: str, wanted: str) -> Test:
        least = Assurance[wanted.upper()]
        return Test(
            lambda fact: fact.assurance >= least,
            lambda fact: {"got": fact.assurance.name.lower()},
            {"fact": name, "op": ">=", "want": wanted},
        )


def _range_key(wanted: Range) -> tuple[Fraction | None, Fraction | None]:
    return wanted.min, wanted.below


_READ: Final[Mapping[str, Callable[[Fact], str | None]]] = {
    "kind": lambda fact: fact.kind,
    "provider": lambda fact: fact.provider,
    "code": lambda fact: fact.code,
    "category": lambda fact: fact.category,
}


def _got_by(read: Callable[[Fact], str | None]) -> Got:
    return lambda fact: {"got": read(fact)}


_GOT: Final[Mapping[str, Got]] = {name: _got_by(read) for name, read in _READ.items()}


def _got(name: str) -> Got:
    return _GOT[name]


# --- Grants -----------------------------------------------------------------------------------------------------------


_Formula = Callable[[Sequence[Fact]], Amount]


def _grant(grant: Grant, unit: Unit, formulas: dict[Any, _Formula]) -> CompiledGrant:
    """Compile a grant; of formulas there are few kinds in a document, so equal ones are one."""
    formula = grant.credits
    key = tuple([(name, value) for name in _OF_FORMULA if (value := getattr(formula, name)) is not None])
    amount = formulas.get(key)
    if amount is None:
        amount = formulas[key] = _formula(formula, unit)
    return CompiledGrant(
        None if grant.unit == "same" else grant.unit,
        grant.category,
        None if grant.level == "none" else grant.level,
        grant.grade == "keep",
        amount,
    )


_OF_FORMULA: Final = ("fixed", "native", "per_hour", "at_most", "at_least", "step", "round")

_Base = Callable[[Sequence[Fact]], "tuple[int, int, dict[str, Any]] | str"]


def _formula(formula: Formula, unit: Unit) -> _Formula:
    """The formula over whole numbers: numerator and denominator until the one rounding at the end (section 5.4)."""
    base = _base(formula)
    bounds = [
        (name, bound.numerator, bound.denominator, str(bound))
        for name, bound in (("at_most", formula.at_most), ("at_least", formula.at_least))
        if bound is not None
    ]
    mode = formula.round or unit.round
    step = formula.step if formula.step is not None else unit.step
    step_text = str(step)
    step_milli = (step * 1000).numerator

    def amount(binding: Sequence[Fact]) -> Amount:
        found = base(binding)
        if isinstance(found, str):
            return Amount(0, [], found)
        numerator, denominator, first = found
        steps = [first]
        for name, bound_n, bound_d, text in bounds:
            over = numerator * bound_d - bound_n * denominator
            if over > 0 if name == "at_most" else over < 0:
                numerator, denominator = bound_n, bound_d
                steps.append({"op": name, "limit": text, "value": text})
        if mode == "none":
            return Amount(numerator * 1000 // denominator, steps, None)
        whole, rest = divmod(numerator * 1000, denominator * step_milli)
        if rest:
            size = denominator * step_milli
            if (mode == "half_up" and 2 * rest >= size) or (
                mode == "half_even" and (2 * rest > size or (2 * rest == size and whole % 2 == 1))
            ):
                whole += 1
            value = ratio_text(whole * step_milli, 1000)
            steps.append({"op": "round", "mode": mode, "step": step_text, "value": value})
        return Amount(whole * step_milli, steps, None)

    return amount


def _base(formula: Formula) -> _Base:
    if formula.fixed is not None:
        fixed_n, fixed_d, fixed_text = formula.fixed.numerator, formula.fixed.denominator, str(formula.fixed)
        return lambda _: (fixed_n, fixed_d, {"op": "fixed", "value": fixed_text})
    if formula.native is not None:
        return _native(formula.native)
    if formula.per_hour is not None:
        return _per_hour(formula.per_hour)
    raise AssertionError("a formula has a base")


def _native(factor: Fraction) -> _Base:
    factor_n, factor_d, factor_text = factor.numerator, factor.denominator, str(factor)

    def native(binding: Sequence[Fact]) -> tuple[int, int, dict[str, Any]] | str:
        own = _total([fact.credits for fact in binding])
        if own is None:
            return "credits_missing"
        numerator, denominator = own.numerator * factor_n, own.denominator * factor_d
        value = ratio_text(numerator, denominator)
        return numerator, denominator, {"op": "native", "credits": str(own), "factor": factor_text, "value": value}

    return native


def _per_hour(hours_of_one: Fraction) -> _Base:
    per_n, per_d, per_text = hours_of_one.numerator, hours_of_one.denominator, str(hours_of_one)

    def per_hour(binding: Sequence[Fact]) -> tuple[int, int, dict[str, Any]] | str:
        hours = _total([fact.hours for fact in binding])
        if hours is None:
            return "hours_missing"
        numerator, denominator = hours.numerator * per_d, hours.denominator * per_n
        value = ratio_text(numerator, denominator)
        return numerator, denominator, {"op": "per_hour", "hours": str(hours), "per": per_text, "value": value}

    return per_hour


def _total(numbers: Sequence[Fraction | None]) -> Fraction | None:
    """The sum; None when one of them is missing, for a part of a sum is not the sum."""
    total: Fraction | None = None
    for number in numbers:
        if number is None:
            return None
        total = number if total is None else total + number
    return total


# --- Index ------------------------------------------------------------------------------------------------------------

_K = TypeVar("_K")
_Buckets = dict[_K, list[CompiledRule]]


class Index:
    """Finds the rules that can take a fact without looking at the others; it never changes a result (section 16).

    A rule stands in the buckets of its most selective equality: (provider, code), (provider, kind), provider, code,
    (kind, category), kind, category, or the bucket of all. Within a bucket rules stand in order of precedence.
    """

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._by_provider_code: _Buckets[tuple[str, str]] = {}
        self._by_provider_kind: _Buckets[tuple[str, str]] = {}
        self._by_provider: _Buckets[str] = {}
        self._by_code: _Buckets[str] = {}
        self._by_kind_category: _Buckets[tuple[str, str]] = {}
        self._by_kind: _Buckets[str] = {}
        self._by_category: _Buckets[str] = {}
        self._rest: list[CompiledRule] = []
        for rule in rules:
            self._place(rule)
        self._rules = rules
        self._families: list[_Family] | None = None

    def _place(self, rule: CompiledRule) -> None:
        wanted = rule.matcher
        if wanted.provider is not None:
            if wanted.code is not None:
                _put(rule, self._by_provider_code, product(wanted.provider, wanted.code))
            elif wanted.kind is not None:
                _put(rule, self._by_provider_kind, product(wanted.provider, wanted.kind))
            else:
                _put(rule, self._by_provider, wanted.provider)
        elif wanted.code is not None:
            _put(rule, self._by_code, wanted.code)
        elif wanted.kind is not None:
            if wanted.category is not None:
                _put(rule, self._by_kind_category, product(wanted.kind, wanted.category))
            else:
                _put(rule, self._by_kind, wanted.kind)
        elif wanted.category is not None:
            _put(rule, self._by_category, wanted.category)
        else:
            self._rest.append(rule)

    def _buckets(self, fact: Fact) -> Iterator[list[CompiledRule] | None]:
        kind, code = fact.kind, fact.code
        for provider in ancestors(fact.provider):
            if code is not None and self._by_provider_code:
                yield self._by_provider_code.get((provider, code))
            if self._by_provider_kind:
                yield self._by_provider_kind.get((provider, kind))
            if self._by_provider:
                yield self._by_provider.get(provider)
        if code is not None:
            yield self._by_code.get(code)
        if fact.category is not None and (self._by_kind_category or self._by_category):
            for category in ancestors(fact.category):
                yield self._by_kind_category.get((kind, category))
                yield self._by_category.get(category)
        yield self._by_kind.get(kind)
        yield self._rest

    def first_match(self, fact: Fact) -> CompiledRule | None:
        """Of the rules that take the fact the first in order of precedence."""
        best: CompiledRule | None = None
        for bucket in self._buckets(fact):
            if bucket:
                for rule in bucket:
                    if best is not None and rule.rank > best.rank:
                        break
                    if rule.holds(fact):
                        best = rule
                        break
        return best

    def nearest(self, fact: Fact) -> Miss | None:
        """The nearest rule. Most facts are taken, so what this needs is made when it is asked for first."""
        if self._families is None:
            self._families = _families(self._rules)
        failed: dict[tuple[Test, ...], int] = {}
        best: Miss | None = None
        for family in self._families:
            if family.conditions not in failed:
                failed[family.conditions] = sum(not test.holds(fact) for test in family.conditions)
            miss = family.nearest(fact, failed[family.conditions])
            if best is None or miss[:4] < best[:4]:
                best = miss
        return best


def _put(rule: CompiledRule, buckets: _Buckets[_K], keys: Iterable[_K]) -> None:
    for key in keys:
        buckets.setdefault(key, []).append(rule)


class _Family:
    """Rules that differ only in providers, codes and categories: how many other tests fail is one for all of them.

    For every set of these three fields that the rules have, ``first`` holds the foremost rule for each combination of
    values; the largest set with a hit tells how few of them fail.
    """

    __slots__ = ("conditions", "fields", "first", "kind")

    def __init__(self, kind: Test | None, conditions: tuple[Test, ...], fields: tuple[int, ...]) -> None:
        self.kind = kind
        self.conditions = conditions
        self.fields = fields
        subsets = [
            tuple(field for bit, field in enumerate(fields) if mask >> bit & 1) for mask in range(1 << len(fields))
        ]
        self.first: list[tuple[tuple[int, ...], dict[tuple[str, ...], CompiledRule]]] = [
            (subset, {}) for subset in sorted(subsets, key=len, reverse=True)
        ]

    def add(self, rule: CompiledRule) -> None:
        wanted = (rule.matcher.provider or (), rule.matcher.code or (), rule.matcher.category or ())
        for subset, first in self.first:
            for key in product(*(wanted[field] for field in subset)):
                first.setdefault(key, rule)

    def nearest(self, fact: Fact, failed: int) -> Miss:
        """The family's nearest rule; ``failed`` of its conditions do not hold."""
        values: tuple[tuple[str, ...], ...] = (
            ancestors(fact.provider),
            () if fact.code is None else (fact.code,),
            () if fact.category is None else ancestors(fact.category),
        )
        missed = 0 if self.kind is None or self.kind.holds(fact) else 1
        best: CompiledRule | None = None
        size = 0
        for subset, first in self.first:
            if best is not None and len(subset) < size:
                break
            for key in product(*(values[field] for field in subset)):
                rule = first.get(key)
                if rule is not None and (best is None or rule.rank < best.rank):
                    best, size = rule, len(subset)
        if best is None:
            raise AssertionError("the empty set of fields hits always")
        return Miss(missed + len(self.fields) - size, failed, -best.priority, best.id, best)


def _families(rules: Sequence[CompiledRule]) -> list[_Family]:
    families: dict[Any, _Family] = {}
    for rule in rules:
        wanted = (rule.matcher.provider, rule.matcher.code, rule.matcher.category)
        fields = tuple(field for field, values in enumerate(wanted) if values is not None)
        kind = rule.identity[0] if rule.matcher.kind is not None else None
        key = (kind, rule.conditions, fields)
        family = families.get(key)
        if family is None:
            family = families[key] = _Family(kind, rule.conditions, fields)
        family.add(rule)
    return list(families.values())
