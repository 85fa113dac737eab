"""News that changes nobody else: a new identifier that was seen with just one other, as when a customer comes back with
another browser. That is most news, and whose such a leaf is shows without a look at all that is around it.
"""

from collections import Counter
from collections.abc import Callable

from libs.people.identifiers import IdentifierRules, IdentifierType
from services.identity.domain.evidence import Key
from services.identity.domain.knowledge import Knowledge, News


def leaves(known: Knowledge, news: News, rules: IdentifierRules, is_plain: Callable[[Key], bool]) -> dict[Key, Key]:
    """New identifiers, each with the one whose person's they are: resolving them would find that, and nothing else new.

    `is_plain` tells whether an identifier is neither marked nor cut nor yet to be resolved.

    A leaf of a type without limit is in nobody's way, nobody decided about it, and one neighbour does not make it
    shared. Where its neighbour is of a type that is never shared, passes on or is counted by time, that one stays what
    it is; and having been recorded before, it keeps the leaf from founding the person.
    """
    seen, decided = known.evidence.seen, known.decisions.types
    met = Counter(key for both in news.pairs for key in both)
    found: dict[Key, Key] = {}
    for both, together in news.pairs.items():
        for leaf, stem in (both, both[::-1]):
            now, before = news.seen.get(leaf), seen.get(stem)
            if now is None or before is None or together is None or leaf in seen or leaf in decided or met[leaf] > 1:
                continue
            if (
                now.recorded_at > before.recorded_at
                and _is_free(rules.personal.get(now.type))
                and _is_firm(rules.personal.get(before.type))
                and is_plain(leaf)
                and is_plain(stem)
            ):
                found[leaf] = stem
    return found


def without(news: News, leaves_: dict[Key, Key]) -> News:
    """The other news."""
    if not leaves_:
        return news
    pairs = {both: row for both, row in news.pairs.items() if both[0] not in leaves_ and both[1] not in leaves_}
    return News(news.seen, pairs, news.logins, news.decisions)


def _is_free(type_: IdentifierType | None) -> bool:
    return type_ is not None and type_.per_person is None


def _is_firm(type_: IdentifierType | None) -> bool:
    if type_ is None or type_.people is not None or type_.validity is not None:
        return False
    return type_.per_person is None or type_.per_person.within is None
