from collections import UserList
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from libs.conditions.check import MOST_TOLD, Finding, check, told
from libs.conditions.vocabulary import Properties, Vocabulary
from libs.conditions.yaml_form import read_condition


@dataclass(frozen=True, slots=True)
class Words:
    events: Mapping[str, Properties] = field(
        default_factory=lambda: {
            "order_completed": {
                "total": "number",
                "channel": "string",
                "gift": "boolean",
                "products[].price": "number",
                "products[].category": "string",
                "cart": "object",
                "paid_at": "timestamp",
            },
            "product_viewed": {"product_id": "string"},
            "app_opened": {},
        }
    )
    traits: Properties = field(default_factory=lambda: {"birthday": "timestamp", "city": "string", "points": "integer"})
    tags: Properties = field(default_factory=lambda: {"vip": "boolean", "price_level": "string"})
    scores: Collection[str] = ("price_sensitive",)
    stages: Collection[str] = ("new", "lost")
    tiers: Collection[str] = ("gold",)
    segments: Collection[str] = ("families",)


WORDS: Vocabulary = Words()


def found(text: str) -> list[tuple[str, str, str]]:
    return [(one.severity, one.path, one.message) for one in check(read_condition(text), WORDS)]


@pytest.mark.parametrize(
    "text",
    [
        "did: {event: order_completed, where: [{channel: web}, {cart.total: 3}], sum: {of: total}}",
        "did: {event: order_completed, each: {of: products, where: [{category: tea}]}, sum: {of: price, at_least: 1}}",
        "did: {event: order_completed, where: [{products: {all: [{price: 5}]}}, {paid_at: {from: 2026-01-01}}]}",
        "did: {event: app_opened, where: [{anything: 1}, {$source: app}]}",
        "did: {event: order_completed, where: [{$hour: {at_least: 18}}], per: $hour, within: 7d}",
        "sequence: {first: product_viewed, then: product_viewed, same: product_id}",
        "all: [{trait: {birthday: {anniversary: {days_before: 3}}}}, {trait: {points: {at_least: 10}}}, {trait: city}]",
        "any: [{tag: vip}, {tag: {price_level: high}}, {score: {price_sensitive: 60}}, {stage: new}, {tier: gold}]",
        "segment: families",
    ],
)
def test_what_is_known_is_not_complained_about(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "path", "name", "like"),
    [
        ("did: {event: order_complete}", "did.event", "order_complete", "order_completed"),
        ("did_not: {event: [app_opened, prduct_viewed]}", "did_not.event[1]", "prduct_viewed", "product_viewed"),
        ("all: [{stage: new}, {did: {event: order_completed, where: [{chanel: web}]}}]",
         "all[1].did.where[0].chanel", "chanel", "channel"),
        ("did: {event: order_completed, sum: {of: totl}}", "did.sum.of", "totl", "total"),
        ("did: {event: order_completed, each: products, sum: {of: prize}}", "did.sum.of", "prize", "price"),
        ("did: {event: order_completed, where: [{products: {any: [{categry: x}]}}]}",
         "did.where[0].products.any[0].categry", "categry", "category"),
        ("not: {tag: vipp}", "not.tag", "vipp", "vip"),
        ("trait: {citty: Xi'an}", "trait.citty", "citty", "city"),
        ("stage: [lost, nwe]", "stage[1]", "nwe", "new"),
        ("score: {price_sensitiv: 1}", "score.price_sensitiv", "price_sensitiv", "price_sensitive"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_a_warning_that_names_the_nearest_known_one(
    text: str, path: str, name: str, like: str
) -> None:
    ((severity, where, message),) = found(text)
    assert (severity, where) == ("warning", path)
    assert repr(name) in message
    assert told(check(read_condition(text), WORDS)) == [f"{path}: {message}, did you mean {like!r}?"]


def test_of_many_findings_the_first_are_told_and_looked_up_and_the_others_counted() -> None:
    looked_through = list[str]()

    class Known(UserList[str]):
        def __iter__(self) -> Iterator[str]:
            looked_through.append("once")
            return super().__iter__()

    known = Known([f"stage_{number}" for number in range(60)])
    condition = read_condition(f"stage: [{', '.join(f'stage{number}' for number in range(500))}]")
    findings = check(condition, Words(stages=known))
    lines = told(findings)
    assert (len(findings), len(lines), lines[-1]) == (500, MOST_TOLD + 1, "and 490 more")
    assert all("did you mean 'stage_" in line for line in lines[:-1])
    assert len(looked_through) == MOST_TOLD


def test_findings_that_are_few_are_told_without_a_count() -> None:
    findings = [Finding(f"stages[{index}]", "nobody comes here") for index in range(MOST_TOLD)]
    assert told(findings) == [f"stages[{index}]: nobody comes here" for index in range(MOST_TOLD)]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("did: {event: order_completed, where: [{gift: {at_least: 3}}]}", "did.where[0].gift"),
        ("did: {event: order_completed, where: [{total: a lot}]}", "did.where[0].total"),
        ("did: {event: order_completed, where: [{gift: 1}]}", "did.where[0].gift"),
        ("did: {event: order_completed, where: [{total: {from: 2026-01-01}}]}", "did.where[0].total"),
        ("did: {event: order_completed, sum: {of: gift}}", "did.sum.of"),
        ("did: {event: order_completed, per: cart, within: 7d}", "did.per"),
        ("did: {event: order_completed, each: total}", "did.each"),
        ("trait: {points: {anniversary: {days_before: 1}}}", "trait.points"),
        ("tag: {price_level: 3}", "tag.price_level"),
        ("any: [{stage: new}, {trait: {birthday: {contains: x}}}]", None),
    ],
)
def test_a_test_that_a_type_can_never_pass_is_an_error_at_its_path(text: str, path: str | None) -> None:
    ((severity, where, _),) = found(text)
    assert (severity, where) == ("error", path or "any[1].trait.birthday")


def test_a_bound_on_a_text_is_a_warning_because_texts_may_write_numbers() -> None:
    ((severity, path, message),) = found("did: {event: order_completed, where: [{channel: {at_least: 3}}]}")
    assert (severity, path) == ("warning", "did.where[0].channel")
    assert "writes a number" in message
