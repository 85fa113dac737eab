import pytest
from hypothesis import given
from hypothesis import strategies as st
from portrait.tagging.v1.membership_pb2 import ListMembersRequest
from pyroaring import BitMap

from libs.rpc.pages import next_page, page_cursor
from libs.runtime.errors import InvalidArgument
from services.tagging.membership.crowd import Crowd, Place, pairs

numbers = st.dictionaries(st.integers(0, 3), st.sets(st.integers(0, 200)), min_size=1)


def crowd(people: dict[int, set[int]]) -> Crowd:
    return Crowd({at: BitMap(people.get(at, ())) for at in range(4)})


@given(numbers, st.integers(1, 7))
def test_pages_hold_everybody_once_and_in_order(people: dict[int, set[int]], size: int) -> None:
    everybody, behind, found = crowd(people), None, list[Place]()
    while page := [place for place, _ in zip(everybody.behind(behind), range(size), strict=False)]:
        found += page
        behind = page[-1]
    assert found == sorted(Place(at, number) for at, those in people.items() for number in those)


@pytest.mark.parametrize("number", [0, 1, 2**32 - 2])
def test_a_token_goes_on_behind_any_number_that_a_bitmap_can_hold(number: int) -> None:
    token = next_page(ListMembersRequest(), Place(0, number))
    behind = page_cursor(ListMembersRequest(page_token=token), Place)
    assert list(crowd({0: {2**32 - 1}}).behind(behind)) == [Place(0, 2**32 - 1)]


@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**40])
def test_a_forged_token_with_a_number_that_no_bitmap_holds_is_refused(number: int) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        page_cursor(ListMembersRequest(page_token=next_page(ListMembersRequest(), [0, number])), Place)


@given(numbers, st.integers(0, 50), st.integers())
def test_whoever_is_drawn_belongs_and_is_drawn_once(people: dict[int, set[int]], count: int, seed: int) -> None:
    everybody = crowd(people)
    drawn = everybody.drawn(count, seed)
    assert len(set(drawn)) == len(drawn) == min(count, everybody.size)
    assert all(place.number in people[place.partition] for place in drawn)
    assert drawn == everybody.drawn(count, seed)


def test_chance_draws_everybody_as_often() -> None:
    everybody = crowd({0: {1, 2, 3}, 2: {1}, 3: {5, 6}})
    drawn = [everybody.drawn(1, seed)[0] for seed in range(6_000)]
    assert {place: pytest.approx(1_000, rel=0.15) for place in everybody.behind(None)} == {
        place: drawn.count(place) for place in set(drawn)
    }


def test_two_crowds_are_told_what_they_share_beside_everyone() -> None:
    one, other, nobody = crowd({0: {1, 2}, 1: {1, 2}}), crowd({0: {2, 3}, 1: {2}}), crowd({})
    found = pairs([one, other, nobody], population=12)
    assert [(pair.first, pair.second, pair.both) for pair in found] == [(0, 1, 2), (0, 2, 0), (1, 2, 0)]
    assert (found[0].jaccard, found[0].lift) == (2 / 5, 2 * 12 / (4 * 3))
    assert (found[1].jaccard, found[1].lift) == (0.0, None)
