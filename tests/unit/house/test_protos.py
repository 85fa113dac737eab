"""The protos turn into Python without a network, and a change that breaks old clients is refused."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import portrait
import pytest

ROOT = Path(__file__).parents[3]
# Inside a git hook git would otherwise mean the repository that is being committed to.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
FORBID_NETWORK = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        raise RuntimeError("the network was asked for")

sys.addaudithook(refuse)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository that has the protos and nothing generated from them, on its main branch."""
    clone = tmp_path / "clone"
    (clone / "protos").mkdir(parents=True)
    shutil.copytree(ROOT / "protos/portrait", clone / "protos/portrait")
    for name in ("generate.py", "buf.yaml"):
        shutil.copy(ROOT / "protos" / name, clone / "protos" / name)
    git(clone, "init", "--quiet", "--initial-branch=main")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message=protos")
    return clone


def test_a_clean_clone_generates_what_is_committed_without_a_network(clone: Path, tmp_path: Path) -> None:
    # pitfall 29: no wheel ships the .proto files that ours import
    (tmp_path / "sitecustomize.py").write_text(FORBID_NETWORK)
    made = run(clone, "generate", PYTHONPATH=str(tmp_path))
    assert made.returncode == 0, made.stderr
    assert contents(clone / "protos/gen") == contents(ROOT / "protos/gen")
    assert sorted(path.name for path in (clone / "protos").iterdir()) == ["buf.yaml", "gen", "generate.py", "portrait"]


def test_buf_finds_every_element_named_and_commented(clone: Path) -> None:
    linted = run(clone, "lint", HTTPS_PROXY="http://127.0.0.1:9")
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_a_proto_without_a_comment_is_refused(clone: Path) -> None:
    event = clone / "protos/portrait/log/v1/event.proto"
    event.write_text(event.read_text() + "\nmessage Unexplained {}\n")
    linted = run(clone, "lint")
    assert linted.returncode != 0
    assert "Unexplained" in linted.stdout


def test_a_changed_field_type_breaks_old_clients(clone: Path) -> None:
    assert run(clone, "breaking").returncode == 0
    proto = clone / "protos/portrait/profile/v1/collector_service.proto"
    text = proto.read_text()
    assert "uint64 retracted" in text
    proto.write_text(text.replace("uint64 retracted", "string retracted"))
    checked = run(clone, "breaking")
    assert checked.returncode != 0
    assert "retracted" in checked.stdout


def test_a_first_proto_breaks_nobody(clone: Path) -> None:
    git(clone, "branch", "--move", "work")
    assert run(clone, "breaking").returncode == 0


def test_a_stale_generated_file_is_drift(clone: Path) -> None:
    assert run(clone, "generate").returncode == 0
    assert run(clone, "drift").returncode == 0
    stale = clone / "protos/gen/portrait/log/v1/event_pb2.py"
    stale.write_text(stale.read_text() + "\n")
    checked = run(clone, "drift")
    assert checked.returncode != 0
    assert "event_pb2.py" in checked.stderr


def test_every_generated_module_imports() -> None:
    modules = [module.name for module in pkgutil.walk_packages(portrait.__path__, "portrait.")]
    assert len(modules) == len({importlib.import_module(name) for name in modules})


def run(clone: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, clone / "protos/generate.py", command],
        cwd=clone,
        env=ENVIRONMENT | environment,
        check=False,
        capture_output=True,
        text=True,
    )


def git(clone: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=clone, env=ENVIRONMENT, check=True)


def contents(folder: Path) -> dict[str, bytes]:
    """Read every source file below a folder, by its path there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.py*") if file.suffix != ".pyc"}
