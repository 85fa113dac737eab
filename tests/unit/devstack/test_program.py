import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from libs.devstack.errors import StartFailed
from libs.devstack.program import Command, Program, described, run_to_end


def python(source: str) -> Command:
    return Command((sys.executable, "-c", source))


async def at_once() -> bool:
    return True


async def never() -> bool:
    return False


async def test_an_end_nobody_asked_for_is_told_with_its_status(tmp_path: Path) -> None:
    program = Program("brief", tmp_path / "log")
    await program.start(python("import time; time.sleep(0.2); raise SystemExit(3)"), at_once, within=5)
    assert await program.died() == 3
    assert program.pid is None


async def test_an_end_that_was_asked_for_is_not_told(tmp_path: Path) -> None:
    program = Program("patient", tmp_path / "log")
    await program.start(python("import time; time.sleep(60)"), at_once, within=5)
    await program.stop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await program.died()


async def test_a_program_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    source = f"""
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(deaf)!r}).touch()
time.sleep(60)"""

    async def is_deaf() -> bool:
        return deaf.exists()

    program = Program("deaf", tmp_path / "log")
    await program.start(python(source), is_deaf, within=5)
    pid = program.pid
    assert pid is not None
    await program.stop(grace=0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_start_that_takes_too_long_or_ends_leaves_nothing(tmp_path: Path) -> None:
    program = Program("slow", tmp_path / "log")
    with pytest.raises(StartFailed, match=r"slow was not ready within 0.3 s"):
        await program.start(python("import time; time.sleep(60)"), never, within=0.3)
    with pytest.raises(StartFailed, match=r"slow ended with status 2; its log ends with:\n(.|\n)*no such luck"):
        await program.start(python("import sys; print('no such luck'); sys.exit(2)"), never, within=5)
    assert program.pid is None


async def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.devstack.program.LOG_LIMIT", 10)
    for word in ("a rather long first line", "second"):
        await run_to_end("word", python(f"print({word!r})"), tmp_path / "word.log", within=5)
    assert (tmp_path / "word.old.log").read_text() == "a rather long first line\n"
    assert (tmp_path / "word.log").read_text() == "second\n"


async def test_a_program_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="No such file or directory"):
        await run_to_end("ghost", Command(("/nowhere/ghost",)), tmp_path / "log", within=5)


def test_a_status_is_described_as_people_say_it() -> None:
    assert described(1) == "ended with status 1"
    assert described(-signal.SIGKILL) == "was ended by SIGKILL"
