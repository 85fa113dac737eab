from typing import Any

import pytest

from libs.people.event_names import snake_case
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import Interaction


@pytest.mark.parametrize("said", ["Order Completed", "order_completed", "ORDER-COMPLETED", "  Order - Completed "])
def test_spellings_of_one_event_are_one_event(said: str) -> None:
    assert event_name(Interaction("track", event=said)) == "order_completed"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("identify", "identified"),
        ("page", "page_viewed"),
        ("screen", "screen_viewed"),
        ("group", "group_joined"),
        ("alias", "aliased"),
    ],
)
def test_every_other_type_has_a_name_of_its_own(kind: Any, name: str) -> None:
    assert event_name(Interaction(kind, event="Home")) == name


def test_names_in_other_scripts_stay() -> None:
    assert snake_case("完成 测肤") == "完成_测肤"
