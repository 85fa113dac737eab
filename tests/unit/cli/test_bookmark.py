from pathlib import Path

import pytest

from libs.cli.bookmark import Bookmark, place_of
from libs.cli.errors import BadInput


def test_a_bookmark_is_found_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "place.json"
    bookmark = Bookmark(path, "hash", "events.ndjson")
    assert bookmark.rows == 0
    bookmark.reach(500)
    bookmark.reach(1_000)
    bookmark.save()

    assert Bookmark(path, "hash", "events.ndjson").rows == 1_000


def test_a_bookmark_of_other_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "place.json"
    bookmark = Bookmark(path, "hash", "monday.ndjson")
    bookmark.reach(5)
    with pytest.raises(BadInput, match=r"is the place in monday.ndjson, which has other content than tuesday.ndjson"):
        Bookmark(path, "other", "tuesday.ndjson")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"source": 1}'])
def test_a_file_that_is_no_bookmark_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "place.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="is not a file in which"):
        Bookmark(path, "hash", "events.ndjson")


def test_each_tenant_address_and_source_has_a_place_of_its_own(tmp_path: Path) -> None:
    places = {place_of(tmp_path, *identity) for identity in (("demo", "", "a"), ("demo", "", "b"), ("other", "", "a"))}
    assert len(places) == 3
