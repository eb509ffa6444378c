"""What two versions of a rule set differ in, and which achievements that can touch (rules/v1 section 13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from creditbank.rules.faults import pointer_to
from creditbank.rules.language.recognition import AllConditions, AnyCondition, FactTest, NotCondition, slots_of

if TYPE_CHECKING:
    from creditbank.rules.document import RuleSetDocument
    from creditbank.rules.language.recognition import Condition, Limit, Matcher, Rule
    from creditbank.rules.layers import Layered

_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One place where the versions differ.

    ``pointer`` leads to it in the new document, for what was removed in the old one. ``of`` names the rule, limit,
    programme, conversion or test, or the block and the definition. A value that one of them lacks is None.
    """

    pointer: str
    of: str
    kind: Literal["added", "removed", "changed"]
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Touched:
    """Achievements that a change can touch: of one of these kinds, under one of these providers, with one of these
    codes. None is any; a filter by them may find too many, never too few."""

    kinds: tuple[str, ...] | None
    providers: tuple[str, ...] | None
    codes: tuple[str, ...] | None


EVERYTHING: Final = Touched(None, None, None)


@dataclass(frozen=True, slots=True)
class Difference:
    """How a new version differs from an old one.

    ``touched`` are boxes of achievements whose learners must be evaluated under both; just ``EVERYTHING`` when some
    change can touch all of them, none when no credit can change. ``programmes`` are those whose terms changed.
    """

    changes: tuple[Change, ...]
    touched: tuple[Touched, ...]
    programmes: tuple[str, ...]

    @property
    def touches_everything(self) -> bool:
        """Whether no achievement can be left out."""
        return self.touched == (EVERYTHING,)


_LISTS: Final = ("recognition", "limits", "programmes", "unit_conversions")
_BLOCKS: Final = ("calendars", "scales", "grade_conversions", "tables", "levels", "registers", "groups")
_FOR_ALL: Final = frozenset({"unique", "validity", "transition"})
_HARMLESS: Final = frozenset({"lcb", "id", "version", "title", "legal_basis"})
"""Parts of the header on which no credit hangs."""


def difference(old: Layered, new: Layered) -> Difference:
    """What changed from one document to the next, and what that touches.

    Where the two extend different documents everything is touched, since their rules count like own ones.
    """
    before, after = _plain(old.own), _plain(new.own)
    changes: list[Change] = []
    touched: dict[Touched, None] = {}
    for block in sorted(before.keys() | after.keys(), key=_place):
        if block in _LISTS or block == "tests":
            changes += _of_list(block, before.get(block, []), after.get(block, []))
        else:
            changes += _of_value((block,), block, before.get(block), after.get(block))
    for layered in (old, new):
        touched |= dict.fromkeys(_touched(layered, changes))
    extended = [[document.ruleset.ref for document in layered.documents[1:]] for layered in (old, new)]
    if EVERYTHING in touched or extended[0] != extended[1]:
        touched = {EVERYTHING: None}
    programmes = dict.fromkeys(change.of for change in changes if change.pointer.startswith("/programmes/"))
    return Difference(tuple(changes), tuple(touched), tuple(programmes))


def _plain(document: RuleSetDocument) -> dict[str, Any]:
    """The document as its canonical form says it."""
    return document.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _place(block: str) -> int:
    order = ("ruleset", *_BLOCKS, "recognition", "unique", "limits", "validity", "programmes", "unit_conversions")
    return order.index(block) if block in order else len(order)


# --- What changed -----------------------------------------------------------------------------------------------------


