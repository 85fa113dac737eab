"""A Linker without any extra: it compares what is spelled alike, and values the rare more than the common."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import log2
from typing import Final, NamedTuple

from services.identity.domain.naming import PersonId
from services.identity.linking.candidate import Candidate
from services.identity.linking.linker import Compared, Finding, Subject

MOST_ALIKE: Final = 200
"""People who share a value that pairs are looked for by; a value that more share says nothing."""


class _Field(NamedTuple):
    subject: Subject
    values: Callable[[Candidate], Iterable[str]]
    kept: float
    """How often the field of one person is the same twice."""


def _known(*values: str) -> tuple[str, ...]:
    return (" ".join(values),) if all(values) else ()


_FIELDS: Final = (
    _Field("first name", lambda who: _known(who.first_name), 0.9),
    _Field("middle name", lambda who: _known(who.middle_name[:1]), 0.95),
    _Field("last name", lambda who: _known(who.last_name), 0.9),
    _Field("birthday", lambda who: _known(who.birthday), 0.95),
    _Field("gender", lambda who: _known(who.gender), 0.98),
    _Field("document number", lambda who: _known(who.document_number), 0.95),
    _Field("address", lambda who: _known(who.street_number, who.street), 0.8),
    _Field("postcode", lambda who: _known(who.postcode), 0.85),
    _Field("phone", lambda who: who.phones, 0.7),
    _Field("e-mail", lambda who: who.emails, 0.7),
)

_WHERE_TO_LOOK: Final[tuple[Callable[[Candidate], Iterable[str]], ...]] = (
    lambda who: _known(who.first_name, who.last_name),
    lambda who: _known(who.birthday),
    lambda who: _known(who.document_number),
    lambda who: _known(who.street_number, who.street),
    lambda who: who.phones,
    lambda who: who.emails,
)


class PlainLinker:
    """Knows neither slips of the pen nor sounds; right for tests, trials and whoever does without the extra."""

    def compare(self, people: Sequence[Candidate]) -> Iterator[Compared]:
        """Pairs that share a name, birthday, document, address, phone or e-mail."""
        shares = {field.subject: _shares(people, field) for field in _FIELDS}
        by_id = {who.person: who for who in people}
        for one, other in sorted(_pairs(people)):
            yield Compared(one, other, tuple(_findings(by_id[one], by_id[other], shares)))


def _pairs(people: Sequence[Candidate]) -> set[tuple[PersonId, PersonId]]:
    found: set[tuple[PersonId, PersonId]] = set()
    for values in _WHERE_TO_LOOK:
        for those in _by_value(people, values).values():
            if len(those) <= MOST_ALIKE:
                found.update(combinations(those, 2))
    return found


def _by_value(
    people: Iterable[Candidate], values: Callable[[Candidate], Iterable[str]]
) -> defaultdict[str, list[PersonId]]:
    found: defaultdict[str, list[PersonId]] = defaultdict(list)
    for who in sorted(people, key=lambda one: one.person):
        for value in values(who):
            found[value].append(who.person)
    return found


def _shares(people: Iterable[Candidate], field: _Field) -> Mapping[str, float]:
    """How large a part of those of whom the field is known has each value."""
    counts: Counter[str] = Counter()
    known = 0
    for who in people:
        values = set(field.values(who))
        counts.update(values)
        known += bool(values)
    return {value: count / known for value, count in counts.items()}


def _findings(one: Candidate, other: Candidate, shares: Mapping[Subject, Mapping[str, float]]) -> Iterator[Finding]:
    for field in _FIELDS:
        here, there = set(field.values(one)), set(field.values(other))
        if not (here and there):
            continue
        if here & there:
            rarest = min(shares[field.subject][value] for value in here & there)
            yield Finding(field.subject, "same", log2(field.kept / rarest))
        else:
            yield Finding(field.subject, "different", log2(1 - field.kept))
