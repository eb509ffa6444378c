"""What clashes between rules: E2, E3, E4, W2, W7 and W9 (rules/v1 sections 11 and 15, decision 0017)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from creditbank.rules.binding import Way, ways_of
from creditbank.rules.checking import sets
from creditbank.rules.checking.boxes import ALWAYS, Box, Boxes, apart, beyond, common, covers, uncovered
from creditbank.rules.checking.neighbours import Entry, Neighbours
from creditbank.rules.checking.sets import ABSENT, HIGHEST, LOWEST, PRESENT, Numbers, Paths, Texts, Wanted, below
from creditbank.rules.checking.synthesis import Made, Synthesis
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.compile import GRANTING, in_order, sending_size
from creditbank.rules.fact import Assurance
from creditbank.rules.language.recognition import BLANKET, Matcher, slots_of

if TYPE_CHECKING:
    from creditbank.rules.language.recognition import Grant, Rule
    from creditbank.rules.layers import Layered
    from creditbank.rules.registry import Registry

MOST_COMPARED: Final = 1_000_000
"""Pairs that are compared before the check gives up, and says so."""

MOST_FOUND: Final = 200
"""Clashes that are told: nobody mends more at once."""

_MOST_WAYS: Final = 64
_MOST_PARTS: Final = 256

_Key = tuple[bool, int, int, int]


@dataclass(slots=True, eq=False)
class _Taker:
    """A rule as it takes achievements: by its slots, in one of its ways."""

    rank: int
    layer: int
    rule: Rule
    slots: list[tuple[Box, ...]]
    ways: tuple[Way, ...]
    size: int
    key: _Key
    bases: tuple[_Taker, ...] = ()
    single: frozenset[int] = field(default_factory=frozenset)
    """The slots that can be filled alone."""
    called: int = 0
    """The rank at which it is asked first: its own, or that of a rival of its group that calls it."""

    @property
    def line(self) -> tuple[_Taker, ...]:
        """The rule, the rule it excepts, and so on."""
        return (self, *self.bases)


class Overlaps:
    """The rules of one chain, compared."""

    def __init__(self, layered: Layered, registry: Registry | None, boxes: Boxes) -> None:
        self.layered = layered
        self.boxes = boxes
        self.synthesis = Synthesis(layered, registry)
        self.places = {rule.id: index for index, rule in enumerate(layered.own.recognition)}
        self.takers = [self._taker(rank, layer, rule) for rank, (layer, rule) in enumerate(in_order(layered))]
        first: dict[tuple[str, int], int] = {}
        for taker in self.takers:
            group = self.best_group(taker.rule)
            taker.called = taker.rank if group is None else first.setdefault((group, taker.rule.priority), taker.rank)
        by_id = {taker.rule.id: taker for taker in self.takers}
        for taker in self.takers:
            if taker.rule.exception_to is not None:
                taker.bases = tuple(_bases(taker, by_id))

    def _taker(self, rank: int, layer: int, rule: Rule) -> _Taker:
        match = rule.match
        days = self._days(rule)
        key = (rule.effect == "deny" and layer > 0, rule.priority, layer)
        if isinstance(match, Matcher):
            return _Taker(
                rank, layer, rule, [self.boxes.of(match, days)], ((0,),), 1, (*key, 1), single=frozenset((0,))
            )
        size = sending_size(match)
        ways = ways_of(match)
        slots = [self.boxes.of(matcher, days) for _, matcher in slots_of(match)]
        single = frozenset(way[0] for way in ways if len(way) == 1)
        return _Taker(rank, layer, rule, slots, ways, size, (*key, size), single=single)

    def _days(self, rule: Rule) -> Mapping[str, Wanted] | None:
        """When a rule is in force, where it says so itself; the version's own days bind all rules alike."""
        if rule.from_ is None and rule.until is None:
            return None
        low = LOWEST if rule.from_ is None else below(rule.from_.toordinal())
        high = HIGHEST if rule.until is None else below(rule.until.toordinal())
        return {self.layered.header.clock.recognition: Numbers.between(low, high)}

    def best_group(self, rule: Rule) -> str | None:
        """The group in which the best for the learner wins, if the rule is in one."""
        return rule.group if rule.group and self.layered.groups[rule.group].hit == "best_for_learner" else None

    def verdicts(self) -> Iterator[Verdict]:
        """All that is found, the own document's rules alone being told of."""
        found: list[Verdict] = []
        compared = 0
        entries = [
            Entry(0, taker.rank, slot, box)
            for taker in self.takers
            for slot, boxes in enumerate(taker.slots)
            for box in boxes
        ]
        entries = [entry._replace(number=number) for number, entry in enumerate(entries)]
        neighbours = Neighbours(entries)
        shadows = _Shadows(self)
        met: set[tuple[int, int]] = set()
        takers = self.takers
        for entry in entries:
            mine = takers[entry.rank]
            for other in neighbours.of(entry):
                compared += 1
                if other.rank == entry.rank:
                    continue
                theirs = takers[other.rank]
                if mine.layer and theirs.layer:
                    continue
                upper, lower = (entry, other) if entry.rank < other.rank else (other, entry)
                shadows.meet(upper, lower)
                if mine.key[:2] != theirs.key[:2] and not mine.bases and not theirs.bases:
                    # The priority decides between them.
                    continue
                if (upper.rank, lower.rank) in met or apart(entry.box, other.box):
                    continue
                if len(found) < MOST_FOUND:
                    told = self._pair(takers[upper.rank], takers[lower.rank], upper, lower)
                    if told is not None:
                        met.add((upper.rank, lower.rank))
                        found += told
            if compared > MOST_COMPARED:
                found.append(Verdict(("recognition",), "not_compared", {}))
                break
        yield from found
        told_of = {pair for verdict in found if verdict.code in {"E2", "W2"} for pair in [verdict.rules]}
        yield from shadows.verdicts(told_of)
        for taker in self.takers:
            if taker.layer == 0 and taker.bases:
                yield from self._exception(taker, taker.bases[0])

    def told(self, reason: str, one: _Taker, other: _Taker, examples: Sequence[Made] = (), **terms: object) -> Verdict:
        """A verdict about two rules, at the one that stands in the own document; the later one where both do."""
        if one.layer or (not other.layer and self.places[other.rule.id] > self.places[one.rule.id]):
            one, other = other, one
        named = {"rule": one.rule.id, "other": other.rule.id, **terms}
        path = ("recognition", self.places[one.rule.id])
        return Verdict(path, reason, named, (one.rule.id, other.rule.id), tuple(examples))

    # --- E2, W2, W7, W9 ---

    def _pair(self, one: _Taker, other: _Taker, mine: Entry, theirs: Entry) -> list[Verdict] | None:
        """What is to be said of two rules that may take the same; None when nothing can be said yet."""
        level = _compared_at(one, other)
        if level is None:
            return None
        first, second, siblings = level
        told: list[Verdict] = []
        if first.key[:2] == second.key[:2] and _blanket_and_real(one.rule, other.rule):
            example = self._example(mine.box, theirs.box)
            if example is not None:
                blanket, real = (one, other) if _is_blanket(one.rule) else (other, one)
                told.append(self._blanket(blanket, real, example))
        if one.rule.group is not None and one.rule.group == other.rule.group:
            # Within a group the better one wins or the order decides.
            return told or None
        if first.rule.priority != second.rule.priority if siblings else first.key != second.key:
            return told or None
        same = outcome_of(one.rule) == outcome_of(other.rule)
        examples = self._same_set(one, other)
        if examples:
            told.append(self.told("duplicate_rule" if same else "clash", one, other, examples))
        elif examples is None and not same:
            told.append(self.told("undecided", one, other))
        return told or None

    def _blanket(self, blanket: _Taker, real: _Taker, example: Made) -> Verdict:
        at = blanket if blanket.layer == 0 else real
        path = ("recognition", self.places[at.rule.id])
        ids = (blanket.rule.id, real.rule.id)
        return Verdict(path, "blanket_and_real", {"rule": ids[0], "other": ids[1]}, ids, (example,))

    def _example(self, one: Box, other: Box) -> Made | None:
        met = common(one, other)
        return None if met is None or met.vague else self.synthesis.example(met)

    def _same_set(self, one: _Taker, other: _Taker) -> list[Made] | None:
        """Achievements that either rule can take together; empty when there are none, None when nobody can say."""
        vague = False
        for mine in one.ways[:_MOST_WAYS]:
            for theirs in other.ways[:_MOST_WAYS]:
                if len(mine) == len(theirs):
                    found = self._matched(one, other, mine, theirs, [])
                    if found:
                        return found
                    vague = vague or found is None
        return None if vague else []

    def _matched(
        self, one: _Taker, other: _Taker, mine: Sequence[int], theirs: Sequence[int], so_far: list[Made]
    ) -> list[Made] | None:
        """Pair off slots so that each pair has an achievement in common."""
        if not mine:
            return so_far
        vague = False
        for slot in theirs:
            for box in one.slots[mine[0]]:
                for second in other.slots[slot]:
                    met = common(box, second)
                    if met is None:
                        continue
                    if met.vague:
                        vague = True
                        continue
                    example = self.synthesis.example(met, "abcdefghijkl"[len(so_far)])
                    if example is None:
                        continue
                    rest = [left for left in theirs if left != slot]
                    found = self._matched(one, other, mine[1:], rest, [*so_far, example])
                    if found:
                        return found
                    vague = vague or found is None
        return None if vague else []

    # --- E4 ---

    def _exception(self, taker: _Taker, base: _Taker) -> Iterator[Verdict]:
        """Wherever the exception binds, its base must be able to bind some of the same achievements."""
        undecided = False
        for way in taker.ways[:_MOST_WAYS]:
            if any(_is_inside(taker, base, list(way), theirs) for theirs in base.ways):
                continue
            examples = self._outside(taker, base, way)
            if examples:
                path = ("recognition", self.places[taker.rule.id], "exception_to")
                terms = {"rule": taker.rule.id, "other": base.rule.id}
                yield Verdict(path, "reaches_outside", terms, (taker.rule.id, base.rule.id), tuple(examples))
                return
            undecided = undecided or examples is None
        if undecided:
            yield self.told("exception_undecided", taker, base)

    def _outside(self, taker: _Taker, base: _Taker, way: Way) -> list[Made] | None:
        """Achievements that the exception takes and its base cannot; empty when there are none, None if unknown.

        Of each way of the base one slot is chosen that none of these achievements fills.
        """
        examples: list[Made] = []
        bases = self._unfilled(taker, base, way)
        if bases is None:
            return None
        for place, slot in enumerate(way):
            found: Made | None = None
            unknown = any(box.vague for box in (*taker.slots[slot], *bases))
            for box in taker.slots[slot]:
                parts = [box]
                for taken in bases:
                    parts = [rest for part in parts for rest in ([part] if apart(part, taken) else beyond(part, taken))]
                    if len(parts) > _MOST_PARTS:
                        unknown = True
                        break
                else:
                    unknown = unknown or any(part.vague for part in parts)
                    made = (self.synthesis.example(part, "abcdefghijkl"[place]) for part in parts)
                    found = next((one for one in made if one is not None), None)
                if found is not None:
                    break
            if found is None:
                return None if unknown or len(way) > 1 else []
            examples.append(found)
        return examples

    def _unfilled(self, taker: _Taker, base: _Taker, way: Way) -> list[Box] | None:
        """The boxes of one slot of each way of the base that no slot of the exception lies in."""
        bases: list[Box] = []
        for theirs in base.ways:
            for slot in theirs:
                if not any(_lies_in(taker.slots[number], base.slots[slot]) for number in way):
                    bases += base.slots[slot]
                    break
            else:
                return None
        return bases


