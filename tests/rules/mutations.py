"""Documents that nobody would write: what a rule document becomes when a dice is thrown over it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

_HERE: Final = Path(__file__).parent

_MONTHS: Final = {"fact": "months", "op": ">=", "value": 12}


def _deep(depth: int, key: str | None) -> Any:
    """One value inside the other; with a key objects, without lists."""
    value: Any = "x"
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return value


def _nested_condition(width: int, depth: int) -> Any:
    """A conjunction of alternatives of conjunctions ...: its disjunctive form is larger than any memory."""
    value: Any = dict(_MONTHS)
    for level in range(depth):
        value = {"all" if level % 2 else "any": [value] * width}
    return value


def _wide_condition(terms: int) -> Any:
    return {
        "all": [
            {"any": [{"fact": f"f{n}", "op": "==", "value": 1}, {"fact": f"g{n}", "op": "!=", "value": 2}]}
            for n in range(terms)
        ]
    }


ODD: Final[Sequence[Any]] = (
    None, True, False, 0, -1, 3, 10**30, -(10**400), 1.5, float("inf"), "", " ", "x", "1.5", "1/3", "2/0", "-1", "1e9",
    "9" * 400, "0." + "0" * 300 + "1", "1/999999999", "2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", "P9999Y",
    "P0D", "P", "P99999D", "12-31", "02-29", "lifetime", "none", "same", "blanket:", "blanket:x", "a/b/c/d/e/f/g/h/i",
    "cn/cq/", "/", "town@1", "@", "é", "e\u0301", "\u202e", "\u0000", "\ud800", "𝒳" * 50, "经" * 1001, "x" * 100_000,
    [], {},
    [[]], [{}], {"": {}}, [1, "1", 1], {"fact": "credits", "op": ">=", "value": "4"}, _MONTHS,
    {"not": {"not": _MONTHS}},
    {"all": []}, {"any": [{}]}, {"n": 2, "of": [{}]}, {"n": 6, "of": [{}] * 12}, {"all": [{}] * 13},
    {"any": [{"n": 2, "of": [{"code": "A"}] * 3}] * 4}, {"where": _nested_condition(3, 6)},
    {"where": _wide_condition(14)},
    {"min": "5", "below": "5"}, {"native": "1"}, {"fixed": "1", "native": "1"}, {"bands": [["2", "2"], ["1", "1"]]},
    {"table": "t", "key": "code"}, {"entries": [{"provider": "cn"}] * 300}, {"starts": ["01-01"] * 400},
    {f"k{n}": "1" for n in range(2000)}, _deep(7, None), _deep(60, None), _deep(60, "not"), _deep(60, "all"),
)  # fmt: skip
"""What is put in the place of a value, or beside it."""

BYTES: Final = (
    b"[", b"{", b"- ", b"&a ", b"*a", b"!!x ", b"? ", b"\t", b"\xff", b"[" * 9, b"[" * 3000, b'{"a":' * 3000,
    b"[" * 100_000,
)  # fmt: skip

NAMES: Final = (
    "ruleset", "extends", "recognition", "match", "all", "any", "n", "of", "where", "not", "grant", "credits", "pool",
    "limits",
    "per", "over", "programmes", "requirements", "reuse", "unit_conversions", "transition", "tests", "given", "then",
    "groups",
    "exception_to", "id", "from", "until", "title", "migrations", "unknown", "", "no", "\u0000", "0",
)  # fmt: skip


def documents(*more: Path) -> list[Any]:
    """Good documents as plain values, to begin with: those of the tests and what else is given."""
    paths = [*sorted((_HERE / "field").glob("*.yaml")), *sorted((_HERE / "documents").glob("*.yaml")), *more]
    return [list(yaml.safe_load_all(path.read_text("utf-8"))) for path in paths]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    stack = [value]
    while stack:
        container = stack.pop()
        pairs = list(container.items() if isinstance(container, dict) else enumerate(container))
        for key, inner in pairs:
            yield container, key
            if isinstance(inner, dict | list):
                stack.append(inner)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _strike(values: list[Any], dice: Random, others: Sequence[Any]) -> None:
    """One blow: something goes, changes, moves, or comes twice."""
    places = list(islice(_places(values), 20_000))
    if len(places) == 20_000:
        # It has grown enough.
        return
    if not places:
        values.append(_copy(dice.choice(ODD)))
        return
    container, key = dice.choice(places)
    match dice.randrange(8):
        case 0:
            del container[key]
        case 1 | 2:
            container[key] = _copy(dice.choice(ODD))
        case 3 if isinstance(container, dict):
            container[dice.choice(NAMES)] = container.pop(key)
        case 4 if isinstance(container, list):
            container += [_copy(container[key]) for _ in range(dice.choice([1, 2, 30]))]
        case 5:
            other, at = dice.choice(places)
            container[key] = _copy(other[at])
        case 6:
            theirs = list(_places(dice.choice(others)))
            other, at = dice.choice(theirs)
            container[key] = _copy(other[at])
        case _ if isinstance(container, dict):
            container[dice.choice(NAMES)] = _copy(dice.choice(ODD))
        case _:
            container.insert(key, _copy(dice.choice(ODD)))


def _scatter(text: bytes, dice: Random) -> bytes:
    """Bytes that go, change, come in, or come again."""
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(text) + 1)
        upto = min(len(text), at + dice.randrange(1, 60))
        match dice.randrange(5):
            case 0:
                text = text[:at] + text[upto:]
            case 1:
                text = text[:at] + dice.randbytes(dice.randrange(1, 5)) + text[upto:]
            case 2:
                text = text[:at] + dice.choice(BYTES) + text[at:]
            case 3:
                text = text[:at]
            case _:
                text = text[:at] + text[at:upto] * dice.randrange(2, 40) + text[at:]
    return text


def mutant(dice: Random, good: Sequence[Any]) -> tuple[bytes, str]:
    """A text that was a document once, with its format."""
    values = _copy(dice.choice(good))
    for _ in range(dice.choice([0, 1, 1, 2, 4, 12])):
        _strike(values, dice, good)
    if dice.random() < 0.4:
        text = json.dumps(values[0] if values else None, default=str, ensure_ascii=dice.random() < 0.5)
        form = "json"
    elif dice.random() < 0.8:
        text = "\n---\n".join(json.dumps(value, default=str) for value in values)
        form = "yaml"
    else:
        text = yaml.safe_dump_all([json.loads(json.dumps(value, default=str)) for value in values], allow_unicode=True)
        form = "yaml"
    written = text.encode("utf-8", "surrogatepass")
    return (_scatter(written, dice), form) if dice.random() < 0.3 else (written, form)
