"""From a document and the chain it extends to what evaluation runs (rules/v1 sections 5, 11 and 16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal

from creditbank.rules.binding import Way, ways_of
from creditbank.rules.days import Duration, Periods, read_duration, read_starts
from creditbank.rules.fact import Fact
from creditbank.rules.formulas import CompiledGrant, Conversion, FormulaMaker
from creditbank.rules.index import Entry, Index, Miss, Nearest
from creditbank.rules.language.definitions import Unit
from creditbank.rules.language.programmes import Programme, UnitConversion
from creditbank.rules.language.recognition import LIFETIME, AllOf, AnyOf, Formula, Grant, Matcher, NOf, Rule, slots_of
from creditbank.rules.matching import Slot, SlotMaker, in_force_test, levels_by, positions_on, within

if TYPE_CHECKING:
    from creditbank.rules.language.programmes import Transition
    from creditbank.rules.language.recognition import Effect, Limit, Match
    from creditbank.rules.layers import Layered

GRANTING: Final = frozenset({"grant", "conditional"})


class CompiledRule:
    """A rule with its slots; ``rank`` is its place in the order of precedence (section 11), 0 first.

    ``ways`` are the sets of slots by which a combination can be bound, None for a single matcher. ``rivals`` are the
    rules that must be looked at when this one binds: those of its priority in a group where the best for the learner
    wins (``wins_by_credits``), or the other exceptions of its base and priority.
    """

    __slots__ = (
        "condition", "effect", "grants", "id", "in_force", "priority", "rank", "rivals", "shown", "slots", "ways",
        "wins_by_credits",
    )  # fmt: skip

    def __init__(self, rule: Rule, rank: int, slots: tuple[Slot, ...], grants: tuple[CompiledGrant, ...]) -> None:
        self.id = rule.id
        self.priority = rule.priority
        self.rank = rank
        self.effect: Effect = rule.effect
        self.condition = rule.condition
        self.in_force = (rule.from_, rule.until)
        self.slots = slots
        # The slots as an explanation shows them: those of a combination do not test the rule's own dates, which are
        # asked of the latest achievement alone.
        self.shown = slots
        self.grants = grants
        self.ways: tuple[Way, ...] | None = None
        self.rivals: tuple[CompiledRule, ...] = ()
        self.wins_by_credits = False

    def holds(self, fact: Fact) -> bool:
        """Whether a single matcher takes the fact."""
        return self.slots[0].holds(fact)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledLimit:
    """A limit: ``per`` is a calendar, a rolling duration, or None for a lifetime. Amounts in thousandths."""

    id: str
    over: Slot | None
    categories: tuple[str, ...] | None
    level: Callable[[Fraction | int], bool] | None
    per: Periods | Duration | None
    by: tuple[str, ...]
    credits_milli: int | None
    count: int | None
    drops: bool
    splits: bool


@dataclass(frozen=True, slots=True)
class CompiledValidity:
    """For how long a lot can be used: the shortest of what is given."""

    max: Duration | None
    shorter_of_provider: bool
    from_recognition: bool


@dataclass(frozen=True, slots=True, eq=False)
class CompiledVersion:
    """One version of a rule set, ready to be evaluated.

    Whoever publishes may cut short the days that a document leaves open, with ``dataclasses.replace`` on
    ``valid_from`` and ``valid_until`` (half-open). ``unique`` is (key, keep), None without. ``rules`` stand in order of
    precedence; ``together`` are those that must be tried one after another, since they take achievements together or
    compete with such. ``reads`` names the facts of the bank's own that must be looked up for it: ``provider_type`` and
    ``recognised``. ``migrations`` lead from ids of earlier versions to this one's; ``waives`` says that a debt after
    redemption is written off at once. ``programmes`` by id, those of the chain with its own before them;
    ``programme_clock`` says which date of a learner chooses the version for them; ``unit_conversions`` by id.
    """

    rule_set: str
    version: int
    sha256: str
    valid_from: date
    valid_until: date | None
    clock: Literal["completed", "submitted"]
    limits_clock: Literal["completed", "submitted"]
    credit_unit: str
    unique: tuple[Literal["unit", "learning"], Literal["best", "latest", "first"]] | None
    rules: tuple[CompiledRule, ...]
    together: tuple[CompiledRule, ...]
    limits: tuple[CompiledLimit, ...]
    validity: tuple[CompiledValidity, ...]
    transition: Transition
    index: Index
    slots: Index
    level_of: Callable[[Fact], int | None]
    position: Callable[[str, str], Fraction | int | None]
    reads: frozenset[str]
    migrations: Mapping[str, str]
    waives: bool
    programmes: Mapping[str, Programme]
    programme_clock: Literal["enrolled", "applied"]
    unit_conversions: Mapping[str, UnitConversion]
    _nearest: list[Nearest] = field(default_factory=list, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether achievements meet only where lots of one unit compete, and no day but the rules' own matters."""
        return not (
            self.together
            or self.limits
            or self.validity
            or self.reads
            or self.transition.applies_to != "new_only"
            or self.transition.elect_until is not None
            or (self.unique is not None and self.unique[0] == "learning")
            or any(grant.pool is not None for rule in self.rules for grant in rule.grants)
        )

    def governing(self, fact: Fact) -> date:
        """The date by which this rule set chooses the version for the fact (section 12)."""
        return fact.completed if self.clock == "completed" else fact.submitted_on

    def limits_day(self, fact: Fact) -> date:
        """The date by which limits and pools count the fact."""
        return fact.completed if self.limits_clock == "completed" else fact.submitted_on

    def named(self, id_: str) -> str:
        """The id that a rule, a limit or a requirement has in this version."""
        return self.migrations.get(id_, id_)

    def governs(self, day: date) -> bool:
        """Whether the day lies in the version."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def first_match(self, fact: Fact) -> CompiledRule | None:
        """The first rule on single achievements that takes the fact, found through the index."""
        entry = self.index.first(fact)
        return self.rules[entry.rank] if entry is not None else None

    def scan(self, fact: Fact) -> CompiledRule | None:
        """The same answer by looking at every rule: what the index is measured against."""
        apart = set(self.together)
        return next((rule for rule in self.rules if rule not in apart and rule.holds(fact)), None)

    def nearest(self, fact: Fact) -> Miss | None:
        """The granting rule that is nearest to a fact that no rule takes; None when there is none.

        Most facts are taken, so what this needs is made when it is asked for first.
        """
        if not self._nearest:
            self._nearest.append(
                Nearest([(rule, entry) for rule in self._granting() for entry in entries_of(rule, rule.shown)])
            )
        return self._nearest[0].find(fact)

    def scan_nearest(self, fact: Fact) -> Miss | None:
        """The same answer by looking at every rule."""
        misses = []
        for rule in self._granting():
            for entry in entries_of(rule, rule.shown):
                identity, conditions = entry.slot.misses(fact)
                misses.append(Miss(identity, conditions + entry.further, -rule.priority, rule.id, entry.number, entry))
        return min(misses, default=None, key=lambda miss: miss[:5])

    def _granting(self) -> Iterator[CompiledRule]:
        return (rule for rule in self.rules if rule.effect in GRANTING)


def rule_of_ruling(unit: str, category: str | None, level: int | None, milli: int) -> CompiledRule:
    """The rule that a person's ruling amounts to: it takes one achievement and gives it these credits."""
    formula = Formula(fixed=Fraction(milli, 1000), round="none")
    grant = Grant(unit=unit, category=category, level="mapped" if level is None else level, credits=formula)
    rule = Rule(id="ruling", match=Matcher(), grant=(grant,))
    compiled = FormulaMaker({}, lambda _: None).of(formula, Unit(code=unit))
    made = CompiledGrant(unit, category, "mapped" if level is None else level, "keep", compiled, None)
    return CompiledRule(rule, -1, (Slot(None, None, None, None, ()),), (made,))


