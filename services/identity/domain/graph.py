"""A case in whole numbers: identifiers as places in lists, and edges in the order in which they are followed."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from libs.people.identifiers import DAY, IdentifierType
from libs.runtime.clock import Micros
from services.identity.domain.decisions import Register
from services.identity.domain.evidence import Key, Pair
from services.identity.domain.refusal import Refusal
from services.identity.domain.standing import Case, Mark, Standing, Withdrawn, marks, stand

Edge = tuple[Micros, int, Key, Key, bytes, int, int, int, Micros]
"""When, weakness, the keys, event id, the places, the side that was proven (or `NO_PROOF`), when recorded.

A tuple and not a class, for there are as many as there are pairs. In this order they sort as they are followed: what
was seen in one moment by strength, so that accounts meet before a device brings others along.
"""

NO_PROOF: Final = -1
_NO_PROOFS: Final = ((), ())


@dataclass(slots=True)
class Graph:
    """What a resolution walks over; each list has a place for each identifier, and `kinds` are the types by strength.

    `gaps` are the times at which an identifier came back after a silence longer than it is valid for.
    """

    kinds: list[IdentifierType]
    marks: Mapping[Key, Mark]
    keys: list[Key] = field(default_factory=list)
    place: dict[Key, int] = field(default_factory=dict)
    types: list[int] = field(default_factory=list)
    recorded: list[Micros] = field(default_factory=list)
    links: list[tuple[Pair, Register]] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    gaps: dict[int, list[Micros]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)

    def type_at(self, place: int) -> IdentifierType:
        """The type of an identifier."""
        return self.kinds[self.types[place]]

    def times(self) -> list[Micros]:
        """When each identifier was first seen with another, by what stands; or else when it was linked by hand."""
        times = [0] * len(self.keys)
        for both, register in reversed(self.links):
            for key in both:
                times[self.place[key]] = register.recorded_at
        for edge in reversed(self.edges):
            times[edge[5]] = times[edge[6]] = edge[0]
        return times


def draw(case: Case, inside: Container[Key] | None, given: Mapping[Key, Mark]) -> Graph:
    """The graph of a case; where only some identifiers are looked at, `given` are the marks of the others."""
    standing, withdrawn = stand(case)
    found = marks(standing, case.blocked())
    if inside is not None:
        found = {**given, **{key: mark for key, mark in found.items() if key in inside}}
    graph = Graph(list(case.rules.personal.values()), found)
    _place_identifiers(graph, case, inside)
    _refuse_withdrawn(graph, withdrawn)
    _draw_edges(graph, standing)
    return graph


def _place_identifiers(graph: Graph, case: Case, inside: Container[Key] | None) -> None:
    place_of = {type_.name: place for place, type_ in enumerate(graph.kinds)}

    def place(key: Key, type_: str, recorded_at: Micros) -> None:
        graph.place[key] = len(graph.keys)
        graph.keys.append(key)
        graph.types.append(place_of[type_])
        graph.recorded.append(recorded_at)

    for key, (recorded_at, type_) in case.evidence.seen.items():
        if type_ in place_of:
            place(key, type_, recorded_at)
    for both, register in case.links():
        if inside is not None and not any(key in inside for key in both):
            continue
        unknown = [key for key in both if case.type_of(key) is None]
        marked = [key for key in both if key in graph.marks]
        if unknown:
            graph.refused.append(Refusal(both, register.recorded_at, register.event_id, "UNKNOWN_TYPE"))
        elif marked:
            graph.refused.append(_marked(graph, both, register.recorded_at, register.event_id, marked))
        else:
            for key in both:
                if key not in graph.place:
                    place(key, case.decisions.types[key], register.recorded_at)
            graph.links.append((both, register))


def _refuse_withdrawn(graph: Graph, withdrawn: Iterable[Withdrawn]) -> None:
    for both, together, reason in withdrawn:
        at, event_id = together.first.occurred_at, together.first.event_id
        marked = [key for key in both if key in graph.marks]
        if marked and reason == "UNLINKED":
            graph.refused.append(_marked(graph, both, at, event_id, marked))
        else:
            graph.refused.append(Refusal(both, at, event_id, reason))


def _draw_edges(graph: Graph, standing: Iterable[Standing]) -> None:
    """Turn pairs into edges, in their order; several for an address verified several times."""
    place, types, marked, edges, of_types = graph.place, graph.types, graph.marks, graph.edges, len(graph.kinds)
    expires = [type_.validity is not None for type_ in graph.kinds]
    alive: dict[int, list[tuple[Micros, Micros]]] = {}
    for one in standing:
        low, high = both = one.pair
        if marked and (low in marked or high in marked):
            first = one.together.first
            broken = [key for key in both if key in marked]
            graph.refused.append(_marked(graph, both, first.occurred_at, first.event_id, broken))
            continue
        a, b = place[low], place[high]
        type_a, type_b = types[a], types[b]
        weak = type_a * of_types + type_b if type_a < type_b else type_b * of_types + type_a
        together = one.together
        at, event_id, recorded_at, _, _ = together.first
        if together.proofs == _NO_PROOFS:
            edges.append((at, weak, low, high, event_id, a, b, NO_PROOF, recorded_at))
        else:
            at = _draw_proven(graph, one, (a, b), weak)
        if expires[type_a] or expires[type_b]:
            # To the end of the day, so that seeing a pair again changes nothing before the day is over.
            seen = at, (together.last.occurred_at // DAY + 1) * DAY
            for identifier, type_ in ((a, type_a), (b, type_b)):
                if expires[type_]:
                    alive.setdefault(identifier, []).append(seen)
    edges.sort()
    for identifier, times in alive.items():
        gaps = _gaps(times, graph.type_at(identifier).validity or 0)
        if gaps:
            graph.gaps[identifier] = gaps


def _draw_proven(graph: Graph, one: Standing, ends: tuple[int, int], weak: int) -> Micros:
    """Draw the edges of a pair of which one was verified; returns when the first of them is."""
    first, proofs, edges = one.together.first, one.proofs(), graph.edges
    at = began = first.occurred_at
    if one.since is not None:
        graph.refused.append(Refusal(one.pair, at, first.event_id, "UNLINKED"))
        began = proofs[0][1].occurred_at
    elif all(sight != first for _, sight in proofs):
        edges.append((at, weak, *one.pair, first.event_id, *ends, NO_PROOF, first.recorded_at))
    for side, sight in proofs:
        edges.append((sight.occurred_at, weak, *one.pair, sight.event_id, *ends, side, sight.recorded_at))
    return began


def _gaps(times: list[tuple[Micros, Micros]], validity: Micros) -> list[Micros]:
    gaps: list[Micros] = []
    alive_until = min(times)[0]
    for began, ended in sorted(times):
        if began - alive_until > validity:
            gaps.append(began)
        alive_until = max(alive_until, ended)
    return gaps


def _marked(graph: Graph, both: Pair, at: Micros, event_id: bytes, marked: Iterable[Key]) -> Refusal:
    """The refusal of an edge at a marked identifier; that it names nobody says more than that it names too many."""
    blocked = tuple(key for key in marked if graph.marks[key] == "blocked")
    shared = tuple(key for key in marked if graph.marks[key] == "shared")
    return Refusal(both, at, event_id, "BLOCKED" if blocked else "SHARED", blocked or shared)
