"""Every error that any part of Portrait defines reaches callers with a code, a reason and its facts."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from google.rpc import code_pb2, error_details_pb2

import libs
import services
from libs.rpc.errors import status_of
from libs.runtime.errors import PortraitError


def kinds() -> list[type[PortraitError]]:
    for package in (libs, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Importing a migration or an entry point would run it.
            if not {"__main__", "migrations"} & set(module.name.split(".")):
                import_module(module.name)
    return list(below(PortraitError))


def below(kind: type[PortraitError]) -> Iterator[type[PortraitError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def made(kind: type[PortraitError]) -> PortraitError:
    sample = {str: "SOME_TEXT", int: 7}
    return kind(*(sample[one.annotation] for one in inspect.signature(kind).parameters.values()))


@pytest.mark.parametrize("kind", kinds())
def test_every_error_has_a_code_a_reason_and_its_facts(kind: type[PortraitError]) -> None:
    error = made(kind)
    status = status_of(error)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.code not in {code_pb2.OK, code_pb2.UNKNOWN, code_pb2.INTERNAL}
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("portrait", info.reason.upper())
    assert dict(info.metadata) == error.facts
    assert any(detail.Unpack(retry) for detail in status.details) == kind.retryable
