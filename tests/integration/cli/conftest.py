"""One stack for all tests here, started and stopped by the command itself."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from libs.cli.__main__ import main

NUMBERS = count(1)
# A test run in the background passes on that Ctrl-C means nothing.
LAUNCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from libs.cli.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed."""

    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON documents, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document."""
        (document,) = self.lines
        return document


Portrait = Callable[..., Said]


@pytest.fixture(scope="package")
def stack(server_folder: Path) -> Iterator[Path]:
    """The data folder of a running stack."""
    data = server_folder / "cli"
    assert main(["up", "--data", str(data), "--ports", "free"]) == 0
    yield data
    assert main(["down", "--data", str(data)]) == 0


@pytest.fixture
def portrait(stack: Path, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """Runs a command on the stack; `status` is the exit status that it must end with."""

    def run(*arguments: str, status: int = 0) -> Said:
        capsys.readouterr()
        ended = main([*arguments, "--data", str(stack)])
        captured = capsys.readouterr()
        assert ended == status, captured.err
        return Said(captured.out, captured.err)

    return run


@pytest.fixture
def started(stack: Path) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Starts a command as a process of its own."""

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *arguments, "--data", str(stack)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture
def member() -> str:
    """A member number that nobody else has."""
    return f"cli-{next(NUMBERS)}-9f2"


def ordered(member: str, total: float = 10, at: str = "2026-03-01T10:00:00+08:00", **rest: Any) -> dict[str, Any]:
    """An order of a member."""
    return {
        "type": "track",
        "event": "order_completed",
        "occurred_at": at,
        "source": "shop",
        "identifiers": {"member_no": member},
        "properties": {"total": total, "currency": "CNY"},
        **rest,
    }


def ndjson(path: Path, *documents: Mapping[str, Any] | bytes) -> str:
    """A file of documents, some of which may be no JSON; its path."""
    lines = [one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode() for one in documents]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)
