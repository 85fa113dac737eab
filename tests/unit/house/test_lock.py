"""Whoever sets the house up installs exactly what was tested, from whichever index they use."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCKS = [ROOT / "requirements.lock", ROOT / "k8s/requirements.lock", ROOT / "tests/quality/requirements.lock"]
REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._\[\]-]+)==(?P<version>\S+)", re.ASCII)
ADDRESS = re.compile(r"https?://|--(extra-)?index-url|--find-links|--trusted-host")
TEXTS = ["Makefile", "pyproject.toml", ".pre-commit-config.yaml", ".ci/run", "k8s/Dockerfile", *map(str, LOCKS)]


def pins(lock: Path) -> dict[str, set[str]]:
    """The hashes of each requirement; a marker that splits one name keeps both versions apart."""
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if match := REQUIREMENT.match(line):
            hashes = found.setdefault(match[0], set())
        elif line.strip().startswith("--hash="):
            hashes.add(line.strip(" \\"))
        else:
            assert not line.strip() or line.lstrip().startswith("#"), f"neither a pin, a hash nor a comment: {line}"
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_requirement_is_pinned_by_hash(lock: Path) -> None:
    pinned = pins(lock)
    assert pinned
    assert [name for name, hashes in pinned.items() if not hashes] == []


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: Path(text).name)
def test_no_file_names_a_package_index(text: str) -> None:
    lines = (ROOT / text).read_text().splitlines()
    assert [line for line in lines if ADDRESS.search(line)] == []


def test_the_image_installs_a_part_of_what_is_tested() -> None:
    whole, part = {**pins(LOCKS[2]), **pins(LOCKS[0])}, pins(LOCKS[1])  # the extra is tested by `make quality`
    assert {name: hashes for name, hashes in part.items() if whole.get(name) != hashes} == {}
