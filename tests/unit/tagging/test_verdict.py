"""What somebody has when rules, what was said by hand, cleaning and completion speak at once."""

from typing import Any

from libs.conditions.calendar import Calendar
from libs.conditions.features import Features
from libs.conditions.standing import NOBODY, Answer
from services.tagging.domain.asked import Asked
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.names import DAY
from services.tagging.domain.tag import TagDefinition
from services.tagging.domain.verdict import Verdict
from tests.unit.tagging.test_definition import VIEWED, read

NOW = 1_770_000_000_000_000
SHANGHAI = Calendar("Asia/Shanghai")
YES, NO = Answer(holds=True, changes_at=NOW + 50), Answer(holds=False, changes_at=NOW + 70)


def has(definition: TagDefinition, by_hand: ByHand | None = None, /, **answers: Answer) -> Verdict:
    def answer(name: str) -> Answer:
        return answers.get(name.partition("/")[2].replace("/", "_"), NO)

    said = {} if by_hand is None else {definition.name: by_hand}
    return definition.verdict(Asked(answer, Features(), NOBODY, said, NOW, SHANGHAI))


def said(value: Any, **more: Any) -> ByHand:
    return ByHand(value, NOW - 5, b"e" * 16, **more)


LADDER = read(
    value="enum",
    when=None,
    ladder=[{"value": "hot", "when": VIEWED}, {"value": "mild", "when": VIEWED}],
    cleaning=VIEWED,
    completion=[{"value": "mild", "when": VIEWED, "confidence": 0.4}],
)


def test_the_first_rung_that_holds_gives_the_value() -> None:
    assert has(LADDER, **{"1": YES}).value == "mild"
    assert has(LADDER, **{"0": YES, "1": YES}).value == "hot"


def test_a_rung_above_may_hold_by_time_alone() -> None:
    assert has(LADDER, **{"0": NO, "1": Answer(holds=True)}).changes_at == NOW + 70


def test_what_was_said_by_hand_stands_above_rules_until_it_ends() -> None:
    assert has(LADDER, said("mild"), **{"0": YES}).origin == "by_hand"
    assert has(LADDER, said("mild", expires_at=NOW + 9)).changes_at == NOW + 9
    assert has(LADDER, said("mild", expires_at=NOW), **{"0": YES}).value == "hot"


def test_whoever_says_by_hand_that_somebody_has_not_a_tag_is_believed() -> None:
    assert has(read(), said(False), **{"0": YES}).value is None


def test_cleaning_takes_away_what_was_said_by_hand() -> None:
    found = has(LADDER, said("hot"), cleaning=YES)
    assert (found.value, found.against) == (None, "cleaned")


def test_what_is_concluded_comes_last_and_says_how_sure_it_is() -> None:
    found = has(LADDER, completion_0=YES)
    assert (found.value, found.origin, found.confidence) == ("mild", "inferred", 0.4)


def test_what_expired_is_told_apart_from_what_never_held() -> None:
    assert has(LADDER, said("hot", expires_at=NOW)).against == "expired"
    assert has(LADDER).against == "condition"


def test_what_is_counted_in_days_is_looked_at_again_at_midnight_of_the_tenant() -> None:
    bought = {"did": {"event": "order_completed", "sum": {"of": "amount"}, "within": "30d"}}
    spent = read(value="number", source="statistic", when=bought)
    found = has(spent, **{"0": Answer(holds=True, value=12.5)})
    assert found.value == 12.5
    assert found.changes_at == SHANGHAI.start_of(SHANGHAI.day(NOW) + 1) <= NOW + DAY


def test_a_ranking_has_what_is_ranked_first_if_it_is_an_option() -> None:
    per = {"did": {"event": "product_viewed", "per": "category", "within": "30d"}}
    favourite = read(value="enum", source="ranking", options=["tea"], when=per)
    assert has(favourite, **{"0": Answer(holds=True, value=3, key="tea")}).value == "tea"
    assert has(favourite, **{"0": Answer(holds=True, value=3, key="wine")}).value is None


def test_a_moment_is_told_as_people_write_it() -> None:
    first = read(
        value="text", source="first_last", when={"did": {"event": "order_completed", "first": {"within": "400d"}}}
    )
    assert has(first, **{"0": Answer(holds=True, value=NOW)}).value == "2026-02-02T02:40:00+00:00"


def test_the_item_of_a_rung_is_told() -> None:
    per = {"did": {"event": "product_viewed", "per": "product_id", "times": 2, "within": "7d"}}
    intent = read(value="enum", when=None, ladder=[{"value": "strong", "when": per}])
    assert has(intent, **{"0": Answer(holds=True, value=2, key="p9")}).of == "p9"