def entries_of(rule: CompiledRule, slots: Sequence[Slot]) -> Iterator[Entry]:
    """The slots of a rule for an index, with how many others must be filled beside each."""
    for number, slot in enumerate(slots):
        further = 0 if rule.ways is None else min(len(way) for way in rule.ways if number in way) - 1
        yield Entry(rule.rank, number, slot, further)


def compile_version(layered: Layered, *, sha256: str) -> CompiledVersion:
    """Compile a document that was read and so checked; ``sha256`` is that of its canonical form."""
    header = layered.header
    conversions = {name: Conversion(name, forms) for name, forms in layered.grade_conversions.items()}
    level_of = levels_by(layered.levels)
    on_scales = positions_on({name: scale.grades for name, scale in layered.scales.items()})
    maker = _Maker(layered, level_of, on_scales, conversions)
    ordered = in_order(layered)
    rules = tuple([maker.rule(rule, layer, rank) for rank, (layer, rule) in enumerate(ordered)])
    _find_rivals(rules, ordered, layered)
    together = tuple(_together(rules))
    apart = {rule.rank for rule in together}
    unique = layered.unique

    def position(scale: str, grade: str) -> Fraction | int | None:
        conversion = conversions.get(scale)
        return conversion.position(grade) if conversion is not None else on_scales(scale, grade)

    return CompiledVersion(
        rule_set=header.id,
        version=header.version,
        sha256=sha256,
        valid_from=header.from_,
        valid_until=header.until,
        clock=header.clock.recognition,
        limits_clock=header.clock.limits,
        credit_unit=header.unit.code,
        unique=(unique.key, unique.keep) if unique is not None else None,
        rules=rules,
        together=together,
        limits=tuple([maker.limit(limit) for limit in layered.limits()]),
        validity=tuple(
            [
                CompiledValidity(
                    read_duration(validity.max) if validity.max is not None else None,
                    validity.shorter_of is not None,
                    validity.start == "recognised",
                )
                for validity in layered.validities()
            ]
        ),
        transition=layered.own.transition,
        index=Index([Entry(rule.rank, 0, rule.slots[0], 0) for rule in rules if rule.rank not in apart]),
        slots=Index([entry for rule in together for entry in entries_of(rule, rule.slots)]),
        level_of=level_of,
        position=position,
        reads=_LOOKED_UP & maker.reads(),
        migrations=header.migrations,
        waives=header.after_redemption == "write_off",
        programmes={programme.id: programme for programme in reversed(layered.programmes())},
        unit_conversions={one.id: one for document in reversed(layered.documents) for one in document.unit_conversions},
        programme_clock=header.clock.programme,
    )


