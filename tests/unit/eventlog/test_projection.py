from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.event import NewEvent, Recorded
from libs.eventlog.projection import Folded, Handled, LazyProjection, fold, needs_refold, refold
from tests.support.logs import added, retracted
from tests.support.tally import ADDED, POISON, TALLY, Tally, add, combine, handling


def history(*events: NewEvent, step: int = 10) -> list[Recorded]:
    """Events at positions 1, 2, 3, recorded at 10, 20, 30."""
    return [Recorded(at, at * step, pb.Event.FromString(event.data)) for at, event in enumerate(events, 1)]


def folded(events: Sequence[Recorded], projection: LazyProjection[Tally] = TALLY) -> Folded[Tally]:
    return fold(projection, lambda: Folded(projection.initial()), events)


def test_events_are_folded_in_order_onto_what_stands() -> None:
    events = history(added("ann", 1), added("ann", 20), added("ann", 300))
    onto = folded(events[:1])
    behind = fold(TALLY, lambda: onto, events[1:])
    assert behind == folded(events) == Folded(Tally(321, [1, 2, 3]), 3, 30)


def test_nothing_folded_is_the_initial_state_at_position_zero() -> None:
    assert folded([]) == refold(TALLY, []) == Folded(Tally(), 0, 0)


def test_a_type_that_nobody_handles_is_passed_over() -> None:
    events = history(added("ann", 1), added("ann", "?", type="moved"), added("ann", 2))
    assert folded(events) == Folded(Tally(3, [1, 3]), 3, 30)
    assert folded(events[:2]).position == 2


def test_older_versions_are_upcast_step_by_step() -> None:
    third = handling({ADDED: Handled(3, add, {1: lambda payload: payload + b"0", 2: lambda payload: b"1" + payload})})
    events = history(added("ann", 5, version=1), added("ann", 5, version=2), added("ann", 5, version=3))
    assert folded(events, third).state.total == 150 + 15 + 5
    assert [one.event.version for one in events] == [1, 2, 3]
    assert events[0].event.payload == b"5"


def test_a_version_of_a_newer_release_is_parked() -> None:
    read = folded(history(added("ann", 1), added("ann", 2, version=2), added("ann", 3)))
    assert (read.state.total, read.position) == (1, 1)
    assert read.parked is not None
    assert read.parked.cause == "NewerEventError: added has version 2; this release knows up to 1"


def test_a_missing_upcast_is_parked() -> None:
    read = folded(history(added("ann", 1)), handling({ADDED: Handled(2, add)}))
    assert read.parked is not None
    assert (read.position, read.parked.recorded.position) == (0, 1)


def test_a_failing_event_freezes_the_key_before_it() -> None:
    read = folded(history(added("ann", 1), added("ann", 2), added("ann", POISON), added("ann", 4)))
    assert (read.state, read.position, read.recorded_at) == (Tally(3, [1, 2]), 2, 20)
    assert read.parked is not None
    assert read.parked.recorded.position == 3
    assert read.parked.cause.startswith("ValueError: invalid literal")


def test_a_handler_that_fails_half_way_leaves_no_trace() -> None:
    first = folded(history(added("ann", POISON)))
    assert (first.state, first.position) == (Tally(), 0)


def test_what_was_retracted_counts_as_never_sent() -> None:
    events = history(added("ann", 1), added("ann", 2), added("ann", 3), retracted("ann", 1, 3))
    read = refold(TALLY, events)
    assert (read.state, read.position, read.recorded_at) == (Tally(2, [2]), 4, 40)


def test_retracting_the_event_that_fails_heals_the_key() -> None:
    events = history(added("ann", 1), added("ann", POISON), added("ann", 3), retracted("ann", 2))
    assert refold(TALLY, events) == Folded(Tally(4, [1, 3]), 4, 40)


def test_a_tail_with_a_retraction_needs_a_refold() -> None:
    events = history(added("ann", 1), retracted("ann", 1))
    assert needs_refold(events)
    assert not needs_refold(events[:1])
    assert not needs_refold([])


def test_as_of_is_what_had_happened_by_then() -> None:
    events = history(added("ann", 1, at=300), added("ann", 2, at=100), added("ann", 4, at=200))
    assert [refold(TALLY, events, as_of=at).state.total for at in (99, 100, 200, 299, 300)] == [0, 2, 6, 6, 7]


def test_known_at_is_what_was_recorded_by_then() -> None:
    events = history(added("ann", 1, at=300), added("ann", 2, at=100), added("ann", 4, at=200))
    assert [refold(TALLY, events, known_at=at).state.total for at in (9, 10, 29, 30)] == [0, 1, 3, 7]


def test_as_of_and_known_at_bound_together() -> None:
    events = history(added("ann", 1, at=300), added("ann", 2, at=100), added("ann", 4, at=200))
    assert refold(TALLY, events, as_of=200, known_at=20).state.total == 2


def test_a_retraction_applies_to_any_as_of_and_to_known_at_since_it_was_recorded() -> None:
    events = history(added("ann", 1, at=5), added("ann", 2, at=6), retracted("ann", 1))
    assert refold(TALLY, events, as_of=5).state.total == 0
    assert refold(TALLY, events, known_at=29).state.total == 3
    assert refold(TALLY, events, known_at=30).state.total == 2


def test_an_event_that_fails_later_does_not_touch_an_earlier_as_of() -> None:
    events = history(added("ann", 1, at=5), added("ann", POISON, at=6))
    assert refold(TALLY, events, as_of=5).parked is None
    assert refold(TALLY, events, as_of=6).parked is not None


AMOUNTS = st.lists(st.integers(-5, 5), max_size=12)


@given(AMOUNTS, st.sets(st.integers(1, 12)))
def test_retract_then_fold_is_never_sent(amounts: list[int], gone: set[int]) -> None:
    events = history(*(added("ann", amount) for amount in amounts), retracted("ann", *gone))
    never_sent = folded([one for one in events if one.position not in gone])
    assert refold(TALLY, events) == Folded(never_sent.state, len(events), 10 * len(events))


@given(AMOUNTS, st.randoms(use_true_random=False), st.integers(0, 12))
def test_parts_folded_in_any_order_combine_to_the_whole(amounts: list[int], chance: Random, cut: int) -> None:
    events = history(*(added("ann", amount) for amount in amounts))
    shuffled = chance.sample(events, len(events))
    parts = folded(shuffled[:cut]).state, folded(shuffled[cut:]).state
    assert combine(*parts) == combine(*reversed(parts)) == folded(events).state


@given(AMOUNTS, st.integers(0, 12))
def test_fold_onto_a_snapshot_is_refold(amounts: list[int], cut: int) -> None:
    events = history(*(added("ann", amount) for amount in amounts))
    stored = folded(events[:cut])
    assert fold(TALLY, lambda: stored, events[cut:]) == refold(TALLY, events)
