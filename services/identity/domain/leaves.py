"""News that changes nobody else: a new identifier that was seen with just one other, as when a customer comes back with
another browser. That is most news, and whose such a leaf is shows without a look at all that is around it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from libs.people.identifiers import IdentifierRules, IdentifierType
from services.identity.domain.evidence import Key
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.naming import PersonId


class Leaves(NamedTuple):
    """New identifiers, each with the one whose person's they are: resolving them would find that, and nothing else new.

    Of those `counted`, which are of one `type`, that holds as far as their people may have so many.
    """

    free: dict[Key, Key]
    counted: dict[Key, Key]
    type: IdentifierType | None

    def fitting(self, person_of: Callable[[Key], PersonId], had: Mapping[PersonId, int]) -> dict[Key, Key]:
        """All but those that a person would have too many of; `had` says how many the people of `counted` have."""
        if not self.counted or self.type is None or self.type.per_person is None:
            return self.free
        has, fitting = Counter(had), dict(self.free)
        for leaf, stem in self.counted.items():
            person = person_of(stem)
            if has[person] < self.type.per_person.at_most:
                has[person] += 1
                fitting[leaf] = stem
        return fitting


def leaves(known: Knowledge, news: News, rules: IdentifierRules, is_plain: Callable[[Key], bool]) -> Leaves:
    """`is_plain` tells whether an identifier is neither marked nor cut nor yet to be resolved.

    A leaf of a type without limit is in nobody's way, nobody decided about it, and one neighbour does not make it
    shared. Where its neighbour is of a type that is never shared, passes on or is counted by time, that one stays what
    it is; and having been recorded before, it keeps the leaf from founding the person.

    Of the limited types that is so of the weakest one, as long as the person has room for the leaf: then no edge that
    joins is refused for it, and one that is refused still is for the same reason, as stronger types are named first.
    """
    seen, decided = known.evidence.seen, known.decisions.types
    limited = [type_ for type_ in rules.personal.values() if type_.per_person is not None]
    weakest = limited[-1] if limited else None
    met = Counter(key for both in news.pairs for key in both)
    found = Leaves({}, {}, weakest)
    for both, together in news.pairs.items():
        for leaf, stem in (both, both[::-1]):
            now, before = news.seen.get(leaf), seen.get(stem)
            if now is None or before is None or together is None or leaf in seen or leaf in decided or met[leaf] > 1:
                continue
            type_ = rules.personal.get(now.type)
            if (
                now.recorded_at > before.recorded_at
                and type_ is not None
                and (type_.per_person is None or type_ is weakest)
                and _is_firm(rules.personal.get(before.type))
                and is_plain(leaf)
                and is_plain(stem)
            ):
                (found.free if type_.per_person is None else found.counted)[leaf] = stem
    return found


def without(news: News, leaves_: Mapping[Key, Key]) -> News:
    """The other news."""
    if not leaves_:
        return news
    pairs = {both: row for both, row in news.pairs.items() if both[0] not in leaves_ and both[1] not in leaves_}
    return News(news.seen, pairs, news.logins, news.decisions)


def _is_firm(type_: IdentifierType | None) -> bool:
    if type_ is None or type_.people is not None or type_.validity is not None:
        return False
    return type_.per_person is None or type_.per_person.within is None
