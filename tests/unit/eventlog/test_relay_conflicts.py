import pytest
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import APIError, BadRequestError, NotFoundError

from libs.eventlog.stream import is_conflict, is_stream_missing, partition_in, position_of, stream_name, subject_of


@pytest.mark.parametrize("code", [10071, 10164])
def test_both_codes_of_a_wrong_last_sequence_are_the_same_conflict(code: int) -> None:
    # pitfall 11
    assert is_conflict(BadRequestError(code=400, err_code=code))


@pytest.mark.parametrize("error", [APIError(code=503, err_code=10077), NatsTimeout(), NotFoundError(err_code=10037)])
def test_nothing_else_is_a_conflict(error: Exception) -> None:
    assert not is_conflict(error)


def test_a_missing_stream_is_told_from_a_missing_message() -> None:
    assert is_stream_missing(NotFoundError(code=404, err_code=10059))
    assert not is_stream_missing(NotFoundError(code=404, err_code=10037))


def test_a_subject_names_its_partition() -> None:
    assert stream_name("interactions") == "PORTRAIT_INTERACTIONS"
    assert partition_in(subject_of("interactions", 12)) == 12


@pytest.mark.parametrize("headers", [None, {}, {"Portrait-Last-Position": ""}, {"Portrait-Last-Position": "-3"}])
def test_a_message_that_no_relay_wrote_has_position_zero(headers: dict[str, str] | None) -> None:
    assert position_of(headers) == 0
