import pytest

from services.identity.linking.candidate import Candidate, candidate

WHO = bytes(16)


def read(**traits: object) -> Candidate:
    return candidate(WHO, traits)


def test_traits_are_read_by_the_names_that_the_segment_specification_has() -> None:
    found = candidate(
        WHO,
        {
            "firstName": "Anna",
            "lastName": "LEE",
            "birthday": "1990-05-01",
            "gender": "female",
            "address": {"street": "12 Main St.", "postalCode": "94103", "city": "San Francisco"},
            "email": "anna@example.org",
        },
        [("phone", "+14155550100"), ("device_id", "D1")],
    )
    assert found == Candidate(
        WHO,
        first_name="anna",
        last_name="lee",
        birthday="1990-05-01",
        gender="f",
        street_number="12",
        street="main st",
        city="san francisco",
        postcode="94103",
        phones=("+14155550100",),
        emails=("anna@example.org",),
    )


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Anna Lee", ("anna", "", "lee")),
        ("Anna Maria van Lee", ("anna", "maria van", "lee")),
        ("Anna", ("anna", "", "")),
        ("王小明", ("小明", "", "王")),
        ("欧阳娜娜", ("娜娜", "", "欧阳")),
        ("欧阳", ("阳", "", "欧")),
    ],
)
def test_a_whole_name_is_parted(name: str, parts: tuple[str, str, str]) -> None:
    found = read(name=name)
    assert (found.first_name, found.middle_name, found.last_name) == parts


@pytest.mark.parametrize(
    ("said", "birthday"),
    [
        ("1990-05-01", "1990-05-01"),
        ("19900501", "1990-05-01"),
        (19900501, "1990-05-01"),
        ("1990/05/01", "1990-05-01"),
        ("1990-05-01T00:00:00Z", "1990-05-01"),
        ("05/01/1990", ""),
        ("1 May", ""),
        (True, ""),
        (None, ""),
        ({"year": 1990}, ""),
        (float("inf"), ""),
        (float("nan"), ""),
    ],
)
def test_a_birthday_is_read_where_the_year_comes_first(said: object, birthday: str) -> None:
    assert read(birthday=said).birthday == birthday


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("12 Main Street", ("12", "main street")),
        ("Hauptstraße 12a", ("12a", "hauptstrasse")),
        ("12a, Main Street", ("12a", "main street")),
        ("漕溪路12号", ("", "漕溪路12号")),
        ("Main Street", ("", "main street")),
    ],
)
def test_a_house_number_is_found_before_and_behind_the_street(line: str, parts: tuple[str, str]) -> None:
    found = read(address=line)
    assert (found.street_number, found.street) == parts


def test_what_stands_for_nothing_is_unknown() -> None:
    assert read(first_name="null", last_name="N/A", email="{{email}}", city=["x"], postcode=b"1") == Candidate(WHO)


def test_who_has_but_a_name_or_none_can_not_be_compared() -> None:
    assert not read(name="Anna Lee").is_comparable
    assert not read(birthday="1990-05-01").is_comparable
    assert read(name="Anna Lee", birthday="1990-05-01").is_comparable
