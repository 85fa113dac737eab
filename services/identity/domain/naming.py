"""Which id a person has: that of the founding identifier, the one recorded first."""

from libs.people.spans import own_id
from services.identity.domain.graph import Graph
from services.identity.domain.persons import Persons

PersonId = bytes
"""A OneID: the own id of the founding identifier or span."""


class Names:
    """The ids of grouped identifiers."""

    def __init__(self, graph: Graph, persons: Persons) -> None:
        self._graph, self._persons = graph, persons
        self._root = list(map(persons.root, range(len(persons.identifier))))
        self._founder: dict[int, int] = {}
        """Root → founding node, of those who are more than one node."""
        founder, is_older = self._founder, self._is_older
        for node, root in enumerate(self._root):
            if root != node:
                known = founder.get(root, root)
                founder[root] = node if is_older(node, known) else known

    def person(self, node: int) -> PersonId:
        """The id of a node's person."""
        root, keys = self._root[node], self._graph.keys
        founder = self._founder.get(root, root)
        if founder < len(keys):
            return keys[founder]
        return own_id(keys[self._persons.identifier[founder]], self._persons.span(founder))

    def _is_older(self, node: int, other: int) -> bool:
        """Whether a node goes before another: recorded first, then strongest, then the smallest key.

        Spans after the first found a person only where nothing else can, for their ids hang on the time of a cut.
        """
        graph, identifiers, first_spans = self._graph, self._persons.identifier, len(self._graph.keys)
        a, b = identifiers[node], identifiers[other]
        if (node < first_spans) != (other < first_spans):
            return node < first_spans
        if graph.recorded[a] != graph.recorded[b]:
            return graph.recorded[a] < graph.recorded[b]
        if a != b:
            return (graph.type_at(a).rank, graph.keys[a]) < (graph.type_at(b).rank, graph.keys[b])
        return self._persons.span(node) < self._persons.span(other)
