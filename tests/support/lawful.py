"""What must hold of people whatever was seen and decided: limits, and pairs that were forbidden."""

from collections.abc import Iterator

from libs.people.spans import WHOLE
from services.identity.domain.changes import places
from services.identity.domain.evidence import Key, Pair
from services.identity.domain.graph import draw
from services.identity.domain.limits import crowded
from services.identity.domain.resolution import Resolution
from services.identity.domain.standing import Case


def crowds(case: Case, found: Resolution) -> Iterator[tuple[str, set[Key]]]:
    """The types of which a person has more than the rules allow, each with those identifiers."""
    graph = draw(case, None, {})
    first_seen = dict(zip(graph.keys, graph.times(), strict=True))
    for members in people_of(found):
        for type_ in case.rules.types.values():
            of_type = {key for key in members if (known := case.type_of(key)) and known.name == type_.name}
            if type_.per_person is not None and len(of_type) > 1:  # noqa: SIM102  the times are only asked of several
                if crowded([first_seen[key] for key in of_type], type_.per_person):
                    yield type_.name, of_type


def spanned(case: Case, found: Resolution) -> Iterator[Pair]:
    """The forbidden pairs of which a person has both, if only for a time."""
    whose: dict[Key, set[bytes]] = {}
    for (key, _), person in places(found).items():
        whose.setdefault(key, set()).add(person)
    for a, b in case.forbidden():
        if (whose.get(a, set()) | {found.person_of(a)}) & (whose.get(b, set()) | {found.person_of(b)}):
            yield a, b


def people_of(found: Resolution) -> list[set[Key]]:
    """The identifiers of each person of several, those included that are theirs for a time."""
    people: dict[bytes, set[Key]] = {}
    for (key, span), person in places(found).items():
        if span == WHOLE or found.spans[key, span].to == key:
            people.setdefault(person, set()).add(key)
    for person, members in people.items():
        members.add(person)
    return list(people.values())
