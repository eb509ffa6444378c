"""An achievement made up from a box, so that people see what two rules clash about (rules/v1 section 15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Final

from creditbank.rules.checking import sets
from creditbank.rules.checking.boxes import Age, Box, common
from creditbank.rules.checking.sets import ABSENT, PRESENT, Numbers, Paths, Texts, Wanted, above, below
from creditbank.rules.fact import Assurance
from creditbank.rules.numbers import decimal_text, is_number, read_number
from creditbank.rules.registry import FIELDS

if TYPE_CHECKING:
    from creditbank.rules.language.definitions import Register
    from creditbank.rules.layers import Layered
    from creditbank.rules.registry import Registry

Made = Mapping[str, Any]
"""An achievement in the form of section 9: texts, days, numbers as texts, lists and mappings."""

_KINDS: Final = ("course", "certificate", "other")
_MOST: Final[Mapping[str, int]] = {"credits": 1_000, "hours": 100_000, "attendance": 100}
"""Records hold no more (section 15, E8)."""

_TEXTS: Final = ("unit", "learning", "provider_type")
_NUMBERS: Final = ("credits", "hours", "attendance")
_PLACES: Final = 4
"""How many providers, codes and days are tried where a register must not have them."""


class Synthesis:
    """Makes achievements for one chain of documents."""

    def __init__(self, layered: Layered, registry: Registry | None) -> None:
        self.layered = layered
        self.registry = registry
        header = layered.header
        until = sets.HIGHEST if header.until is None else below(header.until.toordinal())
        self.governed = Numbers.between(below(header.from_.toordinal()), until)
        self.clock = header.clock.recognition

    def example(self, box: Box, id_: str = "a") -> Made | None:
        """An achievement in the box, on a day that the version governs; None when none was found or it is vague."""
        if box.vague:
            return None
        governed = box.where(self.clock, self.governed)
        if governed is None:
            return None
        for entered in self._entered(governed, sorted(governed.registers)):
            made = self._made(entered, id_)
            if made is not None:
                return made
        return None

    # --- Registers ---

    def _entries(self, register: str) -> Register | None:
        found = self.layered.registers.get(register)
        return None if found is None or found.entries is None else found

    def _entered(self, box: Box, registers: list[str]) -> Iterator[Box]:
        """The parts of the box that stand in the document's own registers it names, an entry of each."""
        if not registers:
            yield box
            return
        found = self._entries(registers[0])
        if found is None:
            yield from self._entered(box, registers[1:])
            return
        for entry in found.entries or ():
            wanted: dict[str, Wanted] = {"provider": Paths.under((entry.provider,))}
            if entry.code is not None:
                wanted["code"] = Texts(frozenset((entry.code,)))
            low = sets.LOWEST if entry.from_ is None else below(entry.from_.toordinal())
            high = sets.HIGHEST if entry.until is None else below(entry.until.toordinal())
            wanted["completed"] = Numbers.between(low, high)
            part = common(box, Box(wanted))
            if part is not None:
                yield from self._entered(part, registers[1:])

    def _is_entered(self, register: str, provider: str, code: str | None, completed: date) -> bool:
        found = self._entries(register)
        return found is not None and any(
            (provider == entry.provider or provider.startswith(entry.provider + "/"))
            and (entry.code is None or entry.code == code)
            and (entry.from_ is None or entry.from_ <= completed)
            and (entry.until is None or completed < entry.until)
            for entry in found.entries or ()
        )

    # --- The achievement ---

    def _made(self, box: Box, id_: str) -> Made | None:
        wanted = box.wanted
        kinds = self._kinds(box)
        if not kinds:
            return None
        grade = self._grade(wanted.get("scale"), wanted.get("grade"))
        level = self._level(wanted.get("level"))
        facts = self._facts(box, kinds[0])
        category = self._category(wanted.get("category"))
        numbers = {name: _number(wanted.get(name), most=_MOST[name]) for name in _NUMBERS}
        assurance = wanted.get("assurance")
        parts = (grade, level, facts, category, *numbers.values())
        if any(part is None for part in parts):
            return None
        made: dict[str, Any] = {"id": id_, "kind": kinds[0]}
        for name, value in (("category", category), *numbers.items(), ("grade", grade), ("level", level)):
            if value:
                made[name] = value
        for name in _TEXTS:
            text = _text(wanted.get(name), name)
            if text is None:
                return None
            if text:
                made[name] = text
        lasting = _lasting(wanted.get("shelf_life"))
        if lasting is None:
            return None
        if lasting:
            made["shelf_life"] = lasting
        if isinstance(assurance, Texts):
            best = [level_ for level_ in (2, 3, 1, 0) if Texts(frozenset((level_,))).meets(assurance)]
            if not best:
                return None
            made["assurance"] = Assurance(best[0]).name.lower()
        if box.tags:
            made["tags"] = sorted(box.tags)
        external = [name for name in sorted(box.registers) if self._entries(name) is None]
        if external:
            made["accredited"] = external
        if facts:
            made["facts"] = facts
        return self._placed(made, box)

    def _placed(self, made: dict[str, Any], box: Box) -> Made | None:
        """The achievement with its provider, its code and its days, which registers bind together."""
        wanted = box.wanted
        providers = islice(_paths(wanted.get("provider"), "somewhere"), _PLACES)
        codes = list(islice(_codes(wanted.get("code")), _PLACES))
        days = list(islice(_days(box), _PLACES))
        without = [name for name in box.without_registers if self._entries(name) is not None]
        for provider, code, stated in product(providers, codes, days):
            if any(self._is_entered(name, provider, code, stated["completed"]) for name in without):
                continue
            made = {**made, "provider": provider, **stated}
            if code is not None:
                made["code"] = code
            return {key: made[key] for key in sorted(made, key=_ORDER.index)}
        return None

    def _kinds(self, box: Box) -> list[str]:
        """Kinds the achievement may have: those that know all the facts it needs."""
        wanted = box.wanted.get("kind")
        known = _KINDS if self.registry is None else tuple(sorted(self.registry.kinds))
        facts = [name for name, values in box.wanted.items() if _is_typed(name) and values is not ABSENT]
        if not isinstance(wanted, Texts):
            kinds = list(known)
        elif wanted.inverted:
            others = ("further", "another")
            kinds = [kind for kind in (*known, *(others if self.registry is None else ())) if kind not in wanted.values]
        else:
            kinds = sorted(str(kind) for kind in wanted.values)
        if self.registry is not None:
            kinds = [kind for kind in kinds if all(name in self.registry.kinds.get(kind, {}) for name in facts)]
        return kinds

    def _category(self, wanted: Wanted | None) -> str | None:
        if wanted is None or wanted is ABSENT:
            return ""
        paths = _paths(wanted, "general")
        if self.registry is None:
            return next(paths, None)
        if isinstance(wanted, Paths):
            known = (path for path in sorted(self.registry.categories) if wanted.covers(Paths.only((path,))))
            return next(known, None)
        return min(self.registry.categories, default=None)

    def _grade(self, scale: Wanted | None, position: Wanted | None) -> dict[str, str] | None:
        if position is ABSENT or scale is ABSENT or (position is None and scale is None):
            return None if position is not None and scale is not None and position is not scale else {}
        for name, found in sorted(self.layered.scales.items()):
            if isinstance(scale, Texts) and not scale.covers(Texts(frozenset((name,)))):
                continue
            if found.grades:
                for grade, at in found.grades.items():
                    if not isinstance(position, Numbers) or position.covers(Numbers.points((at,))):
                        return {name: grade}
            else:
                number = _number(position if position is not None else PRESENT, most=1_000)
                if number:
                    return {name: number}
        return None

    def _level(self, wanted: Wanted | None) -> dict[str, str] | None:
        if wanted is None or wanted is ABSENT:
            return {}
        for framework, values in sorted(self.layered.levels.items()):
            for value, level in values.items():
                if not isinstance(wanted, Texts) or wanted.covers(Texts(frozenset((level,)))):
                    return {framework: value}
        return None

    def _facts(self, box: Box, kind: str) -> dict[str, Any] | None:
        facts: dict[str, Any] = {}
        for name, wanted in box.wanted.items():
            if not _is_typed(name) or wanted is ABSENT:
                continue
            # The kind is one that knows all of these facts.
            type_ = None if self.registry is None else self.registry.kinds[kind][name]
            value: Any = None
            if isinstance(wanted, Numbers):
                dated = type_ == "date" or (type_ is None and _looks_dated(wanted))
                number = _pick(wanted, least=1 if dated else 0, most=_LAST if dated else 10**9, whole=dated)
                if number is not None:
                    is_whole = number == int(number)
                    value = date.fromordinal(int(number)) if dated else int(number) if is_whole else _written(number)
            elif isinstance(wanted, Paths):
                value = next(_paths(wanted, "general"), None)
            elif isinstance(wanted, Texts):
                value = _plain(wanted, name)
            else:
                value = {"number": 1, "boolean": True, "date": date(2024, 1, 1)}.get(type_ or "", "x")
            if value is None:
                return None
            facts[name] = value
        return facts