_LOOKED_UP: Final = frozenset({"provider_type", "recognised"})


class _Maker:
    """Makes the rules and limits of one version; what is equal is made once."""

    def __init__(
        self,
        layered: Layered,
        level_of: Callable[[Fact], int | None],
        position: Callable[[str, str], Fraction | None],
        conversions: Mapping[str, Conversion],
    ) -> None:
        header = layered.header
        self._layered = layered
        self._slots = SlotMaker(layered, level_of, position)
        self._formulas = FormulaMaker(layered.tables, level_of)
        self._conversions = conversions
        self._calendars = {name: read_starts(calendar.starts) for name, calendar in layered.calendars.items()}
        self._units = [document.ruleset.unit for document in layered.documents]
        by_submission = header.clock.recognition == "submitted"
        self._governing: Callable[[Fact], date] = (
            (lambda fact: fact.submitted_on) if by_submission else (lambda fact: fact.completed)
        )
        self._made: dict[Any, CompiledGrant] = {}
        self._shared: dict[tuple[CompiledGrant, ...], tuple[CompiledGrant, ...]] = {}

    def rule(self, rule: Rule, layer: int, rank: int) -> CompiledRule:
        extra = []
        if rule.from_ is not None or rule.until is not None:
            extra.append(in_force_test(rule.from_, rule.until, self._governing))
        unit = self._units[layer]
        grants = tuple([self._grant(grant, unit) for grant in rule.grant])
        # Rules that give the same share what they give.
        grants = self._shared.setdefault(grants, grants)
        if isinstance(rule.match, Matcher):
            return CompiledRule(rule, rank, (self._slots.of(rule.match, *extra),), grants)
        matchers = [matcher for _, matcher in slots_of(rule.match)]
        compiled = CompiledRule(rule, rank, tuple([self._slots.of(matcher) for matcher in matchers]), grants)
        if extra:
            compiled.shown = tuple([self._slots.of(matcher, *extra) for matcher in matchers])
        compiled.ways = ways_of(rule.match)
        return compiled

    def _grant(self, grant: Grant, unit: Unit) -> CompiledGrant:
        formula = self._formulas.of(grant.credits, unit)
        per = None if grant.pool is None else grant.pool.per
        key = (grant.unit, grant.category, grant.level, grant.grade, per, id(formula))
        made = self._made.get(key)
        if made is None:
            grade: Any = grant.grade
            made = self._made[key] = CompiledGrant(
                None if grant.unit == "same" else grant.unit,
                grant.category,
                None if grant.level == "none" else grant.level,
                grade if grade in {"keep", "pass"} else self._conversions[grade],
                formula,
                None if per is None else LIFETIME if per == LIFETIME else self._calendars[per],
            )
        return made

    def reads(self) -> set[str]:
        """The facts that conditions, keys of tables, limits and validities read, once everything is made."""
        read = self._slots.read | self._formulas.read
        read.update(name for limit in self._layered.limits() for name in limit.by)
        if any(validity.start == "recognised" for validity in self._layered.validities()):
            read.add("recognised")
        return read

    def limit(self, limit: Limit) -> CompiledLimit:
        over = limit.over
        slot = None
        if over is not None:
            # The category and the level that are tested are the lot's; everything else is the lead's.
            slot = self._slots.of(over.model_copy(update={"category": None, "level": None}))
        per: Periods | Duration | None = None
        if limit.is_rolling:
            per = read_duration(limit.per)
        elif limit.per != LIFETIME:
            per = self._calendars[limit.per]
        credits_ = limit.at_most.credits
        return CompiledLimit(
            limit.id,
            slot,
            over.category if over is not None else None,
            within(over.level) if over is not None and over.level is not None else None,
            per,
            limit.by,
            # What is recognised is whole thousandths, so that the part below one never binds.
            int(credits_ * 1000) if credits_ is not None else None,
            limit.at_most.count,
            limit.overflow == "drop",
            limit.split,
        )


