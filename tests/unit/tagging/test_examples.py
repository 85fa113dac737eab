"""Examples in the document of a definition."""

from typing import Any

import pytest

from services.tagging.domain.trial import run_examples
from tests.unit.tagging.test_definition import read, refused

ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago")


def example(**more: Any) -> dict[str, Any]:
    return {"name": "x", "expect": None, **more}


@pytest.mark.parametrize(
    "time", ["9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01", "0001-01-01T00:00:00+14:00", "2201-01-01"]
)
def test_a_time_near_the_ends_of_the_calendar_is_refused_at_its_path(time: str) -> None:
    for path, said in (
        ("tests[0].now", example(now=time)),
        ("tests[0].events[0].at", example(events=[{"event": "product_viewed", "at": time}])),
    ):
        error = refused(tests=[said])
        assert (error.field, error.message) == (path, "must be between the years 1900 and 2200")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", ["1900-01-01", "2200-12-31T23:59:59+14:00"])
def test_an_example_of_the_first_and_of_the_last_year_is_run_in_every_zone(time: str, zone: str) -> None:
    seen = {"event": "product_viewed", "ago": "400d"}
    asked = {"all": [{"did": {"event": "product_viewed"}}, {"did_not": {"event": "product_viewed", "within": "399d"}}]}
    run_examples(read(when=asked, tests=[example(now=time, events=[seen], expect=True)]), zone)
