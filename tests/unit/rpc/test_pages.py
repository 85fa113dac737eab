from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portrait.ops.v1.projections_service_pb2 import ListDeadLettersRequest

from libs.rpc.pages import BigInt, Id, SmallInt, Text, next_page, page_cursor
from libs.runtime.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Place:
    number: int
    key: bytes
    name: str


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PLACES = st.builds(Place, st.integers(-(2**63), 2**63 - 1), st.binary(), st.text())


@given(PLACES, st.text(), st.integers(0, 1000))
def test_a_token_continues_where_the_page_ended(cursor: Place, projection: str, page_size: int) -> None:
    token = next_page(ListDeadLettersRequest(projection=projection), cursor)
    following = ListDeadLettersRequest(projection=projection, page_token=token, page_size=page_size)
    assert page_cursor(following, Place) == cursor


def test_the_first_page_has_no_cursor() -> None:
    assert page_cursor(ListDeadLettersRequest(), Place) is None


def test_a_token_of_other_filters_is_refused() -> None:
    token = next_page(ListDeadLettersRequest(projection="portraits"), Place(1, b"", ""))
    with pytest.raises(InvalidArgument) as caught:
        page_cursor(ListDeadLettersRequest(projection="others", page_token=token), Place)
    assert caught.value.field == "page_token"


@given(st.text(min_size=1))
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument):
        page_cursor(ListDeadLettersRequest(page_token=token), Place)


@given(st.data())
def test_a_token_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    token = next_page(ListDeadLettersRequest(), Place(1, b"key", "name"))
    at = data.draw(st.integers(0, len(token) - 2))
    letter = data.draw(st.sampled_from([one for one in "AZaz09-_" if one != token[at]]))
    with pytest.raises(InvalidArgument):
        page_cursor(ListDeadLettersRequest(page_token=token[:at] + letter + token[at + 1 :]), Place)


class Columns(NamedTuple):
    big: BigInt
    small: SmallInt
    text: Text
    id: Id


@given(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1), st.integers(-(2**15), 2**15 - 1), TEXTS, st.binary(min_size=16, max_size=16)
    )
)
def test_a_token_takes_what_columns_take(cursor: tuple[int, int, str, bytes]) -> None:
    token = next_page(ListDeadLettersRequest(), cursor)
    assert page_cursor(ListDeadLettersRequest(page_token=token), Columns) == cursor


@pytest.mark.parametrize(
    "cursor",
    [
        (2**63, 0, "", bytes(16)),
        (0, 2**15, "", bytes(16)),
        (0, -(2**15) - 1, "", bytes(16)),
        (0, 0, "a\nb\0c", bytes(16)),
        (0, 0, "\0\n", bytes(16)),
        (0, 0, "", b"ab"),
        (0, 0, "", bytes(17)),
        (0, 0, ""),
        (0, 0, "", bytes(16), 0),
    ],
)
def test_a_forged_token_that_no_column_takes_is_refused(cursor: tuple[object, ...]) -> None:
    token = next_page(ListDeadLettersRequest(), cursor)
    with pytest.raises(InvalidArgument):
        page_cursor(ListDeadLettersRequest(page_token=token), Columns)
