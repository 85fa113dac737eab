from collections.abc import Mapping
from typing import Any

import pytest

from services.profile.domain.portrait import Portrait
from services.profile.domain.traits import LONGEST_VALUE, TRAITS_KEPT, Trait, survivors
from tests.support.interactions import DAY, NOON, fact, folded, identified, portrait_of, tracked


def surviving(portrait: Portrait, ranks: Mapping[str, int] | None = None) -> dict[str, Trait]:
    return survivors(portrait.traits, ranks or {})


def proven(value: Any) -> dict[str, Any]:
    return {"value": value, "verified": True}


def test_of_one_source_the_newest_value_stands() -> None:
    portrait = portrait_of(identified({"city": "北京"}), identified({"city": "上海"}))
    assert surviving(portrait)["city"].value == "上海"
    assert surviving(portrait)["city"].others == ()


def test_proof_beats_rank_and_rank_beats_recency() -> None:
    portrait = portrait_of(
        identified({"city": proven("上海")}, source="web"),
        identified({"city": "苏州"}, source="crm"),
        identified({"city": "北京"}, source="app"),
    )
    city = surviving(portrait, {"crm": 5})["city"]
    assert (city.value, city.source, city.verified) == ("上海", "web", True)
    assert [(other.value, other.source) for other in city.others] == [("苏州", "crm"), ("北京", "app")]


def test_without_ranks_the_newest_source_wins() -> None:
    portrait = portrait_of(identified({"city": "上海"}, source="a"), identified({"city": "北京"}, source="b"))
    assert surviving(portrait)["city"].value == "北京"


def test_a_trait_says_when_and_by_which_event_it_was_said() -> None:
    sent = fact(identified({"age": 30}), NOON, "m9")
    age = surviving(folded([sent]))["age"]
    assert (age.occurred_at, age.event_id) == (NOON, sent.event_id)


def test_null_takes_back_what_the_source_said_even_with_proof() -> None:
    said = [fact(identified({"city": proven("上海")}), NOON - DAY, "1"), fact(identified({"city": None}), NOON, "2")]
    assert surviving(folded(said)) == surviving(folded(reversed(said))) == {}


def test_null_leaves_other_sources_alone() -> None:
    portrait = portrait_of(identified({"city": "上海"}, source="crm"), identified({"city": None}, source="app"))
    assert surviving(portrait)["city"].source == "crm"


def test_what_is_said_after_a_null_stands_again_and_older_proof_does_not() -> None:
    portrait = portrait_of(
        identified({"city": proven("上海")}), identified({"city": None}), identified({"city": "北京"})
    )
    assert (surviving(portrait)["city"].value, surviving(portrait)["city"].verified) == ("北京", False)


def test_any_interaction_may_carry_traits() -> None:
    assert surviving(portrait_of(tracked("quiz_done", traits={"skin": "dry"})))["skin"].value == "dry"


@pytest.mark.parametrize(
    "value",
    [
        0,
        False,
        "",
        [],
        {},
        1.5,
        2**70,
        "上海",
        {"b": 1, "a": [None]},
        {"value": 1},
        {"value": 1, "verified": 1, "x": 2},
    ],
)
def test_any_json_value_is_kept_as_it_is(value: Any) -> None:
    assert surviving(portrait_of(identified({"x": value})))["x"].value == value


def test_a_value_too_long_is_counted_and_not_kept() -> None:
    portrait = portrait_of(identified({"essay": "x" * LONGEST_VALUE, "n" * 257: 1, "city": "上海"}))
    assert list(surviving(portrait)) == ["city"]
    assert portrait.ignored == {"TRAIT_TOO_LONG": 2}


def test_the_newest_traits_are_kept_where_there_are_too_many() -> None:
    sent = [fact(identified({f"t{i}": i}), NOON + i, str(i)) for i in range(TRAITS_KEPT + 10)]
    assert set(surviving(folded(sent))) == {f"t{i}" for i in range(10, TRAITS_KEPT + 10)}
