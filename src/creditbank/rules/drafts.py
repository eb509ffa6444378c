"""A decision and its lots while they are being made (rules/v1 section 10, step 2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from creditbank.rules.compile import CompiledRule, CompiledVersion
from creditbank.rules.fact import Fact
from creditbank.rules.formulas import CompiledGrant, Missing
from creditbank.rules.rulings import Rulings


class DraftLot:
    """A lot while it is being decided; amounts in thousandths.

    What the formula gave is always ``recognised`` + ``excess`` + ``dropped``.
    """

    __slots__ = (
        "category", "draft", "dropped", "excess", "expires", "grade", "grant", "level", "number", "recognised", "steps",
        "unit",
    )  # fmt: skip

    def __init__(self, draft: Draft, grant: int, unit: str, milli: int, steps: list[dict[str, Any]]) -> None:
        self.draft = draft
        self.grant = grant
        self.unit = unit
        self.number = sum([lot.unit == unit for lot in draft.lots])
        self.recognised = milli
        self.excess = 0
        self.dropped = 0
        self.steps = steps
        self.expires: date | None = None
        lead, terms, version = draft.binding[0], draft.rule.grants[grant], draft.version
        self.category = terms.category or lead.category
        self.level = version.level_of(lead) if terms.level == "mapped" else terms.level
        self.grade = lead.grade if terms.grade == "keep" else ("pass", "pass") if terms.grade == "pass" else None

    @property
    def terms(self) -> CompiledGrant:
        """The grant that it comes from."""
        return self.draft.rule.grants[self.grant]


class Draft:
    """A decision while it is being made: a rule that took a binding.

    ``missing`` says why a person must decide; then there are no lots, and ``steps`` are those that were come to.
    """

    __slots__ = (
        "binding",
        "former",
        "governing",
        "is_fixed",
        "kept_by",
        "keys",
        "lots",
        "missing",
        "missing_grant",
        "rule",
        "ruling",
        "steps",
        "version",
    )

    def __init__(self, version: CompiledVersion, rule: CompiledRule, binding: tuple[Fact, ...]) -> None:
        self.version = version
        self.rule = rule
        self.binding = binding
        self.keys = tuple([fact.key for fact in binding])
        if len(binding) == 1:
            self.governing = version.governing(binding[0])
        else:
            self.governing = max([version.governing(fact) for fact in binding])
        self.lots: list[DraftLot] = []
        self.missing: Missing | None = None
        self.missing_grant = 0
        self.steps: list[dict[str, Any]] = []
        # What the version before gave for the same binding, where this one reaches back to it.
        self.former: Draft | None = None
        # The later version that reaches the binding and keeps what this one gave, since it promises never less.
        self.kept_by: CompiledVersion | None = None
        # Whether something is built on it that a later version must leave as it is.
        self.is_fixed = False
        # The ruling by which a person made it, or forced its rule.
        self.ruling: str | None = None
        for index, grant in enumerate(rule.grants):
            milli, steps, missing = (
                (0, [], self._hours_missing())
                if grant.pool is not None
                else grant.formula.amount(binding, self.governing)
            )
            lot = DraftLot(self, index, grant.unit_of(binding[0]), milli, list(steps))
            missing = missing or self._grade(grant, lot)
            if missing is not None:
                self.review(missing, index, lot.steps)
                break
            self.lots.append(lot)

    def _hours_missing(self) -> Missing | None:
        return {"reason": "hours_missing"} if any(fact.hours is None for fact in self.binding) else None

    def _grade(self, grant: CompiledGrant, lot: DraftLot) -> Missing | None:
        """Convert the lead's grade where the grant says so."""
        if isinstance(grant.grade, str):
            return None
        own = self.binding[0].grade
        converted = grant.grade.convert(own[1] if own is not None else None, self.governing)
        if not isinstance(converted, tuple):
            return converted
        lot.grade = (grant.grade.name, converted[0])
        lot.steps.append(converted[1])
        return None

    def review(self, missing: Missing, grant: int = 0, steps: Sequence[dict[str, Any]] = ()) -> None:
        """Leave the decision to a person."""
        self.missing = missing
        self.missing_grant = grant
        self.steps = list(steps)
        self.lots = []

    def keep(self, version: CompiledVersion) -> None:
        """Let it stand although a later version reaches the binding."""
        for lot in self.lots:
            if self.kept_by is not None:
                # Of several versions that keep it only the last is told.
                lot.steps.pop()
            lot.steps.append({"op": "kept", "version": version.version, "former": self.version.version})
        self.kept_by = version

    def rule_on(self, rulings: Rulings) -> None:
        """Give lots what people ruled that they are worth, and drop those that were blocked."""
        lead = self.binding[0]
        if self.missing is not None:
            self._fill_in(rulings)
        for lot in self.lots:
            value = rulings.values.get((lead.key, lot.unit))
            if value is not None and (value.milli not in {None, lot.recognised} or value.grade is not None):
                if value.milli is not None:
                    lot.recognised = value.milli
                if value.grade is not None:
                    lot.grade = (lot.grade[0] if lot.grade is not None else "ruling", value.grade)
                step = {"op": "ruling", "ruling": value.id, "value": str(Fraction(lot.recognised, 1000))}
                lot.steps.append({**step, "grade": value.grade} if value.grade is not None else step)
            block = rulings.blocks.get((lead.key, lot.unit))
            if block is not None and lot.recognised:
                lot.dropped, lot.recognised = lot.recognised, 0
                lot.steps.append({"op": "blocked", "ruling": block.id, "value": "0"})

    def _fill_in(self, rulings: Rulings) -> None:
        """What was missing is known where people ruled on every lot."""
        lead = self.binding[0]
        units = [grant.unit_of(lead) for grant in self.rule.grants]
        values = [rulings.values.get((lead.key, unit)) for unit in units]
        if units and all(value is not None and value.milli is not None for value in values):
            self.missing = None
            for index, unit in enumerate(units):
                self.lots.append(DraftLot(self, index, unit, 0, []))

    @property
    def effect(self) -> str:
        """What becomes of the binding: the rule's effect, or review where something is missing."""
        return "review" if self.missing is not None else self.rule.effect

    @property
    def total(self) -> int:
        """What the formulas give together."""
        return sum([lot.recognised for lot in self.lots])

    @property
    def completed(self) -> date:
        """The day on which the last of the binding was completed."""
        if len(self.binding) == 1:
            return self.binding[0].completed
        return max([fact.completed for fact in self.binding])

    @property
    def order(self) -> tuple[date, tuple[str, ...]]:
        """The order in which decisions meet."""
        return self.completed, self.keys

    @property
    def limits_day(self) -> date:
        """The day by which limits and pools count it: of a combination the latest."""
        return max([self.version.limits_day(fact) for fact in self.binding])

    @property
    def is_pending(self) -> bool:
        """Whether a condition is still to be met."""
        rule = self.rule
        return rule.effect == "conditional" and not any(rule.condition in fact.conditions_met for fact in self.binding)
