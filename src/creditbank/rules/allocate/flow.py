"""Exact allocation by network flow, for lots that can be split under nested caps (rules/v1 section 19).

Source -> total -> caps -> lots -> requirements -> E -> sink, and lots -> free electives -> sink, in whole thousandths.
The objectives come strictly one after another: least shortfall, most credits, each lot's use in preference, each lot's
share in each requirement. What one objective fixed, the next cannot touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from creditbank.rules.allocate.problem import CreditCap, Need

_ENDLESS: Final = 10**15


class _Network:
    """Arcs in pairs: the arc at an even number, its reverse at the next. ``room`` is what can still be sent.

    ``parts`` keep searches short. Nothing leads from what a search in vain reached to its end, nor will: what is sent
    elsewhere opens no way out, and fixing an arc closes ways only. So that is a part of its own from then on, and a
    search stays in the part of its end.
    """

    def __init__(self) -> None:
        self.out: list[list[tuple[int, int]]] = []
        self.head: list[int] = []
        self.room: list[int] = []
        self.parts: list[int] = []
        self._newest = 0

    def node(self) -> int:
        """A new node."""
        self.out.append([])
        self.parts.append(0)
        return len(self.out) - 1

    def arc(self, tail: int, head: int, most: int) -> int:
        """A new arc that carries at most so much."""
        number = len(self.head)
        self.out[tail].append((number, head))
        self.out[head].append((number + 1, tail))
        self.head += (head, tail)
        self.room += (most, 0)
        return number

    def flow(self, arc: int) -> int:
        """What an arc carries."""
        return self.room[arc + 1]

    def fix(self, arc: int) -> int:
        """Let an arc carry for ever what it carries now, and answer that."""
        carried = self.room[arc + 1]
        self.room[arc] = self.room[arc + 1] = 0
        return carried

    def open(self, arc: int, most: int) -> None:
        """Let an arc that carries nothing carry so much: there may be ways now where there were none."""
        self.room[arc] = most
        self.parts = [0] * len(self.parts)

    def raise_and_fix(self, arc: int, most: int) -> int:
        """Let an arc carry more, as far as can be, by cycles through it: nothing is lost elsewhere. Then fix it."""
        room, carried = self.room[arc], self.fix(arc)
        return carried + self.augment(self.head[arc], self.head[arc ^ 1], min(most, room))

    def augment(self, start: int, end: int, most: int) -> int:
        """Send as much as can be along shortest paths, at most so much."""
        sent = 0
        while sent < most:
            path = self._path(start, end)
            if path is None:
                break
            sent += self.send(path, most - sent)
        return sent

    def send(self, path: Sequence[int], most: int = _ENDLESS) -> int:
        """Send along a path of arcs what they all have room for, at most so much; answers how much that is."""
        room = self.room
        for arc in path:
            if room[arc] < most:  # noqa: PLR1730 (a call for each arc costs more than comparing)
                most = room[arc]
        if most > 0:
            for arc in path:
                room[arc] -= most
                room[arc ^ 1] += most
        return most

    def _path(self, start: int, end: int) -> list[int] | None:
        room, out, parts = self.room, self.out, self.parts
        part = parts[end]
        if parts[start] != part:
            return None
        came: dict[int, int] = {start: -1}
        queue = [start]
        # The queue grows while it is walked through.
        for at in queue:
            for arc, to in out[at]:
                if room[arc] > 0 and to not in came and parts[to] == part:
                    came[to] = arc
                    if to == end:
                        return self._back(came, end)
                    queue.append(to)
        self._newest += 1
        for at in queue:
            parts[at] = self._newest
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
    graph = _Graph(amounts, needs)
    if caps:
        _Front(graph, amounts, caps, total).use_lots(free)
    else:
        graph.use_lots(amounts, total, free)
    graph.raise_shares()
    return graph.answer


class _Graph:
    """The network of one problem from the lots on, with its arcs by what they mean.

    ``ways`` are, by lot, the needs that it may fill, each with the arc that leads there.
    """

    def __init__(self, amounts: Sequence[int], needs: Sequence[Need]) -> None:
        net = self.net = _Network()
        self.sink, self.gate, elective = net.node(), net.node(), net.node()
        self.to_needs = net.arc(self.gate, self.sink, _ENDLESS)
        self.to_free = net.arc(elective, self.sink, 0)
        self.lots = [net.node() for _ in amounts]
        self.ways: list[list[tuple[int, int]]] = [[] for _ in amounts]
        self.fills: list[int] = []
        for number, need in enumerate(needs):
            node = net.node()
            self.fills.append(net.arc(node, self.gate, need.milli))
            for place in need.eligible:
                self.ways[place].append((number, net.arc(self.lots[place], node, _ENDLESS)))
        self.frees = [net.arc(lot, elective, _ENDLESS) for lot in self.lots]
        self.answer = Flowed([0] * len(amounts), [0] * len(amounts))

    def use_lots(self, amounts: Sequence[int], total: int, free: int) -> None:
        """The uses where no cap is on the lots' side: as much of one lot after the other as finds a way.

        To find a way for a lot never takes from the use of another, so that the first in preference come first; and
        the needs are filled before any free elective, so that the shortfall is the least.
        """
        net, used, left = self.net, self.answer.used, total
        for place, ways in enumerate(self.ways):
            straight = [(arc, self.fills[number], self.to_needs) for number, arc in ways]
            left -= self._use(place, min(amounts[place], left), straight)
        net.fix(self.to_needs)
        net.open(self.to_free, free)
        for place, arc in enumerate(self.frees):
            left -= self._use(place, min(amounts[place] - used[place], left), [(arc, self.to_free)])
        net.fix(self.to_free)

    def _use(self, place: int, most: int, straight: Sequence[tuple[int, ...]]) -> int:
        """Use more of a lot, at most so much; answers how much. What goes straight through needs no searching."""
        more = 0
        for path in straight:
            if more < most:
                more += self.net.send(path, most - more)
        more += self.net.augment(self.lots[place], self.sink, most - more)
        self.answer.used[place] += more
        return more

    def raise_shares(self) -> None:
        """Each lot's share in each need is raised in document order, out of its later shares; then it is fixed."""
        net, answer = self.net, self.answer
        for place, used in enumerate(answer.used):
            later = used
            for number, arc in self.ways[place]:
                if not later:
                    # Nothing leads through a lot that has nothing to give.
                    break
                carried = net.raise_and_fix(arc, later - net.flow(arc))
                if carried:
                    answer.shares[place, number] = carried
                later -= carried
            answer.free[place] = net.fix(self.frees[place])


