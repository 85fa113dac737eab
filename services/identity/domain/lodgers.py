"""Whose the spans of a blocked or shared identifier are: it joins nobody, but some of what is filed under it is known.

What a kiosk saw within a session belongs to who logged in there; what came under a blocked value belongs to the
next-strongest identifier that came with it.
"""

from collections.abc import Iterator

from libs.people.identifiers import IdentifierType
from libs.people.spans import Span, beside
from libs.runtime.clock import Micros
from services.identity.domain.decisions import UNLINKED
from services.identity.domain.evidence import Key, Sight, pair
from services.identity.domain.graph import Graph
from services.identity.domain.standing import Case

Lodger = tuple[tuple[Key, Span], Key, Micros]
"""A span of an identifier, the identifier whose person it follows, and as of when."""


def lodgers(case: Case, graph: Graph) -> Iterator[Lodger]:
    """All that is known; a session in which two of one type logged in is nobody's."""
    if graph.marks:
        yield from _beside_blocked(case, graph)
        if case.rules.shared == "by_session":
            yield from _logged_in(case, graph)


def _beside_blocked(case: Case, graph: Graph) -> Iterator[Lodger]:
    blocked = {key for key, mark in graph.marks.items() if mark == "blocked"}
    if not blocked:
        return
    for both, together in case.evidence.pairs.items():
        for key, other in (both, both[::-1]):
            if key in blocked and other not in blocked:
                type_, next_type = case.type_of(key), case.type_of(other)
                # Where the other is the stronger one, it is the anchor and needs no span.
                if type_ is not None and next_type is not None and type_.rank <= next_type.rank:
                    yield (key, beside(other)), other, together.first.occurred_at


def _logged_in(case: Case, graph: Graph) -> Iterator[Lodger]:
    accounts: dict[tuple[Key, Span], dict[Key, tuple[IdentifierType, Sight]]] = {}
    for (key, session, account), sight in case.evidence.logins.items():
        if key in graph.marks and account not in graph.marks and not _is_unlinked(case, key, account):
            type_ = case.type_of(account)
            if type_ is not None and type_.strength == "strong":
                accounts.setdefault((key, session), {})[account] = (type_, sight)
    for place, there in accounts.items():
        strongest = min(type_.rank for type_, _ in there.values())
        of_it = [(account, sight) for account, (type_, sight) in there.items() if type_.rank == strongest]
        if len(of_it) == 1:
            ((account, sight),) = of_it
            yield place, account, sight.occurred_at


def _is_unlinked(case: Case, key: Key, account: Key) -> bool:
    register = case.decisions.links.get(pair(key, account))
    return register is not None and register.stands == UNLINKED
