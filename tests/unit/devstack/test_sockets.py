import os
import tempfile
from pathlib import Path

import pytest

from libs.devstack.errors import UnsafeFolder
from libs.devstack.sockets import claim, socket_folder


def test_the_same_data_have_the_same_folder_and_others_another() -> None:
    assert socket_folder(Path("/data/a"), shared=False) == socket_folder(Path("/data/a"), shared=False)
    assert socket_folder(Path("/data/a"), shared=False) != socket_folder(Path("/data/b"), shared=False)


def test_a_long_temporary_folder_does_not_overflow_the_socket_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    folder = socket_folder(Path("/data"), shared=False)
    assert len(bytes(folder / "s" / ".s.PGSQL.65535.lock")) <= 107


def test_a_private_temporary_folder_is_not_used_for_what_another_account_must_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert not socket_folder(Path("/data"), shared=True).is_relative_to(tmp_path)


def test_a_claimed_folder_is_ours_alone_or_can_only_be_passed_through(tmp_path: Path) -> None:
    claim(tmp_path / "own", shared=False)
    claim(tmp_path / "shared", shared=True)
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o711


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UnsafeFolder):
        claim(tmp_path / "open", shared=False)


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(UnsafeFolder):
        claim(tmp_path / "link", shared=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 65534, 65534)
    with pytest.raises(UnsafeFolder):
        claim(tmp_path / "theirs", shared=False)
