"""A group compared with everyone by what is in an index, held to plain counts."""

from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from libs.conditions.comparisons import Scalar
from services.tagging.domain.characteristics import Characteristic, characteristic_of
from services.tagging.membership.index import Index
from services.tagging.membership.portrait import GroupPart, portray
from services.tagging.membership.terms import Told
from tests.support.crowds import person
from tests.support.definitions import read_tag
from tests.unit.tagging.test_definition import VIEWED, document

FLAG, CITY, SPENT = (
    Characteristic("tag:vip", {}, "flag"),
    Characteristic("tag:city", {}, "choice"),
    Characteristic("tag:spent", {}, "numbers"),
)
Held = list[Mapping[str, Scalar]]


def parts(people: Held, group: set[int], partitions: int = 3) -> list[GroupPart]:
    found = []
    for partition in range(partitions):
        mine = list(range(partition, len(people), partitions))
        index = Index()
        index.apply([Told(1, person(one), "segment:everyone", True, None) for one in mine], {})
        told = [Told(2, person(one), name, value, None) for one in mine for name, value in people[one].items()]
        index.apply(told, {})
        chosen = BitMap(place for place, one in enumerate(mine) if one in group)
        found.append(GroupPart(index.excerpt(["tag:vip", "tag:city", "tag:spent"]), BitMap(range(len(mine))), chosen))
    return found


@given(st.integers(0, 2**32))
def test_a_portrait_over_all_partitions_counts_everybody_once(seed: int) -> None:
    chance = Random(seed)
    people: Held = [
        {
            name: value
            for name, value in (
                ("tag:vip", True),
                ("tag:city", chance.choice(["上海", "北京", "杭州"])),
                ("tag:spent", chance.choice([0, 3, 4.5, 19.9, -2])),
            )
            if chance.random() < 0.7
        }
        for _ in range(chance.randrange(1, 60))
    ]
    group = {one for one in range(len(people)) if chance.random() < 0.4} | {0}
    found = portray(parts(people, group), [FLAG, CITY, SPENT], 20)
    assert (found.sizes.group, found.sizes.everyone) == (len(group), len(people))
    vip, city, spent = (one.distribution for one in found.portrayed)
    holding = [one for one, mine in enumerate(people) if "tag:vip" in mine]
    assert (vip.rows[0].compared.group, vip.rows[0].compared.everyone) == (len(group & {*holding}), len(holding))
    for row in city.rows:
        held = {one for one, mine in enumerate(people) if mine.get("tag:city") == row.value}
        assert (row.compared.group, row.compared.everyone) == (len(group & held), len(held))
    numbers = sorted(round(float(people[one]["tag:spent"]) * 10_000) for one in group if "tag:spent" in people[one])
    assert spent.known.group == len(numbers)
    if numbers:
        assert spent.spread is not None
        assert spent.spread.quartiles[1] == numbers[-(-len(numbers) // 2) - 1]


def test_of_a_text_with_too_many_values_only_who_has_one_is_told() -> None:
    people: Held = [{"tag:city": f"c{one}"} for one in range(1_000)]
    (found,) = portray(parts(people, set(range(10))), [CITY], 20).portrayed
    assert found.too_many
    assert found.distribution.rows[0].compared.group == 10


ORDER = {"did": {"event": "order_completed", "per": "$hour", "within": "90d"}}


@pytest.mark.parametrize(
    ("said", "kind", "order", "of_known"),
    [
        ({}, "flag", 0, False),
        ({"value": "enum", "when": None, "ladder": [{"value": "hot", "when": VIEWED}]}, "ordered", 1, False),
        ({"value": "text", "source": "ranking", "when": ORDER}, "hours", 24, True),
        ({"value": "text", "source": "trait", "trait": "city", "when": None}, "choice", 0, True),
        ({"value": "enum", "options": ["a", "b"], "source": "trait", "trait": "age", "when": None}, "ordered", 2, True),
        ({"value": "number", "source": "trait", "trait": "points", "when": None}, "numbers", 0, True),
        ({"value": "enum", "options": ["a", "b"], "source": "set_by_hand", "when": None}, "choice", 0, True),
    ],
)
def test_what_a_definition_says_tells_how_its_values_are_compared(
    said: dict[str, object], kind: str, order: int, of_known: bool
) -> None:
    found = characteristic_of("looks_around", read_tag(document(**said), 1))
    assert (found.reference, found.kind, len(found.order), found.of_known) == (
        "tag:looks_around",
        kind,
        order,
        of_known,
    )