def _bases(taker: _Taker, by_id: Mapping[str, _Taker]) -> Iterator[_Taker]:
    at = taker
    while at.rule.exception_to is not None:
        at = by_id[at.rule.exception_to]
        yield at


def _compared_at(one: _Taker, other: _Taker) -> tuple[_Taker, _Taker, bool] | None:
    """Where two rules come into one order: themselves, or the rules they except, and whether these share a base.

    None when one excepts the other: an exception is never in conflict with its base.
    """
    if not one.bases and not other.bases:
        return one, other, False
    if one in other.bases or other in one.bases:
        return None
    for mine in one.line:
        for theirs in other.line:
            if mine.bases[:1] == theirs.bases[:1]:
                return mine, theirs, bool(mine.bases)
    return None


def outcome_of(rule: Rule) -> tuple[Any, ...]:
    """What a rule makes of what it takes, titles aside."""
    return rule.effect, rule.condition, tuple(_outcome_of_grant(grant) for grant in rule.grant)


def _outcome_of_grant(grant: Grant) -> tuple[Any, ...]:
    pool = None if grant.pool is None else grant.pool.per
    return grant.unit, grant.category, grant.level, grant.grade, grant.credits, pool


def _is_blanket(rule: Rule) -> bool:
    return rule.effect in GRANTING and all(grant.unit.startswith(BLANKET) for grant in rule.grant)


