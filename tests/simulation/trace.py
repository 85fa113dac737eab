"""What a world says while it is watched, and its silence otherwise."""

import gc
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from logging import CRITICAL
from typing import Any

import structlog

from tests.simulation.scenario import WORKING, Scenario
from tests.simulation.world import Parts


@contextmanager
def silence() -> Iterator[None]:
    """Keep log lines from being made, and garbage from being looked for where there is none: for many worlds."""
    gc.freeze()  # else every collection would look through all that the test run has ever loaded
    try:
        with _logging(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL)):
            yield
    finally:
        gc.unfreeze()


def watched(seed: int, parts: Parts = WORKING) -> tuple[list[str], Exception | None]:
    """Run one seed; its trace (virtual time, process, what was done), and what was wrong in the end."""
    told: list[str] = []
    scenario = Scenario(seed, parts, told=told)

    def tell(_: Any, level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event = line.pop("event")
        facts = " ".join(f"{name}={value}" for name, value in line.items() if name != "exc_info")
        scenario.world.network.tell(f"  {level}: {event} {facts}")
        raise structlog.DropEvent

    with _logging(wrapper_class=structlog.BoundLogger, processors=[tell]):
        try:
            scenario.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs at the end of the trace
            return told, error
    return told, None


@contextmanager
def _logging(**settings: Any) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(**settings)
    try:
        yield
    finally:
        structlog.configure(**before)
