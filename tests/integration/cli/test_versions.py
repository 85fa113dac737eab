"""`portrait projection`: a version made, compared, switched to, and dropped."""

from pathlib import Path

from tests.integration.cli.conftest import Portrait, ndjson, ordered


def test_a_version_is_made_compared_switched_to_and_dropped(portrait: Portrait, member: str, tmp_path: Path) -> None:
    portrait("collect", ndjson(tmp_path / "orders.ndjson", *(ordered(member, n) for n in range(1, 4))))
    said = portrait("projection", "rebuild", "--yes")
    assert "version 2 says of" in said.out
    assert "what version 1 says" in said.out
    assert "building" in said.err or "comparing" in said.err or said.err == ""
    difference = portrait("projection", "diff", "-o", "json").document
    assert (difference["differing"], difference["hash_before"]) == (0, difference["hash_after"])
    assert difference["keys"] == difference["rebuild"]["keys_compared"] > 0
    versions = portrait("projection", "list", "-o", "json").lines[0]["versions"]
    assert [(one["version"], one["state"]) for one in versions] == [(1, "active"), (2, "ready")]
    assert "v1, v2 ready" in portrait("projection", "list").out
    assert portrait("projection", "rebuild", "--yes", status=1).err.startswith(
        "portrait: version 2 is kept to switch to"
    )
    assert "version 2 is read, before it was 1" in portrait("projection", "switch", "--to", "2", "--yes").out
    assert portrait("profile", "show", f"member_no:{member}", "-o", "json").document["interactions"] == 3
    assert "says of" in portrait("projection", "diff", "--again").out
    portrait("projection", "switch", "--to", "1", "--yes")
    assert "dropped version 2" in portrait("projection", "retire", "--version", "2", "--yes").out
    assert "does not exist" in portrait("projection", "switch", "--to", "2", "--yes", status=1).err


def test_a_rebuild_left_alone_is_found_again_or_given_up(portrait: Portrait) -> None:
    started = portrait("projection", "rebuild", "--yes", "--detach", "-o", "json").document
    assert (
        portrait("projection", "rebuild", "--follow", "-o", "json").document["rebuild"]["version"] == started["version"]
    )
    version = str(started["version"])
    assert portrait("projection", "cancel", "--yes", status=1).err.startswith(
        f"portrait: the rebuild of version {version} is done"
    )
    portrait("projection", "retire", "--version", version, "--yes")


def test_nobody_is_asked_where_nobody_can_answer(portrait: Portrait) -> None:
    for command in (("rebuild",), ("switch", "--to", "2"), ("cancel",), ("retire", "--version", "2")):
        assert portrait("projection", *command, status=2).err.startswith("portrait: --yes: is needed")
