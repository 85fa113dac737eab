"""Which pairs are suggested: those that are likely enough, were not decided already, each with reasons and warnings."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from services.identity.domain.naming import PersonId
from services.identity.linking.candidate import Candidate
from services.identity.linking.household import differs_in_person, household_warnings
from services.identity.linking.linker import Finding, Linker, Subject
from services.identity.linking.weighing import Scale, Weighed, scale_of, weigh

SUGGESTED_FROM: Final = 0.5
ACCEPTABLE_FROM: Final = 0.9
"""From this score on, what comes without a warning may be accepted at a glance."""

_SHORT: Final = 40  # characters of a value in an argument

PersonPair = tuple[PersonId, PersonId]
Decided = Callable[[PersonId, PersonId], bool]
Fitting = Mapping[PersonId, Mapping[PersonId, Weighed]]
"""Whom a person may be, and how likely."""


class Argument(msgspec.Struct, frozen=True, gc=False):
    """What speaks for or against: `weight` in bits, and the weights of all arguments give the score."""

    subject: str
    finding: str
    weight: float


class Suggestion(msgspec.Struct, frozen=True, gc=False):
    """Two people who may be one, the smaller id first; arguments are strongest first."""

    one: PersonId
    other: PersonId
    score: float
    arguments: tuple[Argument, ...]
    warnings: tuple[str, ...] = ()


def _nothing_decided(one: PersonId, other: PersonId) -> bool:
    return False


def suggest(
    linker: Linker,
    people: Sequence[Candidate],
    decided: Decided = _nothing_decided,
) -> list[Suggestion]:
    """The likeliest first; what is decided already is not suggested, but whom somebody fits is known by it all."""
    by_id = {one.person: one for one in people}
    compared = list(linker.compare(people))
    scale = scale_of(compared, len(people))
    likely = [weighed for each in compared if (weighed := weigh(each, scale)).score >= SUGGESTED_FROM]
    fits = _fitting(likely)
    found = [
        _suggestion(weighed, by_id, fits, scale)
        for weighed in likely
        if not decided(weighed.compared.one, weighed.compared.other)
    ]
    return sorted(found, key=lambda one: (-one.score, one.one, one.other))


def one_to_one(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """The likeliest suggestions in which nobody comes twice; they are to be given the likeliest first."""
    taken: set[PersonId] = set()
    chosen: list[Suggestion] = []
    for suggestion in suggestions:
        if not taken & {suggestion.one, suggestion.other}:
            taken |= {suggestion.one, suggestion.other}
            chosen.append(suggestion)
    return chosen


def _fitting(likely: Iterable[Weighed]) -> Fitting:
    fits: dict[PersonId, dict[PersonId, Weighed]] = {}
    for weighed in likely:
        one, other = weighed.compared.one, weighed.compared.other
        fits.setdefault(one, {})[other] = weighed
        fits.setdefault(other, {})[one] = weighed
    return fits


def _suggestion(weighed: Weighed, people: Mapping[PersonId, Candidate], fits: Fitting, scale: Scale) -> Suggestion:
    compared = weighed.compared
    one, other = people[compared.one], people[compared.other]
    warnings = [*household_warnings(compared, one, other), *_rivals(one, other, people, fits)]
    return Suggestion(one.person, other.person, weighed.score, _arguments(weighed, one, other, scale), tuple(warnings))


def _rivals(
    one: Candidate,
    other: Candidate,
    people: Mapping[PersonId, Candidate],
    fits: Fitting,
) -> Iterator[str]:
    """Where one fits somebody who is hardly the other: father and son of one name at one address."""
    for here, there in ((one, other), (other, one)):
        rivals = [
            (weighed.score, rival)
            for rival, weighed in fits[here.person].items()
            if rival != there.person and not _go_together(fits[there.person].get(rival))
        ]
        if rivals:
            score, rival = max(rivals)
            yield f"{_called(here)} fits {_called(people[rival])} ({rival.hex()}) as well, scored {score:.3f}"


def _go_together(weighed: Weighed | None) -> bool:
    return weighed is not None and not differs_in_person(weighed.compared)


def _called(who: Candidate) -> str:
    return " ".join(filter(None, (who.first_name, who.middle_name, who.last_name))) or who.person.hex()


def _arguments(weighed: Weighed, one: Candidate, other: Candidate, scale: Scale) -> tuple[Argument, ...]:
    counted = [_argument(finding, one, other) for finding in weighed.compared.findings]
    counted.append(Argument("chance", f"any two are one with a chance of 1 in {scale.people:,}", weighed.chance))
    if weighed.discount:
        told = f"a household shares these: of those who share a home, {scale.one_at_home:.0%} are one person"
        counted.append(Argument("household", told, weighed.discount))
    return tuple(sorted(counted, key=lambda argument: -abs(argument.weight)))


def _argument(finding: Finding, one: Candidate, other: Candidate) -> Argument:
    a, b = _value(one, finding.subject), _value(other, finding.subject)
    told = f"{finding.grade}: {a}" if a == b else f"{finding.grade}: {a}, {b}"
    return Argument(finding.subject, told, finding.weight)


def _value(who: Candidate, subject: Subject) -> str:
    match subject:
        case "address":
            text = " ".join(filter(None, (who.street_number, who.street)))
        case "phone":
            text = " ".join(who.phones)
        case "e-mail":
            text = " ".join(who.emails)
        case _:
            text = str(getattr(who, subject.replace(" ", "_")))
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
