"""Which identifiers a change can affect: those around what it touches, as far as identifiers join."""

from collections.abc import Container, Mapping

from msgspec.structs import replace

from libs.people.identifiers import IdentifierRules
from services.identity.domain.decisions import LINKED, Decisions
from services.identity.domain.evidence import Evidence, Key
from services.identity.domain.standing import Case, Mark, marks, stand


class Neighbourhood:
    """Found step by step: as long as there are `unread` identifiers, read what is known around them and tell `read`.

    It ends at blocked and shared identifiers, because they join nobody; so a kiosk is no bridge between its visitors,
    and one more visitor costs no look at the others. Only where an identifier's mark changes do all its neighbours
    belong to the neighbourhood, because all their edges to it change.
    """

    def __init__(
        self,
        seed: Key,
        touched: Container[Key],
        rules: IdentifierRules,
        screened: frozenset[Key],
        limit: int,
    ) -> None:
        """`touched` are all the identifiers that the change touches: their marks may be out of date."""
        self.unread = {seed}
        self.inside: set[Key] = set()
        self.given: dict[Key, Mark] = {}
        """The marks of those that are not inside."""
        self.case = Case(Evidence(), Decisions(), rules, screened)
        self._touched = touched
        self._limit = limit

    @property
    def oversized(self) -> bool:
        """Whether it outgrew the limit; it is then to be resolved apart, lest everybody else wait."""
        return len(self.inside) + len(self.unread) > self._limit

    def read(
        self,
        evidence: Evidence,
        decisions: Decisions,
        known: Mapping[Key, Mark],
        screened: frozenset[Key] = frozenset(),
    ) -> None:
        """Take in what is known around the unread identifiers, and the marks of all identifiers in that; `screened` are
        those of them whose values the rules block, where these were not all given at the start.

        That is: all pairs of theirs, all logins of theirs and of the sessions of those, and all decisions about anybody
        in the pairs and logins.
        """
        self.case = replace(self.case, screened=self.case.screened | screened)
        part = Case(evidence, decisions, self.case.rules, self.case.screened)
        standing, _ = stand(part)
        found = marks(standing, part.blocked())
        fresh, self.unread = self.unread, set()
        self.inside |= fresh
        foes = {
            key for both in decisions.forbidden if all(key in found or key in known for key in both) for key in both
        }
        # What is decided about two that join nobody concerns whoever has parts of both.
        changed = {key for key in fresh if found.get(key) != known.get(key) or (key in foes and key in self._touched)}
        joining = {key for key in fresh if key not in found}
        linked = (both for both, register in decisions.links.items() if register.stands == LINKED)
        for a, b in (*(one.pair for one in standing), *linked):
            for key, other in ((a, b), (b, a)):
                # Whether a neighbour is marked can hang on whether this one is; else a mark is where it ends.
                open_ = other in self._touched or other not in known
                if other not in self.inside and (key in changed or (key in joining and open_)):
                    self.unread.add(other)
        _add(self.case, part)
        self.given = {
            key: mark for key, mark in {**self.given, **known}.items() if key not in self.inside | self.unread
        }


def _add(case: Case, part: Case) -> None:
    # Rows and not evidence to combine: what was read twice counts once.
    case.evidence.seen.update(part.evidence.seen)
    case.evidence.pairs.update(part.evidence.pairs)
    case.evidence.logins.update(part.evidence.logins)
    case.decisions.links.update(part.decisions.links)
    case.decisions.forbidden.update(part.decisions.forbidden)
    case.decisions.blocked.update(part.decisions.blocked)
    case.decisions.types.update(part.decisions.types)