class _Front:
    """The part of a network before the lots: the total, and caps within caps."""

    def __init__(self, graph: _Graph, amounts: Sequence[int], caps: Sequence[CreditCap], total: int) -> None:
        self.graph = graph
        net = graph.net
        self.source, root = net.node(), net.node()
        self.to_total = net.arc(self.source, root, total)
        # The larger cap first, so that the innermost cap of a lot is the last that holds it.
        ordered = sorted(caps, key=lambda cap: -len(cap.lots))
        # By lot the innermost cap around it, with the arcs that lead there from the source.
        around = [(root, [self.to_total])] * len(amounts)
        for cap in ordered:
            outer, path = around[min(cap.lots)]
            node = net.node()
            inner = node, [*path, net.arc(outer, node, cap.milli)]
            for place in cap.lots:
                around[place] = inner
        self.into = []
        self.paths = []
        for place, amount in enumerate(amounts):
            node, path = around[place]
            self.into.append(net.arc(node, graph.lots[place], amount))
            self.paths.append([*path, self.into[place]])

    def use_lots(self, free: int) -> None:
        """The uses under caps, where a lot that came first could block a better one: first the sums, then each lot."""
        graph, net = self.graph, self.graph.net
        # What goes straight through is a good beginning: it saves most of the searching.
        for path, ways in zip(self.paths, graph.ways, strict=True):
            for number, arc in ways:
                net.send([*path, arc, graph.fills[number], graph.to_needs])
        # The least shortfall: the greatest flow through the needs.
        net.augment(self.source, graph.sink, _ENDLESS)
        net.fix(graph.to_needs)
        # The most credits: what is left goes to the free electives. Then none of the three sums changes any more.
        net.open(graph.to_free, free)
        for path, arc in zip(self.paths, graph.frees, strict=True):
            net.send([*path, arc, graph.to_free])
        net.augment(self.source, graph.sink, _ENDLESS)
        net.fix(graph.to_free)
        net.fix(self.to_total)
        # Each lot in preference is used as far as can be; then its use is fixed.
        for place, arc in enumerate(self.into):
            graph.answer.used[place] = net.raise_and_fix(arc, net.room[arc])
