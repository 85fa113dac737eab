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
        self._founder: dict[int, int] = {}
        """Root → founding node, of those who are more than one node."""
        founder, root = self._founder, persons.root
        for node in range(len(persons.identifier)):
            one = root(node)
            if one != node:
                known = founder.get(one, one)
                founder[one] = node if self._is_older(node, known) else known

    def person(self, node: int) -> PersonId:
        """The id of a node's person."""
        graph, persons = self._graph, self._persons
        root = persons.root(node)
        founder = self._founder.get(root, root)
        return own_id(graph.keys[persons.identifier[founder]], persons.span(founder))

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
