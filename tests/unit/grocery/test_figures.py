from datetime import datetime, timedelta

from examples.grocery.conversion import ZONE
from examples.grocery.figures import Spent, most_telling, redeemed, spent, total
from examples.grocery.tables import households

MIDYEAR = datetime(2017, 7, 1, tzinfo=ZONE)


def test_the_till_took_what_it_took() -> None:
    by_household = spent()
    assert len(by_household) == len(households()) == 2_469
    assert total(by_household) == Spent(155_848, 459_603_958)


def test_two_halves_make_the_whole() -> None:
    some = households(10)
    before, after = spent(some, until=MIDYEAR - timedelta(seconds=1)), spent(some, since=MIDYEAR)
    halves = total(before), total(after)
    assert total(spent(some)) == Spent(sum(one.baskets for one in halves), sum(one.cents for one in halves))
    assert min(one.baskets for one in halves) > 0


def test_the_household_shown_is_one_of_those_collected() -> None:
    assert most_telling([7]) == 7
    assert most_telling(households(20)) in households(20)


def test_every_coupon_is_one_of_a_household_and_a_campaign() -> None:
    by_household = redeemed(households())
    assert len(by_household) == 410
    assert sum(sum(campaigns.values()) for campaigns in by_household.values()) == 2_102
    assert redeemed(households(5)) == {1: {"8": 3, "18": 2}}
