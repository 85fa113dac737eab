"""What other rules would change for people, with some of them for an example, and what does it."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest

import msgspec

from services.identity.domain.changes import PersonsMerged, PersonsSplit
from services.identity.domain.evidence import Key
from services.identity.domain.naming import PersonId
from services.identity.domain.person import Identifier
from services.identity.domain.preview import preview
from services.identity.domain.refusal import Refusal
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.sentences import Sayings, Words
from services.identity.domain.standing import Case


class Regrouping(msgspec.Struct, frozen=True):
    """People who would become one, or one who would become several, and why in one line."""

    before: tuple[PersonId, ...]
    after: tuple[PersonId, ...]
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """People merged and split, identifiers (and parts of them) moved, begun or ceased to be shared, and looked at."""

    merged: int = 0
    split: int = 0
    moved: int = 0
    shared_changed: int = 0
    identifiers: int = 0
    sample: tuple[Regrouping, ...] = ()


def plan(now: Case, then: Case, known: Mapping[Key, Identifier], sample: int) -> Plan:
    """Compare who is who under two sets of rules; both cases hold the same evidence and decisions."""
    before, after = resolve(now), resolve(then)
    found = preview(then, before, after, sample)
    marked = before.marks.keys() | after.marks.keys()
    shown = _Shown(Words(known, now.rules, Sayings()), before, Words(known, then.rules, Sayings()), after)
    return Plan(
        found.merged,
        found.split,
        found.moved,
        sum((before.marks.get(key) == "shared") != (after.marks.get(key) == "shared") for key in marked),
        len(now.evidence.seen),
        shown.regroupings(now.evidence.seen, _mixed(found.sample, sample)),
    )


def _mixed(told: Iterable[PersonsMerged | PersonsSplit], most: int) -> list[PersonsMerged | PersonsSplit]:
    """As many merged as split people, as far as there are."""
    told = list(told)
    merged = [one for one in told if isinstance(one, PersonsMerged)]
    split = [one for one in told if isinstance(one, PersonsSplit)]
    return [one for two in zip_longest(merged, split) for one in two if one is not None][:most]


class _Shown:
    """Says of some people what it is that regroups them."""

    def __init__(self, was: Words, before: Resolution, will_be: Words, after: Resolution) -> None:
        self._was, self._before, self._will_be, self._after = was, before, will_be, after

    def regroupings(self, keys: Iterable[Key], told: Iterable[PersonsMerged | PersonsSplit]) -> tuple[Regrouping, ...]:
        """Each with its reason."""
        people: dict[tuple[bool, PersonId], set[Key]] = {}
        for one in told:
            people[isinstance(one, PersonsMerged), one.into if isinstance(one, PersonsMerged) else one.person] = set()
        for key in keys:
            for side, person in ((False, self._before.person_of(key)), (True, self._after.person_of(key))):
                if (side, person) in people:
                    people[side, person].add(key)
        return tuple(
            Regrouping(one.merged, (one.into,), self._why_merged(people[True, one.into]))
            if isinstance(one, PersonsMerged)
            else Regrouping((one.person,), one.into, self._why_split(people[False, one.person]))
            for one in told
        )

    def _why_merged(self, keys: set[Key]) -> str:
        """What was in the way and would not be."""
        gone = self._only_in(self._before, self._after, keys)
        return f"no longer holds: {self._was.refusal(gone)}" if gone else ""

    def _why_split(self, keys: set[Key]) -> str:
        """What would be in the way and was not."""
        new = self._only_in(self._after, self._before, keys)
        return self._will_be.refusal(new) if new else ""

    def _only_in(self, one: Resolution, other: Resolution, keys: set[Key]) -> Refusal | None:
        """The first edge at some identifiers that joins nobody in one resolution, but not for that in the other.

        What shares a value with strangers need not lie between the identifiers themselves.
        """
        refused = (
            refusal
            for both, refusals in one.refused.items()
            if not keys.isdisjoint(both)
            for refusal in refusals
            if refusal not in other.refused.get(both, ())
        )
        return min(refused, key=lambda refusal: (not keys >= {*refusal.pair}, refusal.at, refusal), default=None)
