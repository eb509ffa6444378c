"""What the numbers of a document cannot mean: E5, E10 and the warnings W1 and W3 to W6 (rules/v1 section 15)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from creditbank.rules.binding import ways_of
from creditbank.rules.checking import sets
from creditbank.rules.checking.boxes import Box, Boxes, apart, covers
from creditbank.rules.checking.sets import ABSENT, Numbers, Paths, Texts, Wanted
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.compile import GRANTING
from creditbank.rules.days import read_duration
from creditbank.rules.fact import Assurance
from creditbank.rules.language.programmes import AllRequirements, AnyRequirement, NRequirements, Requirement
from creditbank.rules.language.recognition import LIFETIME, Matcher, slots_of
from creditbank.rules.numbers import decimal_text, span_of

if TYPE_CHECKING:
    from creditbank.rules.language.programmes import Cap, LotFilter, Programme
    from creditbank.rules.language.recognition import Grant, Limit, Rule
    from creditbank.rules.language.values import Range
    from creditbank.rules.layers import Layered
    from creditbank.rules.registry import Registry

_Path = tuple[str | int, ...]
_BESIDE_GRADES: Final = (
    "kind", "provider", "code", "category", "level", "hours", "attendance", "accredited", "assurance", "age", "tags",
)  # fmt: skip
_OF_FILTERS: Final = frozenset({"kind", "category", "unit", "level"})
_MANY: Final = 10
"""Values that a sentence names before it leaves the rest out."""


class Figures:
    """The numbers of one chain's own document."""

    def __init__(self, layered: Layered, registry: Registry | None, boxes: Boxes) -> None:
        self.layered = layered
        self.registry = registry
        self.boxes = boxes
        self.lots = [
            box
            for _, rule in layered.rules()
            if rule.effect in GRANTING
            for grant in rule.grant
            for box in self._of_lots(rule, grant)
        ]
        self.by_unit = _by_unit(self.lots) if layered.own.programmes else {}

    def verdicts(self) -> Iterator[Verdict]:
        """All that is found."""
        own = self.layered.own
        for index, rule in enumerate(own.recognition):
            for number, grant in enumerate(rule.grant):
                path = ("recognition", index, "grant", number)
                yield from self._keys(rule, grant, path)
                yield from self._grades(rule, grant, path)
            yield from self._gains(rule, ("recognition", index))
        yield from self._gaps()
        yield from self._limits()
        for index, programme in enumerate(own.programmes):
            yield from self._programme(programme, ("programmes", index))

    # --- Lots: what grants can give ---

    def _leads(self, rule: Rule) -> Iterator[Matcher]:
        """The slots whose achievement can be the lead: the first of each way."""
        matchers = [matcher for _, matcher in slots_of(rule.match)]
        for number in sorted({way[0] for way in ways_of(rule.match)} if rule.is_combination else {0}):
            yield matchers[number]

    def _of_lots(self, rule: Rule, grant: Grant) -> Iterator[Box]:
        """What the lots of a grant can be like: the lead's facts, with what the grant says."""
        for matcher in self._leads(rule):
            for box in self.boxes.of(matcher):
                wanted = {name: values for name, values in box.wanted.items() if name not in {"unit"}}
                if grant.category is not None:
                    wanted["category"] = self.boxes.only(grant.category)
                if grant.level == "none":
                    wanted["level"] = ABSENT
                elif grant.level != "mapped":
                    wanted["level"] = Texts(frozenset((grant.level,)))
                elif not self.boxes.levels:
                    wanted["level"] = ABSENT
                if grant.unit != "same":
                    wanted["unit"] = Texts(frozenset((grant.unit,)))
                # Nothing else is asked of what a lot is like than whether it is surely apart from what is wanted.
                yield Box(wanted)

    # --- E5 ---

    def _keys(self, rule: Rule, grant: Grant, path: _Path) -> Iterator[Verdict]:
        """Keys of a table for every value that somebody lists; open values are left to review."""
        formula = grant.credits
        if formula.table is None or formula.key is None:
            return
        listed = self._listed(rule, formula.key)
        table = self.layered.tables[formula.table]
        missing = [value for value in listed if value not in table]
        if missing:
            terms = {"table": formula.table, "key": formula.key, "values": _some(missing)}
            yield Verdict((*path, "credits", "key"), "table_lacks", terms, (rule.id,))

    def _listed(self, rule: Rule, key: str) -> list[str]:
        found: dict[str, None] = {}
        for matcher in self._leads(rule):
            for box in self.boxes.of(matcher):
                wanted = box.wanted.get(key)
                if key == "grade":
                    found |= dict.fromkeys(self._reachable(box))
                elif key == "level":
                    levels = sorted(self.boxes.levels)
                    found |= dict.fromkeys(str(level) for level in levels if _allows(wanted, level))
                elif key == "assurance":
                    found |= dict.fromkeys(level.name.lower() for level in Assurance if _allows(wanted, int(level)))
                elif key == "kind" and self.registry is not None:
                    found |= dict.fromkeys(kind for kind in sorted(self.registry.kinds) if _allows(wanted, kind))
        return list(found)

    def _reachable(self, box: Box) -> list[str]:
        """The grades that a box can have on the scale it names, as far as that lists them."""
        scale, position = box.wanted.get("scale"), box.wanted.get("grade")
        if not isinstance(scale, Texts) or scale.inverted:
            return []
        found = []
        for name in sorted(map(str, scale.values)):
            grades = self.layered.scales[name].grades if name in self.layered.scales else {}
            for grade, at in grades.items():
                if not isinstance(position, Numbers) or position.covers(Numbers.points((at,))):
                    found.append(grade)
        return found

    def _grades(self, rule: Rule, grant: Grant, path: _Path) -> Iterator[Verdict]:
        if grant.grade in {"keep", "pass"}:
            return
        reachable: dict[str, str] = {}
        for matcher in self._leads(rule):
            if matcher.grade is not None:
                for box in self.boxes.of(matcher):
                    reachable |= dict.fromkeys(self._reachable(box), matcher.grade.scale)
        for form in self.layered.grade_conversions.get(grant.grade, ()):
            exact = {grade for grade, _ in form.source}
            spans = [span for grade, _ in form.source if (span := span_of(grade)) is not None]
            missing = [
                grade
                for grade in reachable
                if grade not in exact
                and not (grade.isdecimal() and any(low <= int(grade) <= high for low, high in spans))
            ]
            if missing:
                scales = ", ".join(sorted({reachable[grade] for grade in missing}))
                terms = {"conversion": grant.grade, "values": _some(missing), "scale": scales}
                yield Verdict((*path, "grade"), "conversion_lacks", terms, (rule.id,))
                return

    # --- W1, W6 ---

    def _gaps(self) -> Iterator[Verdict]:
        """Rules that are alike but for their grades on one scale leave none between them out."""
        alike: dict[Any, list[tuple[Numbers, int, Rule]]] = defaultdict(list)
        for index, rule in enumerate(self.layered.own.recognition):
            matcher = rule.match
            if not isinstance(matcher, Matcher) or matcher.grade is None or matcher.where is not None:
                continue
            (box, *_) = self.boxes.of(matcher) or (None,)
            if box is None or not isinstance(box.wanted["grade"], Numbers):
                continue
            grade = matcher.grade
            rest = tuple([getattr(matcher, name) for name in _BESIDE_GRADES])
            low = sets.LOWEST if grade.min is None else sets.below(grade.min)
            high = sets.HIGHEST if grade.below is None else sets.below(grade.below)
            alike[grade.scale, rest, rule.from_, rule.until].append((Numbers.between(low, high), index, rule))
        for (scale, *_), bands in alike.items():
            if len(bands) > 1:
                yield from self._gaps_on(scale, bands)

    def _gaps_on(self, scale: str, bands: Sequence[tuple[Numbers, int, Rule]]) -> Iterator[Verdict]:
        grades = self.layered.scales[scale].grades if scale in self.layered.scales else {}
        ordered = sorted(bands, key=lambda band: band[0].spans[0])
        reached, _, before = ordered[0]
        for band, index, rule in ordered[1:]:
            gap = Numbers.between(reached.spans[-1][1], band.spans[0][0])
            if not gap.is_empty:
                between = [grade for grade, at in grades.items() if gap.covers(Numbers.points((at,)))]
                text = _some(between) if grades else f"[{_edge(gap.spans[0][0])}, {_edge(gap.spans[0][1])})"
                if between or not grades:
                    terms = {"rule": rule.id, "other": before.id, "gap": text, "scale": scale}
                    path = ("recognition", index, "match", "grade")
                    yield Verdict(path, "gap_between_bands", terms, (rule.id, before.id))
            if band.spans[-1][1] > reached.spans[-1][1]:
                before = rule
            reached = reached.joined(band)

    def _gains(self, rule: Rule, path: _Path) -> Iterator[Verdict]:
        """A rule of several grants must not come to more than the achievement's own credits, where they are known."""
        if len(rule.grant) < 2:
            return
        factor = sum((grant.credits.native or Fraction(0) for grant in rule.grant), Fraction(0))
        fixed = sum((_least(grant) for grant in rule.grant), Fraction(0))
        parts = [f"{decimal_text(factor)} x"] if factor else []
        parts += [decimal_text(fixed)] if fixed else []
        own = self._most_credits(rule)
        if factor > 1 or (factor == 1 and fixed > 0) or (own is not None and factor * own + fixed > own):
            yield Verdict((*path, "grant"), "grants_more", {"rule": rule.id, "parts": " + ".join(parts)}, (rule.id,))

    def _most_credits(self, rule: Rule) -> Fraction | None:
        """The most credits that the achievement can have itself, where a condition says so."""
        if rule.is_combination:
            return None
        most = Fraction(0)
        for matcher in self._leads(rule):
            for box in self.boxes.of(matcher):
                wanted = box.wanted.get("credits")
                if not isinstance(wanted, Numbers) or wanted.spans[-1][1][0] != 0:
                    return None
                most = max(most, Fraction(wanted.spans[-1][1][1]))
        return most or None

    # --- W3, W4: limits ---

    def _limits(self) -> Iterator[Verdict]:
        own = len(self.layered.own.limits)
        limits = [(limit, self._over(limit)) for limit in self.layered.limits()]
        for index, (limit, boxes) in enumerate(limits[:own]):
            if not any(not apart(box, lot) for box in boxes for lot in self.lots):
                path = ("limits", index)
                yield Verdict(path, "cannot_bind", {"id": limit.id}, (limit.id,))
        for (one, (mine, over)), (other, (theirs, under)) in combinations(enumerate(limits), 2):
            if one < own:
                yield from self._two_limits(one, other, mine, theirs, over, under, own)

    def _over(self, limit: Limit) -> tuple[Box, ...]:
        """What a limit counts; the level is the lot's, which a grant may set as it likes."""
        over = limit.over
        if over is None:
            return (Box(),)
        boxes = self.boxes.of(over.model_copy(update={"level": None}))
        if over.level is None:
            return boxes
        level = _levels(over.level)
        return tuple(part for box in boxes if (part := box.where("level", level)) is not None)

    def _two_limits(
        self, one: int, other: int, mine: Limit, theirs: Limit, over: Sequence[Box], under: Sequence[Box], own: int
    ) -> Iterator[Verdict]:
        if not any(not apart(box, second) for box in over for second in under):
            return
        inside = self._is_inside(mine, theirs, over, under)
        around = self._is_inside(theirs, mine, under, over)
        if not inside and not around:
            if not any(box.vague for box in (*over, *under)):
                terms = {"id": mine.id, "other": theirs.id}
                yield Verdict(("limits", one), "limits_cross", terms, (mine.id, theirs.id))
            return
        for within, index, inner, outer in ((inside, one, mine, theirs), (around, other, theirs, mine)):
            if within and index < own and _allows_no_more(outer, inner):
                terms = {"id": inner.id, "other": outer.id}
                yield Verdict(("limits", index), "implied", terms, (inner.id, outer.id))
                return
        for within, index, inner, outer in ((inside, one, mine, theirs), (around, other, theirs, mine)):
            if within and not inner.split:
                terms = {"id": inner.id, "other": outer.id}
                place = index if index < own else one
                yield Verdict(("limits", place), "unsplit_inside", terms, (inner.id, outer.id))
                return

    def _is_inside(self, inner: Limit, outer: Limit, over: Sequence[Box], under: Sequence[Box]) -> bool:
        """Whether each bucket of one limit lies in a bucket of the other."""
        return (
            all(any(covers(box, mine) for box in under) for mine in over)
            and set(outer.by) <= set(inner.by)
            and self._is_shorter(inner, outer)
        )

    def _is_shorter(self, inner: Limit, outer: Limit) -> bool:
        if outer.per in {LIFETIME, inner.per}:
            return True
        if inner.per == LIFETIME:
            return False
        if inner.is_rolling or outer.is_rolling:
            if not (inner.is_rolling and outer.is_rolling):
                return False
            short, long = read_duration(inner.per), read_duration(outer.per)
            return short.months <= long.months and short.days <= long.days
        calendars = self.layered.calendars
        return set(calendars[outer.per].starts) <= set(calendars[inner.per].starts)

    # --- E10, W3, W5: programmes ---

    def _programme(self, programme: Programme, path: _Path) -> Iterator[Verdict]:
        needs = sum((_needed(requirement) for requirement in programme.requirements), Fraction(0))
        if needs > programme.total:
            terms = {"needs": decimal_text(needs), "total": decimal_text(programme.total)}
            yield Verdict((*path, "requirements"), "needs_above_total", terms, (programme.id,))
        leaves: list[tuple[Requirement, _Path, bool]] = []
        for index, requirement in enumerate(programme.requirements):
            yield from self._requirement(requirement, (*path, "requirements", index), leaves, always=True)
        yield from self._caps(programme, path, leaves)
        yield from self._lengths(programme, path)

    def _requirement(
        self, requirement: AnyRequirement, path: _Path, leaves: list[tuple[Requirement, _Path, bool]], *, always: bool
    ) -> Iterator[Verdict]:
        match requirement:
            case AllRequirements():
                for index, part in enumerate(requirement.all):
                    yield from self._requirement(part, (*path, "all", index), leaves, always=always)
            case NRequirements():
                if requirement.n > len(requirement.of):
                    terms = {"n": requirement.n, "parts": len(requirement.of)}
                    yield Verdict((*path, "n"), "too_few_parts", terms, (requirement.id,))
                every = always and requirement.n >= len(requirement.of)
                for index, part in enumerate(requirement.of):
                    yield from self._requirement(part, (*path, "of", index), leaves, always=every)
            case Requirement():
                leaves.append((requirement, path, always))
                needed = requirement.need.credits is None or requirement.need.credits > 0
                if needed and not self._is_given(requirement):
                    yield Verdict(path, "unfillable", {"id": requirement.id}, (requirement.id,))

    def _is_given(self, wanted: LotFilter) -> bool:
        """Whether some grant can give such a lot.

        Where it was learned is left open: credits of the awarding institution itself may come from a rule set of its
        own, or from a ruling (decision 0017).
        """
        if self._filter(wanted) is None:
            return False
        box = self._filter(wanted.model_copy(update={"provider": None, "provider_not": None}))
        if box is None:
            return False
        units = wanted.unit if wanted.unit is not None else self.by_unit
        return any(not apart(box, lot) for unit in {*units, None} for lot in self.by_unit.get(unit, ()))

    def _filter(self, wanted: LotFilter) -> Box | None:
        """A lot filter as a box, None when nothing can pass it."""
        found: dict[str, Wanted] = {}
        if wanted.kind is not None:
            found["kind"] = Texts(frozenset(wanted.kind))
        if wanted.category is not None:
            found["category"] = Paths.under(wanted.category)
        if wanted.unit is not None:
            found["unit"] = Texts(frozenset(wanted.unit))
        if wanted.level is not None:
            found["level"] = _levels(wanted.level)
        if wanted.provider is not None or wanted.provider_not is not None:
            inside = Paths(None) if wanted.provider is None else Paths.under(wanted.provider)
            outside = Paths(None) if wanted.provider_not is None else Paths.under(wanted.provider_not).complement()[0]
            found["provider"] = inside.meet(outside)
        empty = any(not isinstance(values, sets.Presence) and values.is_empty for values in found.values())
        return None if empty else Box(found)

    def _caps(
        self, programme: Programme, path: _Path, leaves: Sequence[tuple[Requirement, _Path, bool]]
    ) -> Iterator[Verdict]:
        caps = [
            (index, cap, self._filter(cap), _most(cap, programme.total)) for index, cap in enumerate(programme.caps)
        ]
        for index, cap, box, most in caps:
            at = (*path, "caps", index)
            if box is None or not self._is_given(cap):
                yield Verdict(at, "cannot_bind", {"id": cap.id}, (cap.id,))
                continue
            if most is not None and most >= programme.total:
                terms = {"id": cap.id, "most": decimal_text(most), "total": decimal_text(programme.total)}
                yield Verdict(at, "cap_cannot_bind", terms, (cap.id,))
                continue
            for other_index, other, around, least in caps:
                if other_index == index or around is None or not _is_capped_by(cap, other) or not covers(around, box):
                    continue
                same = _caps_no_more(other, least, cap, most)
                if same and not (index < other_index and _is_mutual(cap, other, box, around, most, least)):
                    yield Verdict(at, "implied", {"id": cap.id, "other": other.id}, (cap.id, other.id))
                    break
            if cap.by is None and most is not None:
                yield from self._below_needs(cap, box, most, at, leaves)
        yield from self._below_total(programme, path, caps)

    def _below_needs(
        self, cap: Cap, box: Box, most: Fraction, path: _Path, leaves: Sequence[tuple[Requirement, _Path, bool]]
    ) -> Iterator[Verdict]:
        """No cap lets fewer credits count than requirements ask of the same lots."""
        inside = []
        for requirement, _, always in leaves:
            credits_ = requirement.need.credits
            within = self._filter(requirement)
            if credits_ is not None and within is not None and covers(box, within):
                inside.append((requirement, credits_, always))
        for requirement, credits_, _ in inside:
            if credits_ > most:
                yield self._below(cap, most, requirement.id, credits_, path)
                return
        together = [(r.id, credits_) for r, credits_, always in inside if always and r.exclusive]
        total = sum((credits_ for _, credits_ in together), Fraction(0))
        if total > most:
            yield self._below(cap, most, ", ".join(id_ for id_, _ in together), total, path)

    def _below(self, cap: Cap, most: Fraction, who: str, needs: Fraction, path: _Path) -> Verdict:
        terms = {"cap": cap.id, "most": decimal_text(most), "id": who, "needs": decimal_text(needs)}
        return Verdict(path, "cap_below_need", terms, (cap.id, who))

    def _below_total(
        self, programme: Programme, path: _Path, caps: Sequence[tuple[int, Cap, Box | None, Fraction | None]]
    ) -> Iterator[Verdict]:
        """One cap over everything, or two that part everything between them, must leave room for the total."""
        usable = [
            (index, cap, box, most)
            for index, cap, box, most in caps
            if box is not None and most is not None and cap.by is None
        ]
        for index, cap, box, most in usable:
            if not box.wanted and most < programme.total:
                yield self._too_little(programme, (*path, "caps", index), (cap,), most)
        for (_, one, mine, most), (index, other, theirs, least) in combinations(usable, 2):
            parted = set(mine.wanted) == set(theirs.wanted) == {"provider"} and sets.complement(
                mine.wanted["provider"]
            )[1:] == [theirs.wanted["provider"]]
            if parted and most + least < programme.total:
                yield self._too_little(programme, (*path, "caps", index), (one, other), most + least)

    def _too_little(self, programme: Programme, path: _Path, caps: Sequence[Cap], most: Fraction) -> Verdict:
        ids = tuple(cap.id for cap in caps)
        terms = {"caps": ", ".join(ids), "most": decimal_text(most), "total": decimal_text(programme.total)}
        return Verdict(path, "caps_below_total", terms, ids)

    def _lengths(self, programme: Programme, path: _Path) -> Iterator[Verdict]:
        """A programme is at least as long as the limits on all that counts make it (decision 0017)."""
        days = self._shortest(programme.total)
        right = programme.catalogue_right
        if right is not None and _longest_days(right) < days:
            terms = {"right": right, "id": programme.id}
            yield Verdict((*path, "catalogue_right"), "right_short", terms, (programme.id,))
        lasting = [v.max for v in self.layered.validities() if v.max is not None and v.start == "completed"]
        for validity in lasting:
            if _longest_days(validity) < days:
                terms = {"validity": validity, "id": programme.id}
                yield Verdict(path, "validity_short", terms, (programme.id,))
                return
            if right is not None and _longest_days(validity) < _shortest_days(right):
                terms = {"validity": validity, "id": programme.id, "right": right}
                yield Verdict((*path, "catalogue_right"), "validity_below_right", terms, (programme.id,))
                return

    def _shortest(self, total: Fraction) -> int:
        """Days that surely lie between the first and the last lot of so many credits, by the limits on all lots."""
        longest = 0
        for limit in self.layered.limits():
            most = limit.at_most.credits
            if not most or limit.by or limit.per == LIFETIME or limit.over is not None:
                continue
            periods = -(-total // most)
            if limit.is_rolling:
                longest = max(longest, (int(periods) - 1) * _shortest_days(limit.per))
            else:
                starts = len(self.layered.calendars[limit.per].starts)
                longest = max(longest, (int(periods) - 2) // starts * 365)
        return longest


def _by_unit(lots: Sequence[Box]) -> dict[str | None, list[Box]]:
    """Lots as filters without a place see them, each sort once, by their unit; those of any unit under None."""
    sorts: dict[Any, tuple[str | None, Box]] = {}
    for lot in lots:
        wanted = {name: values for name, values in lot.wanted.items() if name in _OF_FILTERS}
        unit = wanted.get("unit")
        only = str(min(unit.values, key=str)) if isinstance(unit, Texts) and len(unit.values) == 1 else None
        sorts.setdefault(tuple(wanted.items()), (only, Box(wanted)))
    found: dict[str | None, list[Box]] = defaultdict(list)
    for only, box in sorts.values():
        found[only].append(box)
    return found


def _levels(wanted: Range) -> Texts:
    low, high = wanted.min, wanted.below
    return Texts(frozenset(n for n in range(9) if (low is None or n >= low) and (high is None or n < high)))


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:_MANY]) + (", .." if len(values) > _MANY else "")