# --- Precedence: section 11 -------------------------------------------------------------------------------------------


def in_order(layered: Layered) -> list[tuple[int, Rule]]:
    """The rules with their layers in order of precedence.

    Denies of a layer above come first. Then priority, deny first, own rules before those above, the larger sending set,
    the id. An exception stands just before its base, whatever its priority; an exception of a lower layer to a deny of
    an upper one stands behind it, where it takes nothing that was denied.
    """
    everything = list(layered.rules())
    exceptions: dict[str, list[tuple[int, Rule]]] = defaultdict(list)
    first: list[tuple[int, Rule]] = []
    for layer, rule in everything:
        if rule.exception_to is None:
            first.append((layer, rule))
        else:
            exceptions[rule.exception_to].append((layer, rule))
    ordered: list[tuple[int, Rule]] = []

    def place(layer: int, rule: Rule) -> None:
        above = [pair for pair in exceptions.get(rule.id, ()) if _may_precede(pair, layer, rule)]
        for pair in sorted(above, key=_precedence):
            place(*pair)
        ordered.append((layer, rule))
        behind = [pair for pair in exceptions.get(rule.id, ()) if not _may_precede(pair, layer, rule)]
        for pair in sorted(behind, key=_precedence):
            place(*pair)

    if not exceptions:
        return sorted(first, key=_precedence)
    for pair in sorted(first, key=_precedence):
        place(*pair)
    return ordered


def _may_precede(exception: tuple[int, Rule], layer: int, base: Rule) -> bool:
    return not (base.effect == "deny" and layer > 0 and exception[0] < layer)


def _precedence(pair: tuple[int, Rule]) -> tuple[bool, int, bool, int, int, str]:
    layer, rule = pair
    denies = rule.effect == "deny"
    size = 1 if isinstance(rule.match, Matcher) else sending_size(rule.match)
    return not (denies and layer > 0), -rule.priority, not denies, layer, -size, rule.id


def sending_size(match: Match) -> int:
    """The most achievements it takes: a matcher 1, ``all`` the sum, ``any`` the largest, ``n of`` the n largest."""
    match match:
        case Matcher():
            return 1
        case AllOf():
            return sum(sending_size(part) for part in match.all)
        case AnyOf():
            return max(sending_size(part) for part in match.any)
        case NOf():
            return sum(sorted((sending_size(part) for part in match.of), reverse=True)[: match.n])


def _find_rivals(rules: Sequence[CompiledRule], ordered: Sequence[tuple[int, Rule]], layered: Layered) -> None:
    groups: dict[tuple[bool, str, int], list[CompiledRule]] = defaultdict(list)
    for compiled, (_, rule) in zip(rules, ordered, strict=True):
        if rule.group is not None and layered.groups[rule.group].hit == "best_for_learner":
            groups[True, rule.group, rule.priority].append(compiled)
        elif rule.exception_to is not None:
            groups[False, rule.exception_to, rule.priority].append(compiled)
    for (by_credits, _, _), members in groups.items():
        for compiled in members:
            compiled.rivals = tuple(other for other in members if other is not compiled)
            compiled.wins_by_credits = by_credits


def _together(rules: Sequence[CompiledRule]) -> Iterator[CompiledRule]:
    for rule in rules:
        if rule.ways is not None:
            yield rule
        elif any(rival.ways is not None for rival in rule.rivals):
            # A single achievement is one way of one slot, so that it can compete with combinations.
            rule.ways = ((0,),)
            yield rule


def same_outcome(one: CompiledRule, other: CompiledRule) -> bool:
    """Whether two rules make the same of what they take."""
    return (
        one.effect == other.effect
        and one.condition == other.condition
        # Equal grants of a version are one.
        and one.grants == other.grants
    )
