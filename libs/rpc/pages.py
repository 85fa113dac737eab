"""Page tokens: opaque, and good only for the question that they continue."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Annotated, Any, Final, TypeVar

import msgspec
from google.protobuf.message import Message

from libs.runtime.errors import InvalidArgument

Cursor = TypeVar("Cursor")

Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""An id within a cursor, which is checked, because anybody can write a token."""

BigInt = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A number within a cursor, of those that a column can hold."""

SmallInt = Annotated[int, msgspec.Meta(ge=-(2**15), le=2**15 - 1)]
"""The same of a small column, such as that of a partition."""

Text = Annotated[str, msgspec.Meta(pattern=r"^[^\0]*\Z")]
"""A text within a cursor, of those that a column can hold: all without NUL."""

_DIGEST_BYTES: Final = 8
_INVALID: Final = "is not a token of this request: ask for the first page, without one"


def next_page(request: Message, cursor: Any) -> str:
    """The token that continues behind `cursor`, such as a frozen dataclass.

    `request` is the one being answered; all of it but `page_token` and `page_size` must be the same next time.
    """
    packed = msgspec.msgpack.encode(cursor)
    return urlsafe_b64encode(_digest(request, packed) + packed).decode().rstrip("=")


def page_cursor(request: Message, kind: type[Cursor]) -> Cursor | None:
    """Where the request's `page_token` continues; None on the first page.

    Raises `InvalidArgument` if the token is garbage or of a request with other filters.
    """
    token: str = getattr(request, "page_token")  # noqa: B009  # Message has no such field, those given here do
    if not token:
        return None
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if digest == _digest(request, packed):
            return msgspec.msgpack.decode(packed, type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidArgument("page_token", _INVALID) from error
    raise InvalidArgument("page_token", _INVALID)


def _digest(request: Message, packed: bytes) -> bytes:
    filters = type(request)()
    filters.CopyFrom(request)
    for paging in ("page_token", "page_size"):
        filters.ClearField(paging)
    question = request.DESCRIPTOR.full_name.encode() + b"\0" + filters.SerializeToString(deterministic=True)
    return blake2b(packed + b"\0" + question, digest_size=_DIGEST_BYTES).digest()
