"""What every Linker promises."""

import math
import random
from importlib.util import find_spec

import pytest

from services.identity.linking.linker import Linker
from services.identity.linking.plain import PlainLinker
from services.identity.linking.splink_linker import SplinkLinker
from services.identity.linking.suggesting import ACCEPTABLE_FROM, suggest
from tests.support.neighbours import again, person, town

SPLINK = pytest.mark.skipif(find_spec("splink") is None, reason="the extra [linking] is not installed")


@pytest.fixture(params=["plain", pytest.param("splink", marks=SPLINK)])
def linker(request: pytest.FixtureRequest) -> Linker:
    return PlainLinker() if request.param == "plain" else SplinkLinker()


def test_who_comes_twice_is_suggested_first_and_without_a_warning(linker: Linker) -> None:
    people = town()
    suggested = suggest(linker, [*people, again(people[0], "twice", emails=())])
    assert (suggested[0].one, suggested[0].other) == (person("h0m0"), person("twice"))
    assert suggested[0].score >= ACCEPTABLE_FROM
    assert suggested[0].warnings == ()


def test_nobody_of_a_town_in_which_nobody_comes_twice_is_acceptable_without_a_warning(linker: Linker) -> None:
    assert [one for one in suggest(linker, town()) if one.score >= ACCEPTABLE_FROM and not one.warnings] == []


def test_a_pair_is_compared_once_the_smaller_id_first(linker: Linker) -> None:
    pairs = [(one.one, one.other) for one in linker.compare(town())]
    assert pairs
    assert len(set(pairs)) == len(pairs)
    assert all(one < other for one, other in pairs)


def test_the_order_of_people_says_nothing(linker: Linker) -> None:
    people = town(12)
    shuffled = random.Random(1).sample(people, len(people))
    assert sorted(linker.compare(people), key=repr) == sorted(linker.compare(shuffled), key=repr)


def test_weights_are_numbers_and_what_is_unknown_of_either_has_none(linker: Linker) -> None:
    people = town()
    half = again(people[0], "half", birthday="", emails=())
    for compared in linker.compare([*people, half]):
        assert all(math.isfinite(finding.weight) for finding in compared.findings)
        if person("half") in {compared.one, compared.other}:
            assert compared.grade("birthday") == compared.grade("e-mail") == "unknown"


@pytest.mark.parametrize("people", [[], town(1)[:1]], ids=["nobody", "one person"])
def test_too_few_to_compare_are_no_error(linker: Linker, people: list) -> None:  # type: ignore[type-arg]
    assert list(linker.compare(people)) == []