def _edge(cut: sets.Cut) -> str:
    return decimal_text(Fraction(cut[1]))


def _allows(wanted: Wanted | None, value: str | int) -> bool:
    return not isinstance(wanted, Texts) or wanted.covers(Texts(frozenset((value,))))


def _least(grant: Grant) -> Fraction:
    """What a grant gives whatever the achievement's own credits are."""
    formula = grant.credits
    if formula.fixed is not None:
        least = formula.fixed if formula.at_most is None else min(formula.fixed, formula.at_most)
        return least if formula.at_least is None else max(least, formula.at_least)
    return Fraction(0)


def _needed(requirement: AnyRequirement) -> Fraction:
    """The fewest credits of their own that a requirement takes; an overlay takes none."""
    match requirement:
        case AllRequirements():
            return sum((_needed(part) for part in requirement.all), Fraction(0))
        case NRequirements():
            return sum(sorted(_needed(part) for part in requirement.of)[: requirement.n], Fraction(0))
        case Requirement():
            credits_ = requirement.need.credits
            if not requirement.exclusive:
                return Fraction(0)
            return credits_ if credits_ is not None else Fraction(0)


def _allows_no_more(outer: Limit, inner: Limit) -> bool:
    """Whether the outer limit binds whenever the inner one would."""
    pairs = (
        (outer.at_most.credits, inner.at_most.credits),
        (outer.at_most.count, inner.at_most.count),
    )
    if any(mine is not None and (most is None or most > mine) for most, mine in pairs):
        return False
    equal = all(mine is None or most == mine for most, mine in pairs)
    return not equal or (outer.overflow == inner.overflow and outer.split == inner.split)


