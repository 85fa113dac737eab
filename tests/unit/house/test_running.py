"""`make test` tries what waits a second time, alone, and nothing that fails can pass for good."""

from pathlib import Path

import pytest

from tests.__main__ import FEW, waiting

FAILS_ONCE = """
from pathlib import Path

def test_it():
    been = Path(__file__).with_suffix(".been")
    first = not been.exists()
    been.touch()
    assert not first
"""


def test_what_fails_beside_others_passes_if_it_does_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_once.py").write_text(FAILS_ONCE)
    (tmp_path / "test_good.py").write_text("def test_it(): pass")
    assert waiting([str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "failed beside others, not alone:" in said
    assert "test_once.py::test_it" in said


def test_what_fails_again_has_failed(tmp_path: Path) -> None:
    (tmp_path / "test_bad.py").write_text("def test_it(): raise ValueError")
    (tmp_path / "test_good.py").write_text("def test_it(): pass")
    assert waiting([str(tmp_path)]) == pytest.ExitCode.TESTS_FAILED


def test_many_that_fail_have_one_try(tmp_path: Path) -> None:
    for number in range(FEW + 1):
        (tmp_path / f"test_once_{number}.py").write_text(FAILS_ONCE)
    assert waiting([str(tmp_path)]) == pytest.ExitCode.TESTS_FAILED


def test_a_file_that_cannot_be_read_has_failed(tmp_path: Path) -> None:
    (tmp_path / "test_bad.py").write_text("import nothing_of_that_name")
    assert waiting([str(tmp_path)]) != 0
