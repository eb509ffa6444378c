"""From rule sets to the cells of a spreadsheet that ``rows`` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from creditbank.equivalencies.domain import (
    BLANKET,
    Remark,
    number_text,
)
from creditbank.equivalencies.rows import COLUMNS, EQUIVALENCIES, RULE_SETS, SCALES, Cell


def book_of(documents: Sequence[Mapping[str, Any]]) -> tuple[dict[str, list[list[Cell]]], list[Remark]]:
    """The spreadsheet of canonical documents, and what it cannot say. Reading it again gives the same rules."""
    remarks: list[Remark] = []
    sheets: dict[str, list[list[Cell]]] = {name: [list(columns)] for name, columns in COLUMNS.items()}
    scales: dict[str, Mapping[str, str]] = {}
    for document in documents:
        head = document["ruleset"]
        writer = _Writer(document, remarks)
        for rule in document.get("recognition", ()):
            sheets[EQUIVALENCIES].extend(writer.rows_of(rule))
        unit = head["unit"]
        sheets[RULE_SETS].append(
            [
                *(head["id"], head["version"], head["from"], head.get("until"), unit["code"]),
                *(_plain(unit.get("step", "1/2")), unit.get("round", "down"), writer.title(head)),
            ]
        )
        for name, scale in document.get("scales", {}).items():
            if scales.setdefault(name, scale["grades"]) != scale["grades"]:
                remarks.append(Remark("cannot_be_said", head["id"], {"pointer": f"/scales/{name}"}))
        writer.tell_of_the_rest()
    for name, grades in scales.items():
        sheets[SCALES].extend([name, grade, _plain(place)] for grade, place in grades.items())
        if not grades:
            sheets[SCALES].append([name, None, None])
    return sheets, remarks


def _plain(number: str) -> str:
    return number_text(Fraction(number))


class _Writer:
    def __init__(self, document: Mapping[str, Any], remarks: list[Remark]) -> None:
        self.document = document
        self.id = document["ruleset"]["id"]
        self.remarks = remarks
        self.names = {
            scale: {Fraction(place): grade for grade, place in reversed(block["grades"].items())}
            for scale, block in document.get("scales", {}).items()
        }

    def cannot(self, pointer: str) -> None:
        self.remarks.append(Remark("cannot_be_said", self.id, {"pointer": pointer}))

    def only(self, plain: Mapping[str, Any], known: set[str], pointer: str) -> None:
        for key in plain.keys() - known:
            self.cannot(f"{pointer}/{key}")

    def title(self, plain: Mapping[str, Any], pointer: str = "/ruleset") -> str | None:
        title = plain.get("title")
        if title is None:
            return None
        if title.get("zh") != title.get("en"):
            self.cannot(f"{pointer}/title")
        text: str = title.get("zh") or title["en"]
        return text

    def tell_of_the_rest(self) -> None:
        """Everything of the document beside its rules that a table has no place for."""
        head = self.document["ruleset"]
        self.only(head, {"lcb", "id", "version", "from", "until", "unit", "title"}, "/ruleset")
        self.only(head["unit"], {"code", "step", "round"}, "/ruleset/unit")
        self.only(self.document, {"ruleset", "scales", "recognition", "unique", "tests"}, "")
        # What a table writes, with its defaults left out.
        if self.document.get("unique") != {}:
            self.cannot("/unique")
        if self.document.get("tests"):
            self.remarks.append(Remark("tests_are_made", self.id, {"count": str(len(self.document["tests"]))}))

    def rows_of(self, rule: Mapping[str, Any]) -> list[list[Cell]]:
        """The rows of one rule; none, with a remark, when a table cannot say it."""
        pointer = f"/recognition/{rule['id']}"
        before = len(self.remarks)
        alternatives = self.alternatives(rule["match"], f"{pointer}/match")
        self.only(rule, {"id", "priority", "match", "effect", "grant", "title"}, pointer)
        effect = rule.get("effect", "grant")
        if effect not in {"grant", "deny", "review"}:
            self.cannot(f"{pointer}/effect")
        awards = [self.award(grant, f"{pointer}/grant/{n}") for n, grant in enumerate(rule.get("grant", ()))]
        remark = self.title(rule, pointer)
        if any(_repeats([[*one[:3], *one[4:]] for one in courses], 6) for courses in alternatives):
            self.cannot(f"{pointer}/match")
        if _repeats(awards, 1):
            self.cannot(f"{pointer}/grant")
        if len(self.remarks) > before:
            return []
        slots = [
            (str(n) if len(alternatives) > 1 else None, course)
            for n, courses in enumerate(alternatives, 1)
            for course in courses
        ]
        rows: list[list[Cell]] = []
        for slot, award in zip_longest(slots, awards):
            first = not rows
            rows.append(
                [
                    *(self.id, rule["id"]),
                    *([slot[0], *slot[1]] if slot else [None] * 8),
                    *(award[:3] if award else [None] * 3),
                    *("yes" if first and effect == wanted else None for wanted in ("deny", "review")),
                    award[3] if award else None,
                    *((rule.get("priority", 0), remark) if first else (None, None)),
                ]
            )
        return rows

    def alternatives(self, match: Mapping[str, Any], pointer: str) -> list[list[list[Cell]]]:
        if "any" in match:
            self.only(match, {"any"}, pointer)
            return [self.together(one, f"{pointer}/any/{n}") for n, one in enumerate(match["any"])]
        return [self.together(match, pointer)]

    def together(self, match: Mapping[str, Any], pointer: str) -> list[list[Cell]]:
        if "all" in match:
            self.only(match, {"all"}, pointer)
            return [self.course(one, f"{pointer}/all/{n}") for n, one in enumerate(match["all"])]
        return [self.course(match, pointer)]

    def course(self, match: Mapping[str, Any], pointer: str) -> list[Cell]:
        """The cells from the sending provider to the upper grade."""
        self.only(match, {"kind", "provider", "code", "grade", "title"}, pointer)
        single: dict[str, str | None] = {}
        for key in ("provider", "kind", "code"):
            values = match.get(key, [])
            single[key] = values[0] if values else None
            if len(values) > 1 or (key == "provider" and not values):
                self.cannot(f"{pointer}/{key}")
        grade = match.get("grade", {})
        scale = grade.get("scale")
        bounds = [self.grade_name(scale, grade.get(side), f"{pointer}/grade/{side}") for side in ("min", "below")]
        return [single["provider"], single["kind"], single["code"], self.title(match, pointer), scale, *bounds]

    def grade_name(self, scale: str | None, place: str | None, pointer: str) -> str | None:
        if scale is None or place is None:
            return None
        names = self.names.get(scale, {})
        if not names:
            return _plain(place)
        if Fraction(place) not in names:
            self.cannot(pointer)
        return names.get(Fraction(place))

    def award(self, grant: Mapping[str, Any], pointer: str) -> list[Cell]:
        """The receiving code, title, credits and whether it is an elective."""
        self.only(grant, {"unit", "title", "credits"}, pointer)
        credits = grant["credits"]
        if set(credits) == {"fixed"}:
            amount = _plain(credits["fixed"])
        elif credits == {"native": "1"}:
            amount = "native"
        else:
            amount = None
            self.cannot(f"{pointer}/credits")
        unit = grant.get("unit", "same")
        elective = unit.startswith(BLANKET)
        return [unit.removeprefix(BLANKET), self.title(grant, pointer), amount, "yes" if elective else None]


def _repeats(lines: Sequence[Sequence[Cell]], cells: int) -> bool:
    """Whether two lines begin alike: a table would read them as one."""
    begun = [tuple(line[:cells]) for line in lines]
    return len(set(begun)) < len(begun)
