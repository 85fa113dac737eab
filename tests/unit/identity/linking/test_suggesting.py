from collections.abc import Iterator, Sequence

import pytest

from services.identity.linking.candidate import Candidate
from services.identity.linking.linker import Compared, Finding
from services.identity.linking.suggesting import Suggestion, one_to_one, suggest
from services.identity.linking.weighing import Scale, scale_of, weigh
from tests.support.neighbours import again, person

NAME, LAST, HOME = ("first name", 8.0), ("last name", 10.0), ("address", 12.0)
ERIC = Candidate(person("eric"), first_name="eric", last_name="lee", street="main street", street_number="1")


class Fixed:
    """Answers what it was told."""

    def __init__(self, *compared: Compared) -> None:
        self._compared = compared

    def compare(self, people: Sequence[Candidate]) -> Iterator[Compared]:
        known = {one.person for one in people}
        return (one for one in self._compared if {one.one, one.other} <= known)


def compared(one: Candidate, other: Candidate, *findings: Finding) -> Compared:
    low, high = sorted((one.person, other.person))
    return Compared(low, high, findings)


def same(*subjects: tuple[str, float]) -> tuple[Finding, ...]:
    return tuple(Finding(subject, "same", weight) for subject, weight in subjects)  # type: ignore[arg-type]  # named


def only(people: Sequence[Candidate], *pairs: Compared) -> Suggestion:
    (found,) = suggest(Fixed(*pairs), people)
    return found


def test_the_arguments_add_up_to_the_score() -> None:
    twin = again(ERIC, "twin")
    found = only([ERIC, twin], compared(ERIC, twin, *same(NAME, LAST, HOME)))
    bits = sum(argument.weight for argument in found.arguments)
    assert found.score == pytest.approx(1 / (1 + 2**-bits))
    assert [abs(one.weight) for one in found.arguments] == sorted(
        (abs(one.weight) for one in found.arguments), reverse=True
    )
    assert {one.subject for one in found.arguments} == {"first name", "last name", "address", "chance", "household"}


def test_however_much_a_home_says_it_singles_out_nobody() -> None:
    family = compared(ERIC, again(ERIC, "x"), *same(LAST, HOME, ("phone", 20.0), ("postcode", 9.0)))
    assert weigh(family, Scale(1_000)).score == pytest.approx(0.25)


def test_a_home_says_more_where_nobody_shares_it_with_others() -> None:
    alike = [compared(ERIC, again(ERIC, f"{n}"), *same(NAME, LAST, HOME)) for n in range(1_000)]
    other = Finding("first name", "different", -5.0)
    apart = [compared(ERIC, again(ERIC, f"{n}"), other, *same(LAST, HOME)) for n in range(1_000)]
    assert scale_of([], 9).one_at_home == pytest.approx(0.25)
    assert scale_of(alike, 9).one_at_home == pytest.approx(0.98)
    assert scale_of(apart, 9).one_at_home == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("changes", "finding", "told"),
    [
        ({"first_name": "erin"}, Finding("first name", "near", 9.0), "first names differ (eric, erin)"),
        ({"first_name": ""}, Finding("birthday", "same", 20.0), "the first name of one is unknown"),
        ({"birthday": "2015-06-24"}, Finding("birthday", "different", -5.0), "their birthday differs"),
        ({"middle_name": "k"}, Finding("middle name", "different", -5.0), "their middle name differs"),
    ],
)
def test_two_of_one_home_who_differ_in_person_come_with_a_warning(
    changes: dict[str, str], finding: Finding, told: str
) -> None:
    other = again(ERIC, "other", **changes)
    rest = same(LAST, HOME, ("document number", 20.0)) + (same(NAME) if "first_name" not in changes else ())
    found = only([ERIC, other], compared(ERIC, other, finding, *rest))
    assert len(found.warnings) == 1
    assert told in found.warnings[0]
    assert "share address and last name" in found.warnings[0]


def test_one_address_and_another_last_name_come_with_a_warning() -> None:
    other = again(ERIC, "other", last_name="wright")
    found = only([ERIC, other], compared(ERIC, other, Finding("last name", "different", -4.0), *same(NAME, HOME, NAME)))
    assert found.warnings == ("they share address, and last names differ (lee, wright): may be two of a household",)


def test_who_fits_father_and_son_of_one_name_comes_with_a_warning() -> None:
    father, son, form = ERIC, again(ERIC, "son"), again(ERIC, "form")
    alike = same(NAME, LAST, HOME, NAME)
    two = compared(father, son, Finding("birthday", "different", -9.0), *alike)
    found = suggest(Fixed(two, compared(father, form, *alike), compared(son, form, *alike)), [father, son, form])
    assert all(
        any("as well" in warning for warning in one.warnings) for one in found if form.person in {one.one, one.other}
    )


def test_three_records_of_one_person_are_no_rivals() -> None:
    three = [again(ERIC, name) for name in "abc"]
    a, b, c = three
    alike = same(NAME, LAST, HOME, NAME)
    found = suggest(Fixed(compared(a, b, *alike), compared(b, c, *alike), compared(a, c, *alike)), three)
    assert [one.warnings for one in found] == [(), (), ()]


def test_what_is_decided_is_not_suggested() -> None:
    twin = again(ERIC, "twin")
    pair = compared(ERIC, twin, *same(NAME, LAST, HOME, NAME))
    assert suggest(Fixed(pair), [ERIC, twin], lambda one, other: (one, other) == (pair.one, pair.other)) == []


def test_one_to_one_nobody_comes_twice_and_the_likelier_goes_first() -> None:
    first, second, third = (
        Suggestion(one, other, score, ())
        for one, other, score in ((b"a", b"b", 0.9), (b"b", b"c", 0.8), (b"c", b"d", 0.7))
    )
    assert one_to_one([first, second, third]) == [first, third]
