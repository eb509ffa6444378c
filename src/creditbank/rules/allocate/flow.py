"""Exact allocation by network flow, for lots that can be split under nested caps (rules/v1 section 19).

Source -> total -> caps -> lots -> requirements -> E -> sink, and lots -> free electives -> sink, in whole thousandths.
The objectives come strictly one after another: least shortfall, most credits, each lot's use in preference, each lot's
share in each requirement. What one objective fixed, the next cannot touch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from creditbank.rules.allocate.problem import CreditCap, Need

_ENDLESS: Final = 10**15


class _Network:
    """Arcs in pairs: the arc at an even number, its reverse at the next. ``room`` is what can still be sent."""

    def __init__(self) -> None:
        self.out: list[list[int]] = []
        self.head: list[int] = []
        self.room: list[int] = []

    def node(self) -> int:
        """A new node."""
        self.out.append([])
        return len(self.out) - 1

    def arc(self, tail: int, head: int, most: int) -> int:
        """A new arc that carries at most so much."""
        number = len(self.head)
        self.out[tail].append(number)
        self.out[head].append(number + 1)
        self.head += [head, tail]
        self.room += [most, 0]
        return number

    def flow(self, arc: int) -> int:
        """What an arc carries."""
        return self.room[arc + 1]

    def push(self, arc: int, amount: int) -> None:
        """Send along an arc."""
        self.room[arc] -= amount
        self.room[arc + 1] += amount

    def fix(self, arc: int) -> int:
        """Let an arc carry for ever what it carries now, and answer that."""
        carried = self.room[arc + 1]
        self.room[arc] = self.room[arc + 1] = 0
        return carried

    def raise_to(self, arc: int, most: int) -> None:
        """Let an arc carry more, as far as can be, by cycles through it: nothing is lost elsewhere."""
        if most <= 0:
            return
        room, back = self.room[arc], self.room[arc ^ 1]
        self.room[arc] = self.room[arc ^ 1] = 0
        raised = self.augment(self.head[arc], self.head[arc ^ 1], min(most, room))
        self.room[arc], self.room[arc ^ 1] = room - raised, back + raised

    def augment(self, start: int, end: int, most: int) -> int:
        """Send as much as can be along shortest paths, at most so much."""
        sent = 0
        while sent < most:
            path = self._path(start, end)
            if path is None:
                break
            amount = min([most - sent, *[self.room[arc] for arc in path]])
            for arc in path:
                self.room[arc] -= amount
                self.room[arc ^ 1] += amount
            sent += amount
        return sent

    def _path(self, start: int, end: int) -> list[int] | None:
        came: dict[int, int] = {start: -1}
        queue = deque([start])
        head, room, out = self.head, self.room, self.out
        while queue:
            at = queue.popleft()
            for arc in out[at]:
                to = head[arc]
                if room[arc] > 0 and to not in came:
                    came[to] = arc
                    if to == end:
                        return self._back(came, end)
                    queue.append(to)
        return None

    def _back(self, came: dict[int, int], end: int) -> list[int]:
        path = []
        at = end
        while (arc := came[at]) != -1:
            path.append(arc)
            at = self.head[arc ^ 1]
        return path


@dataclass(slots=True)
class Flowed:
    """What a flow found: use and free use by lot, and shares by (lot, need), by their places."""

    used: list[int]
    free: list[int]
    shares: dict[tuple[int, int], int] = field(default_factory=dict)


def are_nested(caps: Sequence[CreditCap]) -> bool:
    """Whether any two caps are apart or one inside the other."""
    return all(
        one.lots.isdisjoint(other.lots) or one.lots <= other.lots or other.lots <= one.lots
        for index, one in enumerate(caps)
        for other in caps[index + 1 :]
    )


def allocate_by_flow(
    amounts: Sequence[int], needs: Sequence[Need], caps: Sequence[CreditCap], total: int, free: int
) -> Flowed:
    """Solve for exclusive credit needs and nested caps. ``amounts`` are the thousandths of each lot in preference."""
    graph = _Graph(amounts, needs, caps, total)
    graph.start_greedily()
    graph.fill_needs()
    graph.open_free(free)
    graph.raise_uses()
    graph.raise_shares()
    return graph.answer


class _Graph:
    """The network of one problem, with its arcs by what they mean."""

    def __init__(self, amounts: Sequence[int], needs: Sequence[Need], caps: Sequence[CreditCap], total: int) -> None:
        net = self.net = _Network()
        self.amounts = amounts
        self.needs = needs
        self.source, self.sink = net.node(), net.node()
        root, self.gate, self.elective = net.node(), net.node(), net.node()
        self.to_total = net.arc(self.source, root, total)
        # The larger cap first, so that the innermost cap of a lot is the last that holds it.
        ordered = sorted(caps, key=lambda cap: -len(cap.lots))
        nodes: list[int] = []
        for place, cap in enumerate(ordered):
            around = [nodes[other] for other in range(place) if cap.lots <= ordered[other].lots]
            nodes.append(net.node())
            net.arc(around[-1] if around else root, nodes[place], cap.milli)
        self.lots = [net.node() for _ in amounts]
        self.parents = [
            next((nodes[at] for at in reversed(range(len(ordered))) if place in ordered[at].lots), root)
            for place in range(len(amounts))
        ]
        self.into = [net.arc(self.parents[place], self.lots[place], amount) for place, amount in enumerate(amounts)]
        need_nodes = [net.node() for _ in needs]
        self.shares: dict[tuple[int, int], int] = {}
        self.fills = []
        for number, need in enumerate(needs):
            for place in need.eligible:
                self.shares[place, number] = net.arc(self.lots[place], need_nodes[number], _ENDLESS)
            self.fills.append(net.arc(need_nodes[number], self.gate, need.milli))
        self.frees = [net.arc(lot, self.elective, _ENDLESS) for lot in self.lots]
        self.to_needs = net.arc(self.gate, self.sink, _ENDLESS)
        self.to_free = net.arc(self.elective, self.sink, 0)
        self._paths = [self._path_to(place) for place in range(len(amounts))]
        self.answer = Flowed([0] * len(amounts), [0] * len(amounts))

    def _path_to(self, place: int) -> list[int]:
        """The arcs from the source to a lot."""
        net, path, at = self.net, [self.into[place]], self.parents[place]
        while at != self.source:
            # The only arc into a cap or into the total is the one that its first reverse belongs to.
            arc = next(arc ^ 1 for arc in net.out[at] if arc & 1)
            path.append(arc)
            at = net.head[arc ^ 1]
        return path

    def start_greedily(self) -> None:
        """Send what goes straight through: a good beginning saves most of the searching."""
        for place in range(len(self.amounts)):
            for number in range(len(self.needs)):
                share = self.shares.get((place, number))
                if share is None:
                    continue
                self._straight([*self._paths[place], share, self.fills[number], self.to_needs])

    def _straight(self, path: Sequence[int]) -> None:
        """Send along a path of arcs what they all have room for."""
        room = self.net.room
        amount = min([room[arc] for arc in path])
        if amount > 0:
            for arc in path:
                self.net.push(arc, amount)

    def fill_needs(self) -> None:
        """The least shortfall: the greatest flow through the needs."""
        self.net.augment(self.source, self.sink, _ENDLESS)

    def open_free(self, free: int) -> None:
        """The most credits: what is left goes to the free electives. Then none of the three sums changes any more."""
        net = self.net
        net.fix(self.to_needs)
        net.room[self.to_free] = free
        for place in range(len(self.amounts)):
            self._straight([*self._paths[place], self.frees[place], self.to_free])
        net.augment(self.source, self.sink, _ENDLESS)
        net.fix(self.to_free)
        net.fix(self.to_total)

    def raise_uses(self) -> None:
        """Each lot in preference is used as far as can be; then its use is fixed."""
        for place, arc in enumerate(self.into):
            self.net.raise_to(arc, self.net.room[arc])
            self.answer.used[place] = self.net.fix(arc)

    def raise_shares(self) -> None:
        """Each lot's share in each need is raised in document order, out of its later shares; then it is fixed."""
        net, answer = self.net, self.answer
        for place, free in enumerate(self.frees):
            arcs = [
                (number, self.shares[place, number])
                for number in range(len(self.needs))
                if (place, number) in self.shares
            ]
            later = net.flow(free) + sum(net.flow(arc) for _, arc in arcs)
            for number, arc in arcs:
                later -= net.flow(arc)
                before = net.flow(arc)
                net.raise_to(arc, later)
                later -= net.flow(arc) - before
                carried = net.fix(arc)
                if carried:
                    answer.shares[place, number] = carried
            answer.free[place] = net.fix(free)
