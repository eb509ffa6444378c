"""Which rule takes which achievements, version by version (rules/v1 sections 5.3, 8, 10 step 2, 11 and 12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Final

from creditbank.rules.binding import bind
from creditbank.rules.compile import CompiledRule, CompiledVersion, rule_of_ruling, same_outcome
from creditbank.rules.drafts import Draft, DraftLot
from creditbank.rules.fact import Fact
from creditbank.rules.language.recognition import LIFETIME
from creditbank.rules.rulings import NO_RULINGS, Rulings
from creditbank.rules.standing import Bound, Standing


def recognise(
    ordered: Sequence[Fact],
    line: Sequence[CompiledVersion],
    as_of: date,
    standing: Standing,
    rulings: Rulings = NO_RULINGS,
    kept: Sequence[Draft] = (),
) -> list[Draft]:
    """The decisions of one rule set with what their formulas give, pools and transitions included.

    ``ordered`` are the facts by (completed, key), ``line`` the versions by the days they govern. What people ruled
    about a fact comes before every rule. ``kept`` are decisions about other facts that stand whatever the line says:
    they only fill pools.
    """
    drafts = list(_ruled(ordered, line, rulings))
    ruled = {key for draft in drafts for key in draft.keys}
    left = [fact for fact in ordered if fact.key not in ruled and (fact.key, None) not in rulings.blocks]
    bound = standing.bound.get(line[0].rule_set, _NOTHING_BOUND)
    reaching = [_reaches(version, line, as_of, bound, standing) for version in line]
    pins = _pinned(left, line, reaching, bound) if bound else {}
    fixed = list(_fixed(left, line, reaching, pins, bound)) if pins else []
    if fixed:
        drafts += fixed
        settled = {key for draft in fixed for key in draft.keys}
        left = [fact for fact in left if fact.key not in settled]
    for place, version in enumerate(line):
        reaching_later = zip(line[place + 1 :], reaching[place + 1 :], strict=True)
        later = [(v, reach) for v, reach in reaching_later if reach is not None]
        mine = left
        if later or pins:
            mine = [
                fact
                for fact in left
                if (
                    pins[fact.key] == place
                    if fact.key in pins
                    else not any(_is_reached(fact, v, reach, line) for v, reach in later)
                )
            ]
        since = line[0].valid_from if reaching[place] is not None else version.valid_from
        made = _Binder(version, mine, since, reaching[place], pins).bind()
        drafts += made
        taken = {key for draft in made for key in draft.keys}
        left = [fact for fact in left if fact.key not in taken]
    _fill_pools(drafts, kept)
    for draft in fixed:
        keeper = bound[draft.keys[0]].kept_by
        if keeper is not None and (keeping := keeper.within(line)) is not None:
            draft.keep(keeping)
    free = [fact for fact in ordered if (fact.key, None) not in rulings.blocks]
    for place, version in enumerate(line):
        if reaching[place] is not None and place:
            drafts = _compare_with_former(drafts, free, line[:place], version, as_of, standing, kept)
    for draft in drafts:
        draft.rule_on(rulings)
    return drafts


_NOTHING_BOUND: Final[Mapping[str, Bound]] = {}


def _ruled(ordered: Sequence[Fact], line: Sequence[CompiledVersion], rulings: Rulings) -> Iterator[Draft]:
    """The decisions that people made, or whose rule they forced, under the version that governs the fact."""
    if not rulings.inserts and not rulings.forces:
        return
    for fact in ordered:
        insert, force = rulings.inserts.get(fact.key), rulings.forces.get(fact.key)
        if (fact.key, None) in rulings.blocks or (insert is None and force is None):
            continue
        governing = [version for version in line if version.governs(version.governing(fact))]
        version = governing[0] if governing else line[0]
        rule: CompiledRule | None = None
        if insert is not None:
            rule = rule_of_ruling(insert.unit, insert.category, insert.level, insert.milli)
        elif force is not None:
            wanted = version.named(force.rule)
            rule = next((one for one in version.rules if one.id == wanted), None)
        if rule is not None:
            draft = Draft(version, rule, (fact,))
            draft.ruling = insert.id if insert is not None else force.id if force is not None else None
            yield draft


# --- Transition: section 8 --------------------------------------------------------------------------------------------


def _reaches(
    version: CompiledVersion,
    line: Sequence[CompiledVersion],
    as_of: date,
    bound: Mapping[str, Bound],
    standing: Standing,
) -> frozenset[str] | None:
    """The facts to which a version does not reach back although it does to others; None when it reaches to none."""
    transition = version.transition
    if version is line[0] or as_of < version.valid_from:
        return None
    if transition.applies_to == "all":
        return frozenset([key for key, one in bound.items() if one.is_redeemed])
    if transition.applies_to == "unredeemed":
        return frozenset(bound)
    elected = standing.elected.get(version.rule_set, ()) if transition.elect_until is not None else ()
    return frozenset(bound) if any(name.within(line) is version for name in elected) else None


def _pinned(
    facts: Iterable[Fact],
    line: Sequence[CompiledVersion],
    reaching: Sequence[frozenset[str] | None],
    bound: Mapping[str, Bound],
) -> dict[str, int]:
    """The places in the line of the versions by which facts stay decided, since something is built on their credits.

    A correction takes the place of what it corrects, and a version governs the days it took from another: neither
    leaves what is reserved where it was. Of what lies before its days a correction keeps what itself reaches back to.
    """
    pins: dict[str, int] = {}
    places = {version.version: place for place, version in enumerate(line)}
    for fact in facts:
        one = bound.get(fact.key)
        turn = one.turn_in(line) if one is not None else None
        if one is None or turn is None:
            continue
        version, name = turn
        place, day = places[version.version], version.governing(fact)
        if version.valid_until is not None and day >= version.valid_until:
            continue
        if day < version.valid_from and version.version != name.number and reaching[place] is None:
            continue
        if not one.is_redeemed and any(
            later.transition.applies_to == "all" and reach is not None and _is_reached(fact, later, reach, line)
            for later, reach in zip(line[place + 1 :], reaching[place + 1 :], strict=True)
        ):
            continue
        pins[fact.key] = place
    return pins


def _fixed(
    facts: Sequence[Fact],
    line: Sequence[CompiledVersion],
    reaching: Sequence[frozenset[str] | None],
    pins: Mapping[str, int],
    bound: Mapping[str, Bound],
) -> Iterator[Draft]:
    """Where a version reaches back: what the very version that decided it makes of each binding that is built on.

    It is asked about the binding alone. A version that reaches back takes company away from others in part and brings
    its own new company, and what is left or comes must not be bound with it. Of a group of rules, of which one may have
    won over what bound it in company, that one stands as long as it holds. Where its own facts make something else of
    it, it is asked like all others; so is what is kept by the version whose turn it still is.
    """
    if all(reach is None for reach in reaching):
        return
    by_key = {fact.key: fact for fact in facts}
    for keys in sorted({bound[key].binding for key in pins}):
        place, one = pins.get(keys[0]), bound.get(keys[0])
        if place is None or one is None or any(pins.get(k) != place or bound[k].binding != keys for k in keys):
            continue
        binding = [by_key[key] for key in keys]
        later = [v for v, reach in zip(line[place + 1 :], reaching[place + 1 :], strict=True) if reach is not None]
        if one.kept_by is not None and not any(_is_reached(f, v, frozenset(), line) for v in later for f in binding):
            continue
        for version, reach in zip(line, reaching, strict=True):
            if version.version == one.by.number:
                since = line[0].valid_from if reach is not None else version.valid_from
                for draft in _Binder(version, binding, since, None, pins).bind():
                    if draft.keys == keys:
                        won = _winner(version, one.rule, draft)
                        won.is_fixed = True
                        yield won


def _winner(version: CompiledVersion, name: str | None, draft: Draft) -> Draft:
    """What the rule of this name makes of a binding, if it may have won it in company that is gone; else the draft."""
    if draft.rule.id == name:
        return draft
    rule = next((one for one in version.rules if one.id == name and one.rivals and one.wins_by_credits), None)
    if rule is None:
        return draft
    ways = [way for way in rule.ways or ((0,),) if len(way) == len(draft.binding)]
    holds = any(all(rule.slots[s].holds(f) for s, f in zip(way, draft.binding, strict=True)) for way in ways)
    return Draft(version, rule, draft.binding) if holds else draft


def _is_reached(fact: Fact, version: CompiledVersion, kept: frozenset[str], line: Sequence[CompiledVersion]) -> bool:
    day = version.governing(fact)
    return fact.key not in kept and line[0].valid_from <= day < version.valid_from


def _compare_with_former(
    drafts: list[Draft],
    ordered: Sequence[Fact],
    before: Sequence[CompiledVersion],
    version: CompiledVersion,
    as_of: date,
    standing: Standing,
    kept: Sequence[Draft],
) -> list[Draft]:
    """Hold what the versions before gave: amounts where the new one says so, validity unless it may shorten it."""
    reached = [draft for draft in drafts if draft.version is version and draft.governing < version.valid_from]
    keeps = version.transition.never_less_than is not None
    if not reached and not keeps:
        return drafts
    of_version = {key for draft in drafts if draft.version is version for key in draft.keys}
    free = {key for draft in drafts for key in draft.keys} - of_version
    # What the former versions gave does not hang on what was built since on what the new one gives.
    asked = Standing(elected=standing.elected)
    former = recognise([fact for fact in ordered if fact.key not in free], before, as_of, asked, kept=kept)
    by_keys = {draft.keys: draft for draft in former}
    for draft in reached:
        draft.former = by_keys.get(draft.keys)
    return _never_less(drafts, reached, former, version) if keeps else drafts


def _never_less(
    drafts: list[Draft], reached: Sequence[Draft], former: Sequence[Draft], version: CompiledVersion
) -> list[Draft]:
    replaced: set[int] = set()
    kept: list[Draft] = []
    new_by_keys = {draft.keys: draft for draft in reached}
    touching: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.version is version:
            for key in draft.keys:
                touching[key].append(draft)
    for old in former:
        new = new_by_keys.get(old.keys)
        if new is not None and {(lot.unit, lot.number) for lot in old.lots} <= {(o.unit, o.number) for o in new.lots}:
            for lot in old.lots:
                _raise(next(o for o in new.lots if (o.unit, o.number) == (lot.unit, lot.number)), lot, version)
            continue
        rivals = {id(rival): rival for key in old.keys for rival in touching[key] if id(rival) not in replaced}.values()
        if any(rival.is_fixed or rival.governing >= version.valid_from for rival in rivals):
            # It met with what only the new version governs: that is no less, but something else. Or it is built on.
            continue
        if old.total > sum(draft.total for draft in rivals):
            # The new version parts or names them otherwise, and gives less: what stood goes on standing.
            replaced.update(id(draft) for draft in rivals)
            old.keep(version)
            kept.append(old)
    return [draft for draft in drafts if id(draft) not in replaced] + kept


def _raise(new: DraftLot, old: DraftLot, version: CompiledVersion) -> None:
    if new.recognised < old.recognised:
        new.steps.append(
            {
                "op": "transition",
                "version": version.version,
                "gives": str(Fraction(new.recognised, 1000)),
                "former": old.draft.version.version,
                "value": str(Fraction(old.recognised, 1000)),
            }
        )
        new.recognised = old.recognised


# --- Binding ----------------------------------------------------------------------------------------------------------


class _Binder:
    """Binds the facts that one version governs, rule by rule in order of precedence.

    A rule on single achievements binds each fact by itself, so that the first such rule of each fact is looked up and
    only the rules that work together are tried one after another. A combination takes a fact unless a rule before it
    takes the fact by itself.
    """

    def __init__(
        self,
        version: CompiledVersion,
        facts: Sequence[Fact],
        since: date,
        kept: frozenset[str] | None,
        pins: Mapping[str, int],
    ) -> None:
        self.version = version
        self.since = since
        self.kept = kept
        self.pins = pins
        self.facts = [fact for fact in facts if self._may_be_bound(fact)]
        self.alone = {
            fact.key: rule
            for fact in self.facts
            if self._is_governed(fact) and (rule := version.first_match(fact)) is not None
        }
        self.taken: set[str] = set()
        self.drafts: list[Draft] = []

    def _may_be_bound(self, fact: Fact) -> bool:
        """A combination may reach back to facts before the version, never to facts after it."""
        until = self.version.valid_until
        day = self.version.governing(fact)
        if until is not None and day >= until:
            return False
        if self.kept is None or day >= self.version.valid_from or fact.key not in self.kept:
            return True
        return fact.key in self.pins

    def _is_governed(self, fact: Fact) -> bool:
        return self.since <= self.version.governing(fact)

    def bind(self) -> list[Draft]:
        """The decisions, in no particular order."""
        if self.version.together:
            self._bind_together()
        for fact in self.facts:
            if fact.key not in self.taken and (rule := self.alone.get(fact.key)) is not None:
                self._take(self._judge(rule, (fact,)))
        return self.drafts

    def _take(self, draft: Draft) -> None:
        self.drafts.append(draft)
        self.taken.update(draft.keys)

    def _bind_together(self) -> None:
        candidates: dict[int, dict[int, list[Fact]]] = defaultdict(lambda: defaultdict(list))
        for fact in self.facts:
            for entry in self.version.slots.all(fact):
                candidates[entry.rank][entry.number].append(fact)
        for rank in sorted(candidates):
            rule = self.version.rules[rank]
            while (binding := self._binding(rule, candidates[rank], rank)) is not None:
                self._take(self._judge(rule, binding, candidates))

    def _binding(
        self, rule: CompiledRule, by_slot: Mapping[int, Sequence[Fact]], rank: int, also: Iterable[str] = ()
    ) -> tuple[Fact, ...] | None:
        """The first binding of a rule among the facts that are left to it."""
        start, until = rule.in_force
        governing, free = self.version.governing, set(also)

        def is_left(fact: Fact) -> bool:
            alone = self.alone.get(fact.key)
            return (
                fact.key not in self.taken
                and (alone is None or alone.rank > rank or fact.key in free)
                and (until is None or governing(fact) < until)
            )

        slots = [[fact for fact in by_slot.get(number, ()) if is_left(fact)] for number in range(len(rule.slots))]
        since = max(self.since, start) if start is not None else self.since
        return bind(rule.ways or (), slots, governing=governing, since=since)

    def _judge(
        self,
        rule: CompiledRule,
        binding: tuple[Fact, ...],
        candidates: Mapping[int, Mapping[int, Sequence[Fact]]] | None = None,
    ) -> Draft:
        """The decision of a rule that binds: its own, that of a better rival of its group, or a review."""
        draft = Draft(self.version, rule, binding)
        if not rule.rivals:
            return draft
        others = [
            Draft(self.version, rival, theirs)
            for rival in rule.rivals
            if (theirs := self._bound_too(rival, binding, candidates)) is not None
        ]
        if not rule.wins_by_credits:
            for other in sorted(others, key=lambda one: one.rule.id):
                if not same_outcome(rule, other.rule):
                    draft.review({"reason": "conflict", "with": other.rule.id})
                    break
            return draft
        decided = [one for one in (draft, *others) if one.missing is None and one.rule.effect != "review"]
        return min(decided, key=lambda one: (-one.total, one.rule.id), default=draft)

    def _bound_too(
        self,
        rival: CompiledRule,
        binding: tuple[Fact, ...],
        candidates: Mapping[int, Mapping[int, Sequence[Fact]]] | None,
    ) -> tuple[Fact, ...] | None:
        """How a rival would bind some of the same facts, were it its turn; None when it would not."""
        if rival.ways is None or candidates is None:
            fact = binding[0]
            return (fact,) if rival.holds(fact) else None
        keys = {fact.key for fact in binding}
        found = self._binding(rival, candidates.get(rival.rank, {}), rival.rank, keys)
        return found if found is not None and not keys.isdisjoint(fact.key for fact in found) else None


# --- Pools: section 5.4 -----------------------------------------------------------------------------------------------


def _fill_pools(drafts: Iterable[Draft], kept: Sequence[Draft]) -> None:
    """Give pooled lots their share: what the hours so far come to, less what those before came to.

    The share of what is kept stands; its hours are in the pool all the same.
    """
    pooled = [lot for draft in (*drafts, *kept) for lot in draft.lots if lot.terms.pool is not None]
    fixed = {id(draft) for draft in kept}
    seen: dict[tuple[str, int, str], Fraction] = {}
    for lot in sorted(pooled, key=lambda one: (*one.draft.order, one.grant)):
        draft, pool = lot.draft, lot.terms.pool
        period = "all" if pool is None or pool == LIFETIME else pool.start_of(draft.limits_day).isoformat()
        bucket = (draft.rule.id, lot.grant, period)
        before = seen.get(bucket)
        hours = sum((fact.hours for fact in draft.binding if fact.hours is not None), before or Fraction(0))
        seen[bucket] = hours
        if id(draft) in fixed:
            continue
        formula = lot.terms.formula
        whole = formula.amount_of_hours(hours)
        already = formula.amount_of_hours(before).milli if before is not None else 0
        lot.recognised = max(whole.milli - already, 0)
        if before is not None:
            lot.steps.insert(
                0,
                {
                    "op": "pool",
                    "period": period,
                    "hours": str(hours),
                    "value": str(Fraction(whole.milli, 1000)),
                    "already": str(Fraction(already, 1000)),
                },
            )
            lot.steps[1:1] = whole.steps
        else:
            lot.steps[0:0] = whole.steps
