"""Who is who: a function of the set of evidence, decisions and rules, and of nothing else.

Links by hand are followed first, in the order decided, then evidence in the order in which it was first seen; what ties
is ordered by what was seen, never by when it was processed. Each edge makes one person of two unless a limit or a
forbidden pair is in the way: then it is refused, and kept with its reason. What is blocked or shared joins nobody. An
address that is verified for another account passes on: from then on it is that person's, and what lies before stays.

A person's id is that of the founding identifier, the one recorded first. So a merge keeps the older id, and both ids
come back by themselves when it is undone.

    evidence, decisions, rules ── standing ──▶ what counts ── graph ──▶ edges in their order
                                                                          │ following, persons
    people, spans, cuts, refusals ◀── resolution ── naming ◀── groups ◀───┘
"""

from collections.abc import Collection, Container, Mapping
from typing import Final, NamedTuple

import msgspec

from libs.people.spans import AtTimes, ByIdentifier, BySession, Cut, Span, own_id, since
from services.identity.domain.evidence import Key, Pair
from services.identity.domain.following import Followed, follow
from services.identity.domain.graph import Graph, draw
from services.identity.domain.lodgers import lodgers
from services.identity.domain.naming import Names, PersonId
from services.identity.domain.persons import Persons
from services.identity.domain.refusal import Refusal
from services.identity.domain.standing import Case, Mark

NO_MARKS: Final[Mapping[Key, Mark]] = {}


class Tied(NamedTuple):
    """Whose a span is, and the identifier whose person it follows."""

    person: PersonId
    to: Key


class Resolution(msgspec.Struct):
    """Who is who. Identifiers and spans that nobody else is are their own person, and are not listed."""

    people: dict[Key, PersonId] = {}
    spans: dict[tuple[Key, Span], Tied] = {}
    cuts: dict[Key, Cut] = {}
    marks: dict[Key, Mark] = {}
    refused: dict[Pair, tuple[Refusal, ...]] = {}

    def person_of(self, key: Key) -> PersonId:
        """Whose an identifier is; of one that passed on, whose it was first."""
        return self.people.get(key, key)


def resolve(
    case: Case,
    inside: Collection[Key] | None = None,
    given: Mapping[Key, Mark] = NO_MARKS,
    followed: list[Followed] | None = None,
) -> Resolution:
    """Who is who in a case.

    With `inside`, the identifiers that a change can affect, the case need only hold what touches those, and the answer
    is about them alone; `given` are then the marks of the others. The edges that were followed are put into `followed`.
    """
    graph = draw(case, inside, given)
    persons = follow(graph, case.forbidden(), followed)
    names = Names(graph, persons)
    whose = graph.place if inside is None else {key: graph.place[key] for key in inside if key in graph.place}
    found = Resolution()
    for key, node in whose.items():
        person = names.person(node)
        if person != key:
            found.people[key] = person
    _cut_at_times(found, graph, persons, names, whose)
    _cut_marked(found, case, graph, inside)
    for place, to, at in sorted(lodgers(case, graph)):
        if to in whose:
            node, lodger = persons.node_at(whose[to], at), graph.place.get(place[0])
            if lodger is None or persons.lodge(lodger, node):
                found.spans[place] = Tied(names.person(node), to)
    for refusal in sorted(graph.refused):
        found.refused[refusal.pair] = (*found.refused.get(refusal.pair, ()), refusal)
    return found


def _cut_at_times(found: Resolution, graph: Graph, persons: Persons, names: Names, whose: Container[Key]) -> None:
    for identifier, (starts, nodes) in persons.spans.items():
        key = graph.keys[identifier]
        if key in whose:
            found.cuts[key] = AtTimes(tuple(starts))
            for start, node in zip(starts, nodes, strict=True):
                person = names.person(node)
                if person != own_id(key, since(start)):
                    found.spans[key, since(start)] = Tied(person, key)


def _cut_marked(found: Resolution, case: Case, graph: Graph, inside: Container[Key] | None) -> None:
    seen, decided = case.evidence.seen, case.decided()
    for key, mark in graph.marks.items():
        if (key in seen or key in decided) and (inside is None or key in inside):
            found.marks[key] = mark
            if mark == "blocked":
                found.cuts[key] = ByIdentifier()
            elif case.rules.shared == "by_session":
                found.cuts[key] = BySession()
