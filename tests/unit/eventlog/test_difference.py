from dataclasses import replace
from itertools import permutations

from portrait.log.v1 import event_pb2

from libs.eventlog.difference import MOST_CHANGES, Change, Comparison, Found, changes
from libs.eventlog.event import Recorded
from libs.eventlog.projection import Description, Folded, Parked
from tests.support.logs import added, key_of
from tests.support.tally import TALLY, Tally

DESCRIBED = replace(
    TALLY, describe=lambda tally: {"total": {"": tally.total}, "positions": {str(n): 1 for n in tally.positions}}
)
ANN, BOB = ("demo", key_of("ann")), ("demo", key_of("bob"))


def folded(total: int, *positions: int, parked: int = 0) -> Folded[Tally]:
    state = Folded(Tally(total, list(positions)), max(positions, default=0))
    if parked:
        state.parked = Parked(Recorded(parked, 1, event_pb2.Event.FromString(added("ann").data)), "broken")
    return state


def test_changes_are_told_entry_by_entry_in_order() -> None:
    before: Description = {"b": {"y": 1, "x": 2}, "a": {"": 5}, "same": {"": 1}, "gone": {"old": True}}
    after: Description = {"b": {"y": 1, "x": 3, "z": 4}, "a": {"": 6}, "same": {"": 1}, "new": {"": []}}
    assert changes(before, after) == [
        Change("a", "", 5, 6),
        Change("b", "x", 2, 3),
        Change("b", "z", None, 4),
        Change("gone", "old", True, None),
        Change("new", "", None, []),
    ]


def test_equal_states_differ_in_nothing_and_have_equal_hashes() -> None:
    found, difference = Comparison(DESCRIBED, DESCRIBED).compare(ANN, 0, 3, folded(5, 1, 3), folded(5, 1, 3))
    assert difference is None
    assert (found.keys, found.differing, found.fields) == (1, 0, {})
    assert found.hash_before == found.hash_after


def test_a_field_counts_once_for_a_key_however_many_entries_differ() -> None:
    found, difference = Comparison(DESCRIBED, DESCRIBED).compare(ANN, 2, 9, folded(5, 1, 3), folded(5, 2, 4))
    assert difference is not None
    assert (difference.partition, difference.position, len(difference.changes)) == (2, 9, 4)
    assert (found.differing, found.fields) == (1, {"positions": 1})
    assert found.hash_before != found.hash_after


def test_only_so_many_changes_are_listed_and_the_rest_is_counted() -> None:
    _, difference = Comparison(DESCRIBED, DESCRIBED).compare(ANN, 0, 1, folded(0), folded(0, *range(MOST_CHANGES + 7)))
    assert difference is not None
    assert (len(difference.changes), difference.more) == (MOST_CHANGES, 7)


def test_a_key_that_stands_still_in_one_version_only_differs() -> None:
    found, difference = Comparison(DESCRIBED, DESCRIBED).compare(ANN, 0, 3, folded(5, 1, parked=2), folded(5, 1))
    assert difference is not None
    assert difference.changes == [Change("parked_at", "", 2, None)]
    assert (found.parked_before, found.parked_after, found.hash_before == found.hash_after) == (1, 0, True)


def test_what_was_found_adds_up_in_any_order() -> None:
    comparison = Comparison(DESCRIBED, DESCRIBED)
    parts = [
        comparison.compare(key, 0, 1, before, after)[0]
        for key, before, after in (
            (ANN, folded(1, 1), folded(1, 1)),
            (BOB, folded(2, 1), folded(3, 1)),
            (BOB, folded(2, 1), folded(2, 1)),
        )
    ]
    sums = set()
    for order in permutations(parts):
        whole = Found()
        for part in order:
            whole.add(part)
        sums.add((whole.keys, whole.differing, whole.hash_before, whole.hash_after, tuple(whole.fields.items())))
    ((keys, differing, before, after, fields),) = sums
    assert (keys, differing, fields) == (3, 1, (("total", 1),))
    assert before != after


def test_a_hash_tells_whose_state_it_is() -> None:
    comparison = Comparison(DESCRIBED, DESCRIBED)
    ann, bob = (comparison.compare(key, 0, 1, folded(1), folded(1))[0] for key in (ANN, BOB))
    assert ann.hash_before != bob.hash_before