def _blanket_and_real(one: Rule, other: Rule) -> bool:
    return one.effect in GRANTING and other.effect in GRANTING and _is_blanket(one) != _is_blanket(other)


def _lies_in(inner: Sequence[Box], outer: Sequence[Box]) -> bool:
    return all(any(covers(taken, box) for taken in outer) for box in inner)


def _is_inside(taker: _Taker, base: _Taker, mine: list[int], theirs: Sequence[int]) -> bool:
    """Whether each of the base's slots can be filled by another one of the exception's achievements."""
    if not theirs:
        return True
    for slot in mine:
        if _lies_in(taker.slots[slot], base.slots[theirs[0]]):
            rest = [left for left in mine if left != slot]
            if _is_inside(taker, base, rest, theirs[1:]):
                return True
    return False


# --- E3 ---------------------------------------------------------------------------------------------------------------


class _Shadows:
    """Gathers what stands above each box, and tells which rules nothing is left for."""

    def __init__(self, overlaps: Overlaps) -> None:
        self.overlaps = overlaps
        self.whole: dict[int, int] = {}
        self.partly: dict[int, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
        self.entries: dict[tuple[int, int], dict[int, Entry]] = defaultdict(dict)
        self.beside: dict[int, set[int]] = defaultdict(set)
        """Combinations above a combination that take one of its parts."""

    def meet(self, upper: Entry, lower: Entry) -> None:
        """Take note of two boxes of which the upper one is asked first."""
        takers = self.overlaps.takers
        taker, under = takers[upper.rank], takers[lower.rank]
        if under.layer or upper.rank >= under.called:
            return
        if upper.slot not in taker.single:
            if len(under.slots) > 1 and covers(upper.box, lower.box):
                self.beside[under.rank].add(taker.rank)
            return
        if lower.number in self.whole:
            return
        names = uncovered(upper.box, lower.box)
        if not names:
            self.whole[lower.number] = upper.rank
        elif len(names) == 1:
            parts = self.partly[lower.number][names[0]]
            if len(parts) >= _MOST_PARTS and names[0] not in lower.box.wanted:
                # What is free there is not used up by so many values.
                return
            parts.append(upper)
        else:
            return
        self.entries[lower.rank, lower.slot][lower.number] = lower

    def _governed(self) -> Wanted:
        """The days on which the version may take something; one that reaches back takes older achievements too."""
        layered = self.overlaps.layered
        header, transition = layered.header, layered.own.transition
        reaches = transition.applies_to != "new_only" or transition.elect_until is not None
        low = LOWEST if reaches else below(header.from_.toordinal())
        return Numbers.between(low, HIGHEST if header.until is None else below(header.until.toordinal()))

    def verdicts(self, told_of: set[tuple[str, ...]]) -> Iterator[Verdict]:
        """The rules that never apply; those whose clash with the one above is told already are left out."""
        overlaps = self.overlaps
        for rank in sorted({rank for rank, _ in self.entries} | set(self.beside)):
            taker = overlaps.takers[rank]
            above: set[int] = set()
            if not all(self._is_dead(taker, way, above) for way in taker.ways) or not above:
                continue
            uppers = [overlaps.takers[upper] for upper in sorted(above)]
            if any({(taker.rule.id, u.rule.id), (u.rule.id, taker.rule.id)} & told_of for u in uppers):
                continue
            boxes = [box for slot in taker.slots for box in slot]
            made = (overlaps.synthesis.example(box) for box in boxes)
            example = next((one for one in made if one is not None), None)
            others = [upper.rule.id for upper in uppers]
            yield Verdict(
                ("recognition", overlaps.places[taker.rule.id]),
                "shadowed",
                {"rule": taker.rule.id, "other": ", ".join(others)},
                (taker.rule.id, *others),
                () if example is None else (example,),
            )

    def _is_dead(self, taker: _Taker, way: Way, above: set[int]) -> bool:
        """Whether each achievement that the way could take is taken before, or one combination takes them together.

        A combination is bound in the version of its latest achievement and may reach back to earlier ones that no rule
        took, so that it is dead only when every one of its slots is taken: one of them is the latest. A combination
        above of the same size binds as long as it can, and so leaves nothing that both could.
        """
        for rank in sorted(self.beside.get(taker.rank, ())):
            upper = self.overlaps.takers[rank]
            same = (theirs for theirs in upper.ways[:_MOST_WAYS] if len(theirs) == len(way))
            if any(_is_inside(taker, upper, list(way), theirs) for theirs in same):
                above.add(rank)
                return True
        return all(self._is_taken(taker, slot, above) for slot in way)

    def _is_taken(self, taker: _Taker, slot: int, above: set[int]) -> bool:
        seen = self.entries.get((taker.rank, slot), {})
        return len(seen) == len(taker.slots[slot]) and all(self._is_covered(entry, above) for entry in seen.values())

    def _is_covered(self, entry: Entry, above: set[int]) -> bool:
        upper = self.whole.get(entry.number)
        if upper is not None:
            above.add(upper)
            return True
        clock = self.overlaps.synthesis.clock
        for name, uppers in self.partly[entry.number].items():
            needed = entry.box.wanted.get(name)
            if needed is None and name == clock:
                needed = self._governed()
            used = [(one.box.wanted[name], one.rank) for one in uppers if name in one.box.wanted]
            if _together(name, needed, [values for values, _ in used]):
                above.update(rank for _, rank in used)
                return True
        return False


def _together(name: str, needed: Wanted | None, parts: Iterable[Wanted]) -> bool:
    """Whether sets of one fact's values cover what is needed (None: anything, and its absence where it may lack)."""
    absent = False
    joined: Wanted | None = None
    for part in parts:
        if part is ABSENT:
            absent = True
        elif part is PRESENT or joined is PRESENT:
            joined = PRESENT
        else:
            joined = part if joined is None else _joined(joined, part)
    if needed is ABSENT:
        return absent
    if needed is None and name not in ALWAYS and not absent:
        return False
    if joined is None:
        return False
    if needed is None or needed is PRESENT:
        if name == "assurance":
            needed = Texts(frozenset(int(level) for level in Assurance))
        else:
            return joined is PRESENT or sets.complement(joined)[1:] in ([], [Numbers(())], [Texts(frozenset())])
    return sets.covers(joined, needed)


def _joined(one: Wanted, other: Wanted) -> Wanted:
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return one.joined(other)
    if isinstance(one, Texts) and isinstance(other, Texts):
        # Not in either is not in the one and not in the other.
        left, right = one.complement()[0], other.complement()[0]
        return left.meet(right).complement()[0]
    if isinstance(one, Paths) and isinstance(other, Paths):
        return one.joined(other) or one
    return one
