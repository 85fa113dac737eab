import os
from pathlib import Path

import pytest

from libs.devstack.errors import AlreadyRunning
from libs.devstack.folder import DataFolder, Running, StackState, opened

STATE = StackState(os.getpid(), ready=True, parts=(Running("nats", "serving", 7, 0, "nats://127.0.0.1:1", "nats.log"),))


async def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.owner() is None
    async with folder.held():
        assert folder.owner() == os.getpid()
        with pytest.raises(AlreadyRunning, match="stop that one first"):
            async with DataFolder(tmp_path).held():
                pytest.fail("held twice")
    assert folder.owner() is None


async def test_what_is_written_is_read_as_long_as_the_owner_holds_the_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    async with folder.held():
        folder.write(STATE)
        assert DataFolder(tmp_path).read() == STATE
    assert folder.read() is None


def test_a_state_left_by_a_killed_owner_is_nobodys(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.write(STATE)
    assert folder.read() is None


async def test_a_temporary_folder_is_gone_afterwards() -> None:
    async with opened(None) as folder:
        assert folder.path.is_dir()
    assert not folder.path.exists()
