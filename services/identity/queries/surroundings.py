"""Everything that decides about some identifiers: their neighbourhoods, read from wherever they are known."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from libs.people.identifiers import IdentifierRules
from libs.runtime.errors import FailedPrecondition
from services.identity.domain.decisions import Decisions
from services.identity.domain.evidence import Evidence, Key
from services.identity.domain.explanation import Explanation
from services.identity.domain.neighbourhood import Neighbourhood
from services.identity.domain.standing import Case, Mark

LARGEST: Final = 20_000
"""Identifiers of one neighbourhood that an answer looks at; more are a kiosk that nobody has told the rules of."""


class TooLarge(FailedPrecondition):
    """More identifiers hang together than an answer looks at."""

    def __init__(self, largest: int) -> None:
        told = f"more than {largest:,} identifiers hang together around this one: block what joins them"
        super().__init__("TOO_MANY_IDENTIFIERS", told)


class Stands(Protocol):
    """What stands about an identifier."""

    @property
    def mark(self) -> Mark | None: ...
    @property
    def screened(self) -> bool: ...
    @property
    def waiting(self) -> bool: ...


class Around(Protocol):
    """What is known around some identifiers, and what stands about everybody whom that speaks of."""

    @property
    def evidence(self) -> Evidence: ...
    @property
    def decisions(self) -> Decisions: ...
    @property
    def known(self) -> Mapping[Key, Stands]: ...


class Source(Protocol):
    """Where evidence and decisions are read from: the tables, or for what was, the log."""

    async def around(self, keys: Collection[Key]) -> Around:
        """All pairs of some identifiers, their logins and those of the same sessions, and all decisions about anybody
        in these.
        """
        ...


class Surroundings(NamedTuple):
    """A case of some neighbourhoods, as `resolve` takes it."""

    case: Case
    inside: frozenset[Key]
    given: Mapping[Key, Mark]

    def explanation(self) -> Explanation:
        """Who is who in it, with reasons; of those outside, their marks alone."""
        explanation = Explanation(self.case, self.inside, self.given)
        explanation.found.marks.update(self.given)
        return explanation


async def surroundings(
    source: Source,
    seeds: Iterable[Key],
    rules: IdentifierRules,
    largest: int = LARGEST,
) -> Surroundings:
    """The neighbourhoods of some identifiers.

    Raises `TooLarge` where they can't be looked at while somebody waits.
    """
    touched = set[Key]()
    case, inside, given = Case(Evidence(), Decisions(), rules), set[Key](), dict[Key, Mark]()
    for seed in seeds:
        if seed in inside:
            continue
        around = Neighbourhood(seed, touched, rules, frozenset(), largest)
        while around.unread:
            if around.oversized:
                raise TooLarge(largest)
            found = await source.around(around.unread)
            marks = {key: one.mark for key, one in found.known.items() if one.mark is not None}
            touched.update(key for key, one in found.known.items() if one.waiting)
            screened = frozenset(key for key, one in found.known.items() if one.screened)
            around.read(found.evidence, found.decisions, marks, screened)
        case = _union(case, around.case)
        inside |= around.inside
        given.update(around.given)
    return Surroundings(case, frozenset(inside), {key: mark for key, mark in given.items() if key not in inside})


def _union(a: Case, b: Case) -> Case:
    """Both cases in one; rows that are in both are the same."""
    return Case(
        Evidence(
            a.evidence.seen | b.evidence.seen,
            a.evidence.pairs | b.evidence.pairs,
            a.evidence.logins | b.evidence.logins,
        ),
        Decisions(
            a.decisions.links | b.decisions.links,
            a.decisions.forbidden | b.decisions.forbidden,
            a.decisions.blocked | b.decisions.blocked,
            a.decisions.types | b.decisions.types,
        ),
        a.rules,
        a.screened | b.screened,
    )
