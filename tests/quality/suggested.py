"""Records put before the Linker, as the identity service puts people."""

from collections.abc import Iterable, Iterator

from services.identity.linking.candidate import candidate
from services.identity.linking.splink_linker import SplinkLinker
from services.identity.linking.suggesting import Suggestion, suggest
from tests.quality.records import Listed


def suggestions(records: Iterable[Listed]) -> list[Suggestion]:
    """What is suggested of all records in one pool, the likeliest first."""
    return suggest(SplinkLinker(), [candidate(record.id, record.traits) for record in records])


def across(suggested: Iterable[Suggestion], list_of: dict[bytes, str]) -> Iterator[Suggestion]:
    """Those between two lists."""
    return (one for one in suggested if list_of[one.one] != list_of[one.other])


def single_best(suggested: Iterable[Suggestion], list_of: dict[bytes, str], of: str) -> Iterator[Suggestion]:
    """The likeliest for each record of a list; records of the other may come several times."""
    chosen: set[bytes] = set()
    for one in suggested:
        mine = one.one if list_of[one.one] == of else one.other
        if mine not in chosen:
            chosen.add(mine)
            yield one