def _most(cap: Cap, total: Fraction) -> Fraction | None:
    """The credits that a cap lets count; None when it counts decisions."""
    if cap.share_at_most is not None:
        return Fraction(int(cap.share_at_most * total * 1000), 1000)
    return cap.credits_at_most


def _is_capped_by(inner: Cap, outer: Cap) -> bool:
    return outer.by is None or outer.by == inner.by


def _caps_no_more(outer: Cap, most: Fraction | None, inner: Cap, mine: Fraction | None) -> bool:
    if mine is not None:
        return most is not None and most <= mine
    return (
        outer.count_at_most is not None
        and inner.count_at_most is not None
        and outer.count_at_most <= inner.count_at_most
    )


def _is_mutual(one: Cap, other: Cap, mine: Box, theirs: Box, most: Fraction | None, least: Fraction | None) -> bool:
    """Whether two caps say the same, so that only the later one need be told of."""
    return covers(mine, theirs) and one.by == other.by and most == least and one.count_at_most == other.count_at_most


def _shortest_days(duration: str) -> int:
    found = read_duration(duration)
    return found.months // 12 * 365 + found.months % 12 * 28 + found.days


def _longest_days(duration: str) -> int:
    found = read_duration(duration)
    return found.months // 12 * 366 + found.months % 12 * 31 + found.days


def untested(layered: Layered, exercised: frozenset[tuple[str, int, str]]) -> Iterator[Verdict]:
    """The own rules and limits that no test made decide something (W8); ``exercised`` as an examination gives it."""
    header = layered.header
    blocks: Mapping[str, Sequence[Rule | Limit]] = {
        "recognition": layered.own.recognition,
        "limits": layered.own.limits,
    }
    for block, items in blocks.items():
        for index, item in enumerate(items):
            if (header.id, header.version, item.id) not in exercised:
                yield Verdict((block, index), "untested", {"id": item.id}, (item.id,))