_ORDER: Final = (
    "id",
    "kind",
    "provider",
    "code",
    "unit",
    "category",
    "credits",
    "hours",
    "attendance",
    "grade",
    "level",
    "accredited",
    "assurance",
    "completed",
    "submitted",
    "applied",
    "recognised",
    "shelf_life",
    "tags",
    "learning",
    "provider_type",
    "facts",
)

_LAST: Final = date(9999, 12, 31).toordinal()
_EARLIEST: Final = date(1000, 1, 1).toordinal()


def _is_typed(name: str) -> bool:
    return name not in FIELDS and name != "scale"


def _looks_dated(wanted: Numbers) -> bool:
    """Without a registry a day is known by its size: no document counts anything in such numbers and means a number."""
    edges = [cut for span in wanted.spans for cut in span if cut[0] == 0]
    return bool(edges) and all(
        cut[2] == 0 and isinstance(cut[1], int) and _EARLIEST <= cut[1] <= _LAST + 1 for cut in edges
    )


def _pick(wanted: Numbers, *, least: int, most: int, whole: bool = False) -> Fraction | int | None:
    """A number of the set, a simple one if there is one."""
    for low, high in wanted.meet(Numbers.between(below(least), above(most))).spans:
        if low[2] == 0 and (not whole or low[1] == int(low[1])):
            return low[1]
        up = int(low[1] // 1) + 1
        if below(up) < high:
            return up
        if not whole:
            return Fraction(low[1] + high[1]) / 2
    return None


def _written(number: Fraction | int) -> str:
    """A number as documents write it: a decimal where that is exact."""
    text = decimal_text(Fraction(number))
    return text if read_number(text) == number else str(number)


def _number(wanted: Wanted | None, *, most: int) -> str | None:
    """A number as documents write it, empty for none; None when there is none to write."""
    if wanted is None or wanted is ABSENT:
        return ""
    if not isinstance(wanted, Numbers):
        return "1"
    number = _pick(wanted, least=0, most=most)
    if number is None:
        return None
    text = _written(number)
    return text if is_number(text) else None


def _plain(wanted: Texts, name: str) -> str | int | bool | None:
    if not wanted.inverted:
        return min(wanted.values, key=str, default=None)
    candidates = (name, *(f"{name}-{number}" for number in range(1, len(wanted.values) + 1)))
    return next(text for text in candidates if text not in wanted.values)


def _text(wanted: Wanted | None, name: str) -> str | None:
    """A text of the set, empty for none; None when there is none."""
    if wanted is None or wanted is ABSENT:
        return ""
    found = _plain(wanted, name) if isinstance(wanted, Texts) else name
    return None if found is None else str(found)


def _lasting(wanted: Wanted | None) -> str | None:
    if wanted is None or wanted is ABSENT:
        return ""
    if isinstance(wanted, Texts):
        if not wanted.inverted:
            return min(map(str, wanted.values), default=None)
        return next(f"P{years}Y" for years in range(1, len(wanted.values) + 2) if f"P{years}Y" not in wanted.values)
    return "P1Y"


def _codes(wanted: Wanted | None) -> Iterator[str | None]:
    if wanted is None or wanted is ABSENT:
        yield None
    if isinstance(wanted, Texts) and not wanted.inverted:
        yield from sorted(str(value) for value in wanted.values)
    elif wanted is not ABSENT:
        taken = wanted.values if isinstance(wanted, Texts) else frozenset()
        yield from (code for number in range(1, len(taken) + 3) if (code := f"X{number}") not in taken)


def _paths(wanted: Wanted | None, free: str) -> Iterator[str]:
    """Paths of the set: a tree's top first, else one below it that nobody named."""
    if not isinstance(wanted, Paths):
        yield free
        return
    tops = [(free, False)] if wanted.include is None else sorted(wanted.include)
    for path, _ in tops:
        candidates = [path, *(f"{path}/x{number}" for number in range(1, len(wanted.exclude) + 2))]
        if wanted.include is None:
            candidates += [f"{free}-{number}" for number in range(1, len(wanted.exclude) + 2)]
        for candidate in candidates:
            if candidate.count("/") < 8 and wanted.covers(Paths.only((candidate,))):
                yield candidate


def _days(box: Box) -> Iterator[dict[str, date]]:
    """Days of completion, submission and application, each not before the one before."""
    free = Numbers.between(below(_EARLIEST), below(_LAST))
    completed, submitted, applied, recognised = (
        free.meet(wanted) if isinstance(wanted := box.wanted.get(name), Numbers) else free
        for name in ("completed", "submitted", "applied", "recognised")
    )
    needed = {*box.wanted, *(at for at, _ in (*box.ages, *box.older))}
    edges = [low[1] for low, _ in completed.spans]
    for later in (completed, submitted, applied):
        edges += [high[1] - 1 for _, high in later.spans]
    for edge in edges:
        found = completed.meet(Numbers.between(below(edge), sets.HIGHEST)).spans
        if not found:
            continue
        done = date.fromordinal(int(found[0][0][1]))
        handed_in = _from(submitted, done, _older(box.older, "submitted", done))
        asked = None if handed_in is None else _from(applied, handed_in, _older(box.older, "applied", done))
        known = _from(recognised, done, done)
        if handed_in is None or asked is None or known is None:
            continue
        days = {"completed": done, "submitted": handed_in, "applied": asked, "recognised": known}
        if all(days[at] <= span.after(done) for at, span in box.ages):
            yield {
                name: day for name, day in days.items() if name == "completed" or name in needed or _differs(name, days)
            }


def _differs(name: str, days: Mapping[str, date]) -> bool:
    """Whether a date is not what it would be if it were left out."""
    return name in _FOLLOWS and days[name] != days[_FOLLOWS[name]]


_FOLLOWS: Final = {"submitted": "completed", "applied": "submitted"}


def _older(older: frozenset[Age], at: str, done: date) -> date:
    least = done
    for name, span in older:
        if name == at:
            least = max(least, date.fromordinal(min(span.after(done).toordinal() + 1, _LAST)))
    return least


def _from(wanted: Numbers, *least: date) -> date | None:
    start = max(least)
    for low, high in wanted.spans:
        day = max(int(low[1]), start.toordinal())
        if below(day) < high:
            return date.fromordinal(day)
    return None
