"""No double use within a rule set: lots, or whole decisions, compete for their keys (rules/v1 section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from creditbank.rules.compile import CompiledVersion
from creditbank.rules.drafts import Draft, DraftLot
from creditbank.rules.language.recognition import BLANKET

_Key = tuple[str, str]


@dataclass(eq=False, slots=True)
class _Contestant:
    """Lots that stand or fall together, and the keys they stand for."""

    draft: Draft
    lots: Sequence[DraftLot]
    keys: frozenset[_Key]
    is_kept: bool = False

    @property
    def level(self) -> int:
        return max([-1 if lot.level is None else lot.level for lot in self.lots])

    @property
    def credits(self) -> int:
        return sum([lot.recognised for lot in self.lots])

    @property
    def grade(self) -> tuple[str, str] | None:
        return self.lots[0].grade


def keep_unique(drafts: Iterable[Draft], version: CompiledVersion, kept: Iterable[Draft] = ()) -> None:
    """Let contestants meet in the order of their decisions; the loser's credits become excess, its keys are free.

    What is ``kept`` holds its keys before all others, and gives way to nobody.
    """
    if version.unique is None:
        return
    holders: dict[_Key, list[_Contestant]] = {}
    for draft in kept:
        for contestant in _contestants(draft, version.unique[0]):
            contestant.is_kept = True
            for key in contestant.keys:
                holders.setdefault(key, []).append(contestant)
    for draft in sorted(drafts, key=lambda one: one.order):
        for contestant in _contestants(draft, version.unique[0]):
            rivals = _rivals(contestant, holders)
            stronger = next(
                (rival for rival in rivals if rival.is_kept or not _beats(contestant, rival, version)), None
            )
            if stronger is not None:
                _give_way(contestant, stronger, version)
                continue
            for rival in rivals:
                _give_way(rival, contestant, version)
                for key in rival.keys:
                    holders[key].remove(rival)
            for key in contestant.keys:
                holders.setdefault(key, []).append(contestant)


def _contestants(draft: Draft, by: str) -> Iterator[_Contestant]:
    """Lots of 0 and blanket units never compete. With learning keys the lots of a decision are one contestant."""
    lots = [lot for lot in draft.lots if lot.recognised and not lot.unit.startswith(BLANKET)]
    if not lots:
        return
    learnings = {fact.learning for fact in draft.binding if fact.learning is not None} if by == "learning" else set()
    if learnings:
        yield _Contestant(draft, lots, frozenset(("learning", learning) for learning in learnings))
        return
    for lot in lots:
        yield _Contestant(draft, [lot], frozenset([("unit", lot.unit)]))


def _rivals(contestant: _Contestant, holders: dict[_Key, list[_Contestant]]) -> list[_Contestant]:
    """Those who hold one of its keys, each once; lots of one decision do not compete."""
    found: list[_Contestant] = []
    for key in sorted(contestant.keys):
        for holder in holders.get(key, ()):
            if holder.draft is not contestant.draft and holder not in found:
                found.append(holder)
    return found


def _beats(later: _Contestant, earlier: _Contestant, version: CompiledVersion) -> bool:
    """Whether the later contestant takes the place of the earlier; a tie keeps the earlier."""
    keep = version.unique[1] if version.unique is not None else "first"
    if keep != "best":
        return keep == "latest"
    ours, theirs = (later.level, later.credits), (earlier.level, earlier.credits)
    return ours > theirs if ours != theirs else _better_grade(later, earlier)


def _better_grade(later: _Contestant, earlier: _Contestant) -> bool:
    """Whether a grade is better: comparable on one scale only, and a pass is below any other."""
    ours, theirs = later.grade, earlier.grade
    if ours is None or theirs is None or ours == theirs:
        return False
    if theirs[0] == "pass":
        return ours[0] != "pass"
    if ours[0] != theirs[0]:
        return False
    our_position, their_position = later.draft.version.position(*ours), earlier.draft.version.position(*theirs)
    return our_position is not None and their_position is not None and our_position > their_position


def _give_way(loser: _Contestant, winner: _Contestant, version: CompiledVersion) -> None:
    key, keep = version.unique or ("unit", "first")
    shared = sorted(name for kind, name in loser.keys & winner.keys if kind == "learning")
    for lot in loser.lots:
        lot.excess, lot.recognised = lot.recognised, 0
        step = {"op": "unique", "unit": lot.unit, "keep": keep, "from": list(winner.draft.keys), "value": "0"}
        if key == "learning" and shared:
            step["learning"] = shared
        lot.steps.append(step)
