"""What a lifecycle's document may say, and how its author is told what is wrong."""

from typing import Any

import pytest

from libs.conditions.windows import Days
from libs.runtime.errors import InvalidArgument
from libs.runtime.strict_yaml import write_yaml
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.lifecycle import MOST_ASKED, MOST_MOVES, MOST_STAGES, LifecycleDefinition

BOUGHT: dict[str, Any] = {"did": {"event": "bought"}}
QUIET: dict[str, Any] = {"did_not": {"event": "bought", "within": "60d"}}


def document(**changes: Any) -> str:
    said: dict[str, Any] = {
        "lifecycle": "shoppers",
        "title": {"zh": "顾客生命周期", "en": "Lifecycle of a shopper"},
        "owner": "growth",
        "description": "From the first order on.",
        "stages": [
            {"stage": key, "title": {"zh": "阶段", "en": key}} for key in ("prospect", "active", "lost", "won_back")
        ],
        "initial": "prospect",
        "moves": [
            {"from": "prospect", "to": "active", "when": BOUGHT},
            {"from": ["active", "won_back"], "to": "lost", "when": QUIET},
            {"from": "lost", "to": "won_back", "when": BOUGHT},
        ],
    }
    return write_yaml(said | changes)


def read_lifecycle(text: str, version: int) -> LifecycleDefinition:
    (found,) = read_definitions(text, version)
    assert isinstance(found, LifecycleDefinition)
    return found


def move(**changes: Any) -> dict[str, Any]:
    return {"from": "prospect", "to": "active", "when": BOUGHT} | changes


def test_a_document_says_stages_and_the_moves_between_them() -> None:
    found = read_lifecycle(document(), 3)
    assert (found.key, found.version, found.initial) == ("shoppers", 3, "prospect")
    assert [stage.key for stage in found.stages] == ["prospect", "active", "lost", "won_back"]
    assert [(one.sources, one.to) for one in found.moves][1] == (("active", "won_back"), "lost")
    assert list(found.conditions()) == ["stage/0", "stage/1", "stage/2"]
    assert found.doubtful() == []


def test_a_move_from_any_stage_leads_from_all_but_its_own() -> None:
    found = read_lifecycle(document(moves=[{"from": "any", "to": "lost", "when": QUIET}]), 1)
    assert found.moves[0].sources == ("prospect", "active", "won_back")


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"initial": "prospct"}, "initial", "did you mean 'prospect'"),
        ({"moves": [move(to="lots")]}, "moves[0].to", "did you mean 'lost'"),
        (
            {"moves": [move(), {**move(to="lost"), "from": ["active", "wonback"]}]},
            "moves[1].from[1]",
            "did you mean 'won_back'",
        ),
        ({"moves": [{**move(), "from": ["lost", "active"]}]}, "moves[0].from[1]", "from a stage to itself"),
        ({"moves": [{**move(), "from": ["lost", "lost"]}]}, "moves[0].from[1]", "given twice"),
        ({"moves": [move(when={"did": {"event": "bought", "within": "3x"}})]}, "moves[0].when.did.within", "length"),
        ({"moves": [move(when={"all": [BOUGHT, {"tag": "vip"}]})]}, "moves[0].when.all[1].tag", "past day"),
        ({"moves": []}, "moves", "is empty"),
        ({"stages": [{"stage": "any", "title": {"en": "x"}}]}, "stages[0].stage", "every stage"),
        ({"stages": [{"stage": "Any", "title": {"en": "x"}}]}, "stages[0].stage", "must be a key"),
        ({"stages": [{"stage": "prospect", "title": {"en": "x"}}] * 2}, "stages[1].stage", "declared twice"),
        ({"tests": [{"name": "n", "expect": "activ"}]}, "tests[0].expect", "did you mean 'active'"),
        ({"tests": [{"name": "n", "tags": {"vip": True}, "expect": "lost"}]}, "tests[0].tags", "is not known here"),
        ({"ladder": 1}, "ladder", "is not known here"),
        ({"lifecycle": "My life"}, "lifecycle", "must be a key"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(changes: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_lifecycle(document(**changes), 1)
    assert refused.value.field == field
    assert message in refused.value.message


def test_a_stage_that_nobody_comes_to_is_told_of() -> None:
    moves = [move(), {"from": "lost", "to": "won_back", "when": BOUGHT}]
    found = [(one.path, one.severity) for one in read_lifecycle(document(moves=moves), 1).doubtful()]
    assert found == [("stages[2]", "warning"), ("stages[3]", "warning")]


def test_the_windows_of_moves_are_those_of_any_condition() -> None:
    condition: Any = read_lifecycle(document(), 1).moves[1].condition
    assert condition.part.test.window == Days(60)


def stages(count: int) -> list[dict[str, Any]]:
    keys = ["prospect", "active", *(f"s{number}" for number in range(count - 2))]
    return [{"stage": key, "title": {"en": key}} for key in keys]


def asking(times: int) -> dict[str, Any]:
    return {"any": [BOUGHT] * times}


def test_a_lifecycle_may_be_as_large_as_its_limits() -> None:
    moves = [move(when=asking(MOST_ASKED // MOST_MOVES))] * MOST_MOVES
    found = read_lifecycle(document(stages=stages(MOST_STAGES), moves=moves), 1)
    assert (len(found.stages), len(found.moves)) == (MOST_STAGES, MOST_MOVES)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"stages": stages(MOST_STAGES + 1)}, "stages", f"more than {MOST_STAGES} entries"),
        ({"moves": [move()] * (MOST_MOVES + 1)}, "moves", f"more than {MOST_MOVES} entries"),
        (
            {"moves": [move(), move(when=asking(MOST_ASKED - 1)), move(), move()]},
            "moves[2].when",
            f"more than {MOST_ASKED} times",
        ),
    ],
)
def test_a_lifecycle_that_would_take_too_long_to_look_at_is_refused(
    changes: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_lifecycle(document(**changes), 1)
    assert refused.value.field == field
    assert message in refused.value.message
