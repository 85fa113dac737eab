import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.profile.v1.profiles_service_pb2 import ReadAt

from libs.conditions.calendar import Calendar
from libs.rpc.times import EARLIEST_SECONDS, LATEST_SECONDS, micros_in, timestamp
from libs.runtime.clock import SECOND
from libs.runtime.errors import InvalidArgument


@pytest.mark.parametrize("seconds", [EARLIEST_SECONDS, -1, 0, LATEST_SECONDS])
@pytest.mark.parametrize("nanos", [0, 999_999_000])
def test_a_time_is_read_as_it_was_told(seconds: int, nanos: int) -> None:
    micros = seconds * SECOND + nanos // 1000
    assert micros_in(ReadAt(as_of=timestamp(micros)), "as_of") == micros


def test_a_time_that_is_absent_is_none() -> None:
    assert micros_in(ReadAt(), "as_of") is None


@pytest.mark.parametrize("seconds", [EARLIEST_SECONDS - 1, LATEST_SECONDS + 1, -(2**62), 2**62])
def test_a_time_beyond_the_years_that_can_be_counted_is_refused_with_its_field(seconds: int) -> None:
    with pytest.raises(InvalidArgument, match="from 1900-01-01 to 9999-12-30") as refused:
        micros_in(ReadAt(as_of=Timestamp(seconds=seconds)), "as_of", "at.")
    assert refused.value.field == "at.as_of"


@pytest.mark.parametrize("nanos", [-1, 1_000_000_000, 2**31 - 1, -(2**31)])
def test_nanoseconds_that_are_no_part_of_a_second_are_refused(nanos: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        micros_in(ReadAt(known_at=Timestamp(nanos=nanos)), "known_at")
    assert refused.value.field == "known_at.nanos"


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+12", "Pacific/Kiritimati"])
@pytest.mark.parametrize("seconds", [EARLIEST_SECONDS, LATEST_SECONDS])
def test_every_zone_has_a_day_at_the_ends_of_time(zone: str, seconds: int) -> None:
    calendar = Calendar(zone)
    begins = calendar.start_of(calendar.day(seconds * SECOND))
    assert begins <= seconds * SECOND < begins + 86_400 * SECOND