def _of_list(block: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    """Items are the same when their ids are (of tests, their names); the order of a list says nothing."""
    name = "name" if block == "tests" else "id"
    before = {item[name]: (index, item) for index, item in enumerate(old)}
    after = {item[name]: (index, item) for index, item in enumerate(new)}
    for id_, (index, item) in before.items():
        if id_ not in after:
            yield Change(pointer_to((block, index)), id_, "removed", item, None)
    for id_, (index, item) in after.items():
        if id_ not in before:
            yield Change(pointer_to((block, index)), id_, "added", None, item)
        else:
            yield from _of_value((block, index), id_, before[id_][1], item)


def _of_value(path: _Path, of: str, old: Any, new: Any) -> Iterator[Change]:
    """Objects are compared field by field, everything else as a whole."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*old, *(key for key in new if key not in old)):
            name = f"{path[0]}.{key}" if len(path) == 1 else of
            yield from _of_value((*path, key), name, old.get(key), new.get(key))
        return
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (mine, theirs) in enumerate(zip(old, new, strict=True)):
            yield from _of_value((*path, index), of, mine, theirs)
        return
    kind: Literal["added", "removed", "changed"] = "added" if old is None else "removed" if new is None else "changed"
    yield Change(pointer_to(path), of, kind, old, new)


# --- What it touches --------------------------------------------------------------------------------------------------


def _touched(layered: Layered, changes: Sequence[Change]) -> Iterator[Touched]:
    """The boxes of one of the two versions."""
    names: dict[str, set[str]] = {block: set() for block in (*_BLOCKS, *_LISTS)}
    for change in changes:
        block, field, *deeper = (*change.pointer.removeprefix("/").split("/"), "")
        if "title" in deeper and block not in {"tables", "levels"}:
            # Titles are for people; but a table may have a key of that name.
            continue
        if block in _FOR_ALL or (block == "ruleset" and field not in _HARMLESS):
            yield EVERYTHING
        elif block in _LISTS:
            names[block].add(change.of)
        elif block in _BLOCKS:
            if field:
                names[block].add(field.replace("~1", "/").replace("~0", "~"))
            else:
                names[block] |= set(getattr(layered, block))
    for _, rule in layered.rules():
        if rule.id in names["recognition"] or _uses(rule, names):
            yield from (_box(matcher) for _, matcher in slots_of(rule.match))
    for limit in layered.limits():
        if limit.id in names["limits"] or _counts_by(limit, names):
            yield EVERYTHING if limit.over is None else _box(limit.over)


def _uses(rule: Rule, names: Mapping[str, set[str]]) -> bool:
    """Whether a rule looks at a definition that changed."""
    for _, matcher in slots_of(rule.match):
        if _reads(matcher, names):
            return True
    for grant in rule.grant:
        if grant.credits.table in names["tables"] or grant.grade in names["grade_conversions"]:
            return True
        if grant.pool is not None and grant.pool.per in names["calendars"]:
            return True
        # A lot has the lead's level as it is mapped, by which the better lot of a unit is chosen; a key reads it too.
        if names["levels"] and (grant.level == "mapped" or grant.credits.key == "level"):
            return True
        if names["scales"] and grant.grade == "keep":
            return True
    return rule.group in names["groups"]


def _reads(matcher: Matcher, names: Mapping[str, set[str]]) -> bool:
    if matcher.accredited in names["registers"]:
        return True
    if matcher.grade is not None and matcher.grade.scale in names["scales"]:
        return True
    if matcher.level is not None and names["levels"]:
        return True
    asked = set(_facts(matcher.where))
    return ("grade" in asked and bool(names["scales"])) or ("level" in asked and bool(names["levels"]))


def _facts(condition: Condition | None) -> Iterator[str]:
    match condition:
        case AllConditions():
            for part in condition.all:
                yield from _facts(part)
        case AnyCondition():
            for part in condition.any:
                yield from _facts(part)
        case NotCondition():
            yield from _facts(condition.not_)
        case FactTest():
            yield condition.fact


def _counts_by(limit: Limit, names: Mapping[str, set[str]]) -> bool:
    return limit.per in names["calendars"] or (limit.over is not None and _reads(limit.over, names))


def _box(matcher: Matcher) -> Touched:
    return Touched(matcher.kind, matcher.provider, matcher.code)
