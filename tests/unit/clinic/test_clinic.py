"""The clinic is invented, the same every time, and its tags find what drives its customers without being told."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from examples.clinic.conversion import CURRENCY, TENANT, ZONE, count, interactions
from examples.clinic.people import Visitor, visitors
from examples.tags.__main__ import held
from examples.tags.documents import definitions
from examples.tags.interactions import read
from libs.runtime.tenants import Tenants
from tests.support.taken_in import filed_under

ROOT = Path(__file__).parents[3]
CLINIC = Tenants.demo().get(TENANT)


@pytest.fixture(scope="module")
def holding() -> dict[str, set[str]]:
    """By tag, who has it at the end of the year."""
    events = (read(document, "member_no") for document in interactions())
    found = held(definitions(TENANT), events, ZONE.key)
    return {tag: {person for person, value in people.items() if value is not None} for tag, people in found.items()}


def driven(by: Callable[[Visitor], bool]) -> set[str]:
    return {visitor.member_no for visitor in visitors() if by(visitor)}


DRIVES = {
    "frequent_skincare": lambda one: one.likes_care,
    "price_sensitive": lambda one: one.counts_money,
    "values_doctor_reputation": lambda one: one.trusts_names,
    "dry_skin": lambda one: one.skin == "dry",
}


@pytest.mark.parametrize("tag", DRIVES)
def test_whoever_has_a_tag_is_driven_by_what_it_names(holding: dict[str, set[str]], tag: str) -> None:
    tagged, truly = holding[tag], driven(DRIVES[tag])
    assert len(tagged & truly) >= 0.95 * len(tagged)
    assert len(tagged & truly) >= 0.5 * len(truly)


def test_every_tag_is_somebody_s(holding: dict[str, set[str]]) -> None:
    assert {tag for tag, people in holding.items() if not people} == set()


def test_what_drives_somebody_is_never_sent() -> None:
    assert not any(word in document for document in interactions(50) for word in (b"likes", b"counts", b"trusts"))


def test_another_process_invents_the_same_people() -> None:
    script = "from examples.clinic.conversion import interactions; print(*interactions(3), sep='\\n')"
    other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert other.stdout.splitlines() == [str(one) for one in interactions(3)]


def test_the_first_people_are_the_same_as_in_the_whole_and_nothing_comes_twice() -> None:
    few, all_of_it = list(interactions(5)), list(interactions())
    assert len(few) == count(5)
    assert set(few) < set(all_of_it)
    assert len({msgspec.json.decode(one)["message_id"] for one in all_of_it}) == len(all_of_it)
    times = [msgspec.json.decode(one)["occurred_at"] for one in all_of_it]
    assert times == sorted(times)


def test_the_clinic_accepts_everything_and_files_it_under_the_member() -> None:
    assert filed_under(CLINIC, interactions(100)).keys() == {"member_no"}


def test_it_is_the_zone_and_the_currency_of_the_tenant() -> None:
    assert (ZONE.key, CURRENCY) == (CLINIC.zone, CLINIC.currency)
