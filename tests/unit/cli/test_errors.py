from pathlib import Path

import pytest

from libs.cli.errors import BadInput, CommandFailed, explained, refusal
from libs.devstack.errors import AlreadyRunning
from libs.rpc.client import ErrorDetails


def test_a_refusal_is_the_sentence_and_the_name_of_the_reason() -> None:
    details = ErrorDetails("NOT_FOUND", "person 'x' does not exist", reason="NOT_FOUND")
    assert refusal(details) == "person 'x' does not exist [NOT_FOUND]"


def test_fields_at_fault_are_told_unless_the_sentence_does() -> None:
    told = ErrorDetails("INVALID_ARGUMENT", "a.b: is empty", "INVALID_ARGUMENT", violations={"a.b": "is empty"})
    untold = ErrorDetails("INVALID_ARGUMENT", "2 problems", "INVALID_ARGUMENT", violations={"a": "x", "b": "y"})
    assert refusal(told) == "a.b: is empty [INVALID_ARGUMENT]"
    assert refusal(untold) == "2 problems (a: x; b: y) [INVALID_ARGUMENT]"


def test_a_field_that_is_cut_or_broken_into_lines_is_not_told_twice() -> None:
    problem = "is not known here,\n  nor anywhere " + "x" * 300
    told = ErrorDetails(
        "INVALID_ARGUMENT",
        f"document: {problem}",
        "INVALID_ARGUMENT",
        violations={"document": problem[:199] + "…"},
    )
    assert refusal(told).count("document") == 1


def test_what_grpc_says_of_sockets_is_not_repeated() -> None:
    details = ErrorDetails("UNAVAILABLE", "failed to connect to all addresses; last error: …")
    assert refusal(details) == "the service does not answer"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("--set", "is odd"), 2),
        (CommandFailed("gave up"), 1),
        (AlreadyRunning(Path("data"), 7), 1),
        (PermissionError(13, "Permission denied", "events.ndjson"), 1),
        (KeyError("x"), 70),
    ],
)
def test_every_error_is_one_line_with_a_status(error: Exception, status: int) -> None:
    line, told = explained(error)
    assert told == status
    assert line
    assert "\n" not in line


def test_an_error_that_nobody_has_thought_of_says_that_it_is_a_bug() -> None:
    line, _ = explained(KeyError("x"))
    assert line == "this is a bug: KeyError: 'x'"
