"""Evidence as it is kept, that of each anchor apart: taking interactions back changes one anchor's and no other."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from libs.people.identifiers import IdentifierRules
from services.identity.domain.evidence import Evidence, Key, Login, Pair
from services.identity.domain.touch import matters

Anchor = Key
"""The identifier that an interaction is filed under."""

_NOTHING = Evidence()


class ByAnchor(dict[Anchor, Evidence]):
    """Evidence of several anchors."""

    def of(self, anchor: Anchor) -> Evidence:
        """The evidence of one anchor, to be added to."""
        known = self.get(anchor)
        if known is None:
            known = self[anchor] = Evidence()
        return known


class EvidenceChange(msgspec.Struct, frozen=True):
    """Evidence that is to stand in place of other: what is missing after it is gone. `values` are the normal forms of
    the identifiers in it; `takes_back` tells whether anything may be less than it was, or gone: a pair that is still
    there may have been seen later than it seemed.
    """

    before: ByAnchor
    after: ByAnchor
    values: Mapping[Key, str]
    takes_back: bool = False

    def each(self) -> Iterator[tuple[Anchor, Evidence, Evidence]]:
        """Every anchor, with its evidence before and after."""
        for anchor in self.before.keys() | self.after.keys():
            yield anchor, self.before.get(anchor, _NOTHING), self.after.get(anchor, _NOTHING)


class Differences(NamedTuple):
    """What may be news: of what is not named here, the change says nothing that can decide who is who."""

    seen: set[Key]
    pairs: set[Pair]
    logins: set[Login]

    @property
    def keys(self) -> set[Key]:
        """All identifiers named."""
        in_pairs = (key for both in self.pairs for key in both)
        in_logins = (key for place, _, account in self.logins for key in (place, account))
        return self.seen.union(in_pairs, in_logins)


def differences(change: EvidenceChange, rules: IdentifierRules) -> Differences:
    """Compare the anchors' evidence: what changes of no anchor does not change of all together."""
    seen: set[Key] = set()
    pairs: set[Pair] = set()
    logins: set[Login] = set()
    fading = {type_.name for type_ in rules.types.values() if type_.validity is not None}
    for _, before, after in change.each():
        # Nearly always equal, which shows without a look at each.
        if before.seen != after.seen:
            seen.update(key for key, _ in before.seen.items() ^ after.seen.items())
        if before.logins != after.logins:
            logins.update(login for login, _ in before.logins.items() ^ after.logins.items())
        for both in before.pairs.keys() | after.pairs.keys():
            known, now = before.pairs.get(both), after.pairs.get(both)
            if matters(known, now, runs_out=bool(fading) and any(_type(before, after, key) in fading for key in both)):
                pairs.add(both)
    return Differences(seen, pairs, logins)


def within(less: Evidence, more: Evidence) -> bool:
    """Whether all that some evidence speaks of is in other evidence, too."""
    return (
        less.seen.keys() <= more.seen.keys()
        and less.pairs.keys() <= more.pairs.keys()
        and less.logins.keys() <= more.logins.keys()
    )


def _type(before: Evidence, after: Evidence, key: Key) -> str:
    return (after.seen.get(key) or before.seen[key]).type
