"""Allocation by HiGHS where a flow cannot decide: short overlays, counts, whole lots, crossing caps, many ways.

The same objectives, one after another, in whole thousandths; the answer is rounded and checked exactly (section 19).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Final

from creditbank.rules.allocate.flow import allocate_by_flow
from creditbank.rules.allocate.problem import Need, Problem

SECONDS: Final = 5.0
"""How long the solver may take in all; a better answer than the best found by then may exist."""


@dataclass(slots=True)
class Solved:
    """Use by lot, free use by lot, shares by (lot, need), which needs apply; ``is_best`` unless time ran out."""

    used: list[int]
    free: list[int]
    shares: dict[tuple[int, int], int]
    applying: list[bool]
    is_best: bool


_NEAR: Final = 1e-3
"""A bound this far below a whole number of thousandths is taken for it: then the whole model decides."""


class NotSolved(Exception):
    """The solver gave no answer that holds; the text says why."""


class _Model:
    """A linear model over whole numbers, built row by row for HiGHS."""

    def __init__(self, seconds: float) -> None:
        import highspy

        self._highspy = highspy

        class Quiet(highspy.Highs):
            """Says nothing: its constructor enables callbacks, which prints a banner unless output is off by then."""

            def enableCallbacks(self) -> None:
                self.silent()
                super().enableCallbacks()  # type: ignore[no-untyped-call]

        self.highs: Any = Quiet()  # type: ignore[no-untyped-call]
        self.highs.setOptionValue("threads", 1)
        self.highs.setOptionValue("random_seed", 0)
        self.highs.setOptionValue("mip_rel_gap", 0.0)
        self.highs.setOptionValue("mip_abs_gap", 0.0)
        self.highs.setOptionValue("mip_feasibility_tolerance", 1e-9)
        self._seconds = seconds
        self._columns = 0
        # The columns that have a part in the present objective.
        self._weighed: set[int] = set()
        self.values: list[int] = []
        self.timed_out = False

    def whole(self, upper: int) -> int:
        """A variable that is a whole number from 0 to ``upper``."""
        self.highs.addCol(0.0, 0.0, float(upper), 0, [], [])
        self.highs.changeColIntegrality(self._columns, self._highspy.HighsVarType.kInteger)
        self._columns += 1
        return self._columns - 1

    def row(self, terms: Mapping[int, int], low: int | None, high: int | None) -> None:
        """``low <= sum of the terms <= high``."""
        infinity = self._highspy.kHighsInf
        self.highs.addRow(
            -infinity if low is None else float(low),
            infinity if high is None else float(high),
            len(terms),
            list(terms),
            [float(weight) for weight in terms.values()],
        )

    def optimise(self, terms: Mapping[int, int], *, least: bool) -> int | None:
        """Find the best value of the terms and hold it from now on; None, and nothing held, when time ran out."""
        highs = self.highs
        # The solver keeps the time: here no clock is read.
        if highs.getRunTime() >= self._seconds:
            self.timed_out = True
            return None
        for column in self._weighed - terms.keys():
            highs.changeColCost(column, 0.0)
        for column, weight in terms.items():
            highs.changeColCost(column, float(weight))
        self._weighed = set(terms)
        sense = self._highspy.ObjSense
        highs.changeObjectiveSense(sense.kMinimize if least else sense.kMaximize)
        highs.setOptionValue("time_limit", self._seconds)
        if not least and self._is_most(terms):
            best = self._sum(terms)
            self.row(terms, best, best)
            return best
        highs.run()
        status = highs.getModelStatus()
        if status != self._highspy.HighsModelStatus.kOptimal:
            self.timed_out = True
            return None
        self.values = [round(value) for value in highs.getSolution().col_value]
        best = self._sum(terms)
        self.row(terms, best, best)
        return best

    def _sum(self, terms: Mapping[int, int]) -> int:
        return sum(weight * self.values[column] for column, weight in terms.items())

    def _is_most(self, terms: Mapping[int, int]) -> bool:
        """Whether the values that were found last are the most already: not even parts of wholes would give more.

        Without whole numbers the model is solved in a small part of the time, and most lots are used as far as that.
        """
        highs = self.highs
        if not self.values:
            return False
        highs.setOptionValue("solve_relaxation", True)
        highs.run()
        highs.setOptionValue("solve_relaxation", False)
        if highs.getModelStatus() != self._highspy.HighsModelStatus.kOptimal:
            return False
        return bool(floor(highs.getObjectiveValue() + _NEAR) <= self._sum(terms))


def solve(problem: Problem, *, seconds: float = SECONDS) -> Solved:
    """The best allocation, or the best found in that time. Raises NotSolved."""
    return _Solving(problem, seconds).run()


class _Solving:
    """One problem as a model: z is the use of a lot, y a share, f free use, s a shortfall, b whether a lot is taken."""

    def __init__(self, problem: Problem, seconds: float) -> None:
        self.problem = problem
        self.model = _Model(seconds)
        lots, model = problem.lots, self.model
        self.z = [model.whole(lot.milli) for lot in lots]
        self.f = [model.whole(min(lot.milli, problem.free)) for lot in lots]
        self.y: dict[tuple[int, int], int] = {}
        self.b: dict[tuple[int, int], int] = {}
        self.s: list[int] = []
        self.g = [model.whole(1) for _ in problem.gates]
        for gate, column in zip(problem.gates, self.g, strict=True):
            if gate.parts:
                model.row({**{self.g[part]: 1 for part in gate.parts}, column: -gate.n}, 0, 0)
            if gate.is_open:
                model.row({column: 1}, 1, 1)
        for number, need in enumerate(problem.needs):
            self._need(number, need)
        self._uses()
        self._caps()

    def _need(self, number: int, need: Need) -> None:
        model, lots = self.model, self.problem.lots
        if need.counts:
            self.s.append(model.whole(need.count))
            row = {self.s[number]: 1}
            for place in need.eligible:
                taken = self.b[place, number] = model.whole(1)
                row[taken] = 1
            self._asked(row, need, need.count)
            return
        self.s.append(model.whole(need.milli))
        row = {self.s[number]: 1}
        for place in need.eligible:
            share = self.y[place, number] = model.whole(min(lots[place].milli, need.milli))
            row[share] = 1
        self._asked(row, need, need.milli)

    def _asked(self, row: dict[int, int], need: Need, amount: int) -> None:
        """The row comes to the amount, or to nothing where the need does not apply."""
        if need.gate is None:
            self.model.row(row, amount, amount)
        else:
            self.model.row({**row, self.g[need.gate]: -amount}, 0, 0)

    def _uses(self) -> None:
        model, problem = self.model, self.problem
        for place, lot in enumerate(problem.lots):
            row = {self.z[place]: -1, self.f[place]: 1}
            for number, need in enumerate(problem.needs):
                if (share := self.y.get((place, number))) is not None:
                    if need.exclusive:
                        row[share] = 1
                    else:
                        model.row({share: 1, self.z[place]: -1}, None, 0)
                if (taken := self.b.get((place, number))) is not None:
                    if need.exclusive:
                        row[taken] = lot.milli
                    else:
                        # A lot that is counted is used whole.
                        model.row({taken: lot.milli, self.z[place]: -1}, None, 0)
            model.row(row, 0, 0)
            if problem.whole:
                model.row({self.z[place]: 1, model.whole(1): -lot.milli}, 0, 0)
        gated: dict[int, int] = {}
        for need in problem.needs:
            if need.gate is not None and need.exclusive:
                gated[self.g[need.gate]] = gated.get(self.g[need.gate], 0) + need.milli
        model.row({**{column: 1 for column in self.f}, **gated}, None, problem.free)
        model.row({column: 1 for column in self.z}, None, problem.total)

    def _caps(self) -> None:
        model, problem = self.model, self.problem
        for cap in problem.credit_caps:
            model.row({self.z[place]: 1 for place in cap.lots}, None, cap.milli)
        for counted in problem.count_caps:
            used: dict[str, int] = {}
            for place in sorted(counted.lots):
                lot = problem.lots[place]
                decision = used.setdefault(lot.decision, -1)
                if decision < 0:
                    decision = used[lot.decision] = model.whole(1)
                model.row({self.z[place]: 1, decision: -lot.milli}, None, 0)
            model.row({column: 1 for column in used.values()}, None, counted.count)

    def run(self) -> Solved:
        """Optimise one objective after another and read the answer."""
        problem, model = self.problem, self.model
        counting = {self.s[number]: 1 for number, need in enumerate(problem.needs) if need.counts}
        short = {self.s[number]: 1 for number, need in enumerate(problem.needs) if not need.counts}
        for terms in (counting, short):
            if terms and model.optimise(terms, least=True) is None:
                raise NotSolved("time ran out before the requirements were filled")
        if model.optimise({column: 1 for column in self.z}, least=False) is None:
            raise NotSolved("time ran out before the credits were used")
        for place, column in enumerate(self.z):
            if model.values[column] == problem.lots[place].milli:
                model.row({column: 1}, model.values[column], model.values[column])
            elif model.optimise({column: 1}, least=False) is None:
                break
        for column in (*self.g, *self.b.values()):
            if model.timed_out:
                break
            if model.values[column] == 1:
                model.row({column: 1}, 1, 1)
            elif model.optimise({column: 1}, least=False) is None:
                break
        return self._read()

    def _read(self) -> Solved:
        """The uses are the solver's; where exclusive needs for credits share them out, the flow does it exactly."""
        problem, values = self.problem, self.model.values
        used = [values[column] for column in self.z]
        applying = [need.gate is None or values[self.g[need.gate]] == 1 for need in problem.needs]
        shares = {key: problem.lots[key[0]].milli for key, taken in self.b.items() if values[taken]}
        left = list(used)
        for (place, number), milli in shares.items():
            if problem.needs[number].exclusive:
                left[place] -= milli
        numbers = [
            number
            for number, need in enumerate(problem.needs)
            if applying[number] and need.exclusive and not need.counts
        ]
        asked = [problem.needs[number] for number in numbers]
        free = problem.free - sum(need.milli for need in asked if need.gate is not None)
        flowed = allocate_by_flow(left, asked, (), sum(left), free)
        if flowed.used != left:
            raise NotSolved("the uses found cannot be shared out")
        shares.update({(place, numbers[at]): milli for (place, at), milli in flowed.shares.items()})
        for number, need in enumerate(problem.needs):
            if applying[number] and not need.exclusive and not need.counts:
                shares.update(overlay_shares(number, need, used))
        return Solved(used, flowed.free, shares, applying, not self.model.timed_out)


def overlay_shares(number: int, need: Need, used: Sequence[int]) -> dict[tuple[int, int], int]:
    """What lots in use give to a need that shares them, in preference, as far as it goes."""
    left = need.milli
    shares: dict[tuple[int, int], int] = {}
    for place in need.eligible:
        milli = min(left, used[place])
        if milli:
            shares[place, number] = milli
            left -= milli
    return shares
