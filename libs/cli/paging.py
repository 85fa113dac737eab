"""Reading answers that come in pages."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import grpc

from libs.cli.calling import Calling

LARGEST_PAGE = 1_000

Q = TypeVar("Q", bound=Any)  # messages with `page_size` and `page_token`; the stubs know no such type
A = TypeVar("A", bound=Any)
Entry = TypeVar("Entry")


async def listed(
    calling: Calling,
    method: grpc.aio.UnaryUnaryMultiCallable[Q, A],
    request: Q,
    entries: Callable[[A], Iterable[Entry]],
    limit: int,
) -> tuple[list[Entry], A]:
    """The first `limit` entries, however many pages that takes, and the last page itself."""
    found: list[Entry] = []
    while True:
        request.page_size = min(limit - len(found), LARGEST_PAGE)
        page = await calling.ask(method, request)
        found += entries(page)
        request.page_token = page.next_page_token
        if not request.page_token or len(found) >= limit:
            return found[:limit], page
