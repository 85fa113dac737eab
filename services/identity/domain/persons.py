"""Identifiers grouped into people: a union–find in which every union keeps limits and forbidden pairs.

Identifiers are small whole numbers here, and so are the types they are of. An identifier that passes from one person to
another at some time is several nodes: its number, and one more node for each span after the first.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from libs.people.spans import WHOLE, Span, since
from libs.runtime.clock import Micros
from services.identity.domain.limits import Limits, crowded

Obstruction = Literal["FORBIDDEN", "TOO_MANY"]


class Obstacle(NamedTuple):
    """Why two can't be one person: the pairs that are forbidden, or the type of which there would be too many."""

    reason: Obstruction
    pairs: tuple[tuple[int, int], ...] = ()
    type: int = -1


class Persons:
    """Groups of nodes. `types` and `times` (of first sight) are those of the identifiers."""

    def __init__(
        self, types: list[int], times: list[Micros], limits: Limits, forbidden: Iterable[tuple[int, int]] = ()
    ) -> None:
        nodes = range(len(types))
        self.identifier = list(nodes)  # of each node
        self.spans: dict[int, tuple[list[Micros], list[int]]] = {}  # identifier → where spans begin, and their nodes
        self._types, self._times, self._limits = list(types), list(times), limits
        self._parent = list(nodes)
        self._size = [1] * len(types)
        self._following = list(nodes)  # a ring through the nodes of each group
        self._counts = [limits.unit[type_] for type_ in types]
        self._foes: dict[int, set[int]] = {}  # identifier → whom it never goes together with
        for a, b in forbidden:
            self._foes.setdefault(a, set()).add(b)
            self._foes.setdefault(b, set()).add(a)
        # Of each group, by its root: what has foes, and what is cut. Nearly all groups have neither.
        self._wary: dict[int, set[int]] = {one: {one} for one in self._foes}
        self._cut: dict[int, set[int]] = {}
        self._lodgers: dict[int, set[int]] = {}

    def root(self, node: int) -> int:
        """The node that stands for the whole group."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def group(self, node: int) -> Iterator[int]:
        """All nodes of a node's group."""
        one = node
        while True:
            yield one
            one = self._following[one]
            if one == node:
                return

    def node_at(self, identifier: int, time: Micros) -> int:
        """The node that an identifier is at a time."""
        if identifier not in self.spans:
            return identifier
        starts, nodes = self.spans[identifier]
        begun = bisect_right(starts, time)
        return nodes[begun - 1] if begun else identifier

    def span(self, node: int) -> Span:
        """Which part of its identifier a node is."""
        return WHOLE if node == self.identifier[node] else since(self._times[node])

    def join(self, a: int, b: int) -> Obstacle | None:
        """Make the groups of two nodes one, or say what is in the way."""
        # What follows up to the union is done for each edge that was ever seen: so it calls nothing.
        parent = self._parent
        while parent[a] != a:
            parent[a] = a = parent[parent[a]]
        while parent[b] != b:
            parent[b] = b = parent[parent[b]]
        if a == b:
            return None
        counts = self._counts[a] + self._counts[b]
        limits = self._limits
        if (counts + limits.headroom) & limits.full or a in self._wary or a in self._cut:
            counts -= self._repeated(self._cut.get(a, set()), b)
            newcomers = ((self.identifier[node], self._times[node]) for node in self.group(a))
            obstacle = self._obstacle(self._wary.get(a, set()), newcomers, b, counts)
            if obstacle is not None:
                return obstacle
        self._unite(a, b, counts)
        return None

    def begin_span(self, identifier: int, time: Micros) -> int | None:
        """Cut an identifier at a time and return the new span's node; None where it is cut there already."""
        starts, nodes = self.spans.setdefault(identifier, ([], []))
        place = bisect_right(starts, time)
        if place and starts[place - 1] == time:
            return None
        node = len(self._parent)
        starts.insert(place, time)
        nodes.insert(place, node)
        self.identifier.append(identifier)
        self._types.append(self._types[identifier])
        self._times.append(time)
        self._parent.append(node)
        self._size.append(1)
        self._following.append(node)
        self._counts.append(self._unit(identifier))
        if identifier in self._foes:
            self._wary[node] = {identifier}
        self._cut[node] = {identifier}
        self._cut.setdefault(self.root(identifier), set()).add(identifier)
        return node

    def rebind(self, identifier: int, time: Micros, other: int) -> Obstacle | None:
        """Let an identifier be another person's from a time on, unless even so something is in the way."""
        root = self.root(other)
        counts = self._counts[root] + self._unit(identifier) - self._repeated({identifier}, root)
        obstacle = self._obstacle({identifier} & self._foes.keys(), [(identifier, time)], root, counts)
        if obstacle is not None:
            return obstacle
        node = self.begin_span(identifier, time)
        return self.join(self.node_at(identifier, time) if node is None else node, other)

    def lodge(self, identifier: int, node: int) -> bool:
        """Let a part of an identifier that joins nobody be a group's, unless it never goes together with one of that,
        or with another that lodges there.
        """
        root = self.root(node)
        foes, lodgers = self._foes.get(identifier, set()), self._lodgers.setdefault(root, set())
        if self._foes_in(root, identifier) or not foes.isdisjoint(lodgers):
            return False
        lodgers.add(identifier)
        return True

    def _unit(self, identifier: int) -> int:
        return self._limits.unit[self._types[identifier]]

    def _repeated(self, cut: set[int], root: int) -> int:
        """What counts twice if these come to a group that has spans of some already: an identifier is one."""
        return sum(self._unit(one) for one in cut & self._cut.get(root, set()))

    def _unite(self, a: int, b: int, counts: int) -> None:
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]
        self._counts[a] = counts
        following = self._following
        following[a], following[b] = following[b], following[a]
        if b in self._wary:
            self._wary.setdefault(a, set()).update(self._wary.pop(b))
        if b in self._cut:
            self._cut.setdefault(a, set()).update(self._cut.pop(b))

    def _obstacle(
        self, wary: set[int], newcomers: Iterable[tuple[int, Micros]], root: int, counts: int
    ) -> Obstacle | None:
        """What keeps newcomers, identifiers with their times, out of a group that would then have these counts."""
        enemies = tuple((one, foe) for one in wary for foe in self._foes_in(root, one))
        if enemies:
            return Obstacle("FORBIDDEN", enemies)
        exceeded = self._limits.exceeded(counts)
        if exceeded:
            together = [*newcomers, *((self.identifier[node], self._times[node]) for node in self.group(root))]
            for type_, limit in exceeded:
                times: dict[int, Micros] = {}
                for identifier, time in together:
                    if self._types[identifier] == type_:
                        times[identifier] = min(time, times.get(identifier, time))
                if crowded(list(times.values()), limit):
                    return Obstacle("TOO_MANY", type=type_)
        return None

    def _foes_in(self, root: int, identifier: int) -> list[int]:
        """Whom of a group an identifier never goes together with."""
        foes = self._foes.get(identifier, ())
        return [foe for foe in foes if any(self.root(node) == root for node in self._nodes(foe))]

    def _nodes(self, identifier: int) -> tuple[int, ...]:
        return (identifier, *self.spans[identifier][1]) if identifier in self.spans else (identifier,)
