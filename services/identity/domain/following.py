"""Following a graph's edges in their order, each making one person of two unless something is in the way."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from libs.people.spans import Span
from libs.runtime.clock import Micros
from services.identity.domain.evidence import Pair, pair
from services.identity.domain.graph import NO_PROOF, Edge, Graph
from services.identity.domain.limits import Limits
from services.identity.domain.persons import Obstacle, Persons
from services.identity.domain.refusal import Refusal

BY_HAND: Final = -2
"""In the place of a proven side: the edge is a link that somebody decided."""


class Followed(NamedTuple):
    """An edge that was followed, and which spans of its two identifiers it joined, lower key first."""

    edge: Edge
    low: Span
    high: Span


def follow(graph: Graph, forbidden: Iterable[Pair], followed: list[Followed] | None = None) -> Persons:
    """Group the identifiers; an edge that can't be followed is added to the graph's refusals, others to `followed`."""
    place = graph.place
    foes = ((place[a], place[b]) for a, b in forbidden if a in place and b in place)
    persons = Persons(graph.types, graph.times(), Limits(graph.kinds), foes)
    for identifier, times in graph.gaps.items():
        for time in times:
            persons.begin_span(identifier, time)
    linked_at = _follow_links(graph, persons, followed)
    _follow_edges(graph, persons, linked_at, followed)
    return persons


def _follow_links(graph: Graph, persons: Persons, followed: list[Followed] | None) -> dict[int, Micros]:
    """Returns when an identifier was last linked by hand: proofs from before do not take it away again."""
    linked_at: dict[int, Micros] = {}
    for both, register in graph.links:
        at = register.recorded_at
        a, b = graph.place[both[0]], graph.place[both[1]]
        node_a, node_b = persons.node_at(a, at), persons.node_at(b, at)
        obstacle = persons.join(node_a, node_b)
        if obstacle is not None:
            _refuse(graph, both, at, register.event_id, obstacle)
            continue
        linked_at[a] = linked_at[b] = at
        if followed is not None:
            edge = (at, 0, *both, register.event_id, a, b, BY_HAND, at)
            followed.append(Followed(edge, persons.span(node_a), persons.span(node_b)))
    return linked_at


def _follow_edges(
    graph: Graph, persons: Persons, linked_at: Mapping[int, Micros], followed: list[Followed] | None
) -> None:
    join, node_at, cut = persons.join, persons.node_at, persons.spans
    for edge in graph.edges:
        at, _, low, high, event_id, a, b, proven, recorded_at = edge
        node_a = node_at(a, at) if a in cut else a
        node_b = node_at(b, at) if b in cut else b
        obstacle = join(node_a, node_b)
        if obstacle is not None and proven != NO_PROOF:
            address, account, account_node = (a, b, node_b) if proven == 0 else (b, a, node_a)
            by_hand = linked_at.get(address, -1) >= recorded_at
            if not by_hand and graph.type_at(account).strength == "strong":
                obstacle = persons.rebind(address, at, account_node)
                node_a, node_b = node_at(a, at), node_at(b, at)
        if obstacle is not None:
            _refuse(graph, (low, high), at, event_id, obstacle)
        elif followed is not None:
            followed.append(Followed(edge, persons.span(node_a), persons.span(node_b)))


def _refuse(graph: Graph, both: Pair, at: Micros, event_id: bytes, obstacle: Obstacle) -> None:
    foes = min((pair(graph.keys[a], graph.keys[b]) for a, b in obstacle.pairs), default=())
    type_ = graph.kinds[obstacle.type].name if obstacle.reason == "TOO_MANY" else ""
    graph.refused.append(Refusal(both, at, event_id, obstacle.reason, foes, type_))
