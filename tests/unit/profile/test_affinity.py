from typing import Any

import pytest

from services.profile.domain.affinity import SHOWN, Affinity, affinities_now
from services.profile.domain.portrait import Portrait
from tests.support.interactions import DAY, NOON, SHANGHAI, fact, folded, portrait_of, tracked

TODAY = SHANGHAI.day(NOON)


def drawn(portrait: Portrait, today: int = TODAY) -> dict[tuple[str, str], Affinity]:
    return {(affinity.dimension, affinity.key): affinity for affinity in affinities_now(portrait.affinities, today)}


def weights(*documents: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {where: affinity.weight for where, affinity in drawn(portrait_of(*documents)).items()}


def test_an_event_speaks_for_what_it_names_with_its_weight() -> None:
    product = {"product_id": "p1", "category": "skincare", "brand": "b1", "colour": "red"}
    assert weights(tracked("Product Added", product)) == {
        ("item", "p1"): 3,
        ("category", "skincare"): 3,
        ("brand", "b1"): 3,
        ("channel", "app"): 3,
    }


def test_each_line_of_an_order_counts() -> None:
    lines = [{"sku": "s1", "category": "c"}, {"product_id": "p1", "category": "c"}, "odd"]
    spoken = weights(tracked("Order Completed", {"products": lines}))
    assert spoken == {("item", "s1"): 8, ("item", "p1"): 8, ("category", "c"): 16, ("channel", "app"): 8}


def test_of_two_names_of_an_item_the_preferred_one_counts() -> None:
    assert ("item", "p1") in weights(tracked("Product Viewed", {"sku": "s1", "product_id": "p1"}))
    assert ("item", "s1") in weights(tracked("Product Viewed", {"sku": "s1", "product_id": ""}))
    assert len(weights(tracked("Product Viewed", {"sku": "s1", "product_id": "p1"}))) == 2


def test_a_channel_that_is_named_goes_before_the_source() -> None:
    clicked = weights(tracked("message_clicked", {"channel": "sms"}))
    assert clicked == {("channel", "sms"): 3}


def test_putting_something_back_speaks_against_it_and_not_against_the_channel() -> None:
    assert weights(tracked("Product Removed", {"product_id": "p1"})) == {("item", "p1"): -1}


def test_an_ignored_message_speaks_against_its_channel() -> None:
    assert weights(tracked("message_ignored", {"channel": "push"})) == {("channel", "push"): -1}


def test_what_was_done_to_the_person_says_nothing_of_channels() -> None:
    assert weights(tracked("message_sent", {}), tracked("task_completed", {})) == {}


@pytest.mark.parametrize("key", [None, "", True, 1.5, ["a"], {"id": 1}, "x" * 257, 2**63, 10**400])
def test_what_can_name_nothing_is_passed_over(key: Any) -> None:
    event = {**tracked("Product Viewed", {"product_id": "p"}), "source": ""}
    said = fact(event)
    assert said.interaction.properties is not None
    said.interaction.properties["product_id"] = key
    assert folded([said]).affinities == {}


def test_a_number_names_an_item_by_its_digits() -> None:
    assert ("item", "819255") in weights(tracked("Product Viewed", {"product_id": 819255}))


def test_the_score_halves_in_thirty_days() -> None:
    portrait = portrait_of(tracked("Order Completed", {"products": [{"sku": "s"}]}))
    scores = [drawn(portrait, TODAY + age)["item", "s"].score for age in (0, 30, 60)]
    assert scores == [8.0, 4.0, 2.0]
    assert drawn(portrait, TODAY + 60)["item", "s"].last_day == TODAY


def test_recent_interest_beats_an_old_and_larger_one() -> None:
    viewed = [fact(tracked("Product Viewed", {"brand": "old"}), NOON - 200 * DAY, str(i)) for i in range(20)]
    viewed.append(fact(tracked("Product Viewed", {"brand": "new"}), NOON, "new"))
    brands = [a.key for a in affinities_now(folded(viewed).affinities, TODAY) if a.dimension == "brand"]
    assert brands == ["new", "old"]


def test_days_after_today_do_not_count_yet() -> None:
    portrait = folded([fact(tracked("Product Viewed", {"brand": "b"}), NOON + 2 * DAY)])
    assert drawn(portrait)["brand", "b"].score == 0


def test_after_many_years_nothing_is_left_but_the_weight() -> None:
    portrait = portrait_of(tracked("Product Viewed", {"brand": "b"}))
    affinity = drawn(portrait, TODAY + 10_000)["brand", "b"]
    assert (affinity.score, affinity.weight) == (0, 1)


def test_the_strongest_of_each_dimension_are_shown() -> None:
    lines = [{"sku": f"s{i:03}"} for i in range(SHOWN + 5)] + [{"sku": "s104"}]
    items = [
        key
        for dimension, key in drawn(portrait_of(tracked("Order Completed", {"products": lines})))
        if dimension == "item"
    ]
    assert len(items) == SHOWN
    assert items[:2] == ["s104", "s000"]
