"""What an interaction is called: one spelling for what producers write in many."""

import re
from functools import lru_cache
from typing import Final

_NAMES: Final = {
    "identify": "identified",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "group": "group_joined",
    "alias": "aliased",
}
_SEPARATORS: Final = re.compile(r"[\s_\-]+")


def name_of(type_: str, event: str) -> str:
    """Name of an interaction of a type: what was tracked in snake_case, or what the type stands for."""
    return _NAMES.get(type_) or snake_case(event)


@lru_cache(maxsize=8192)
def snake_case(name: str) -> str:
    """`Order Completed`, `order-completed` and `ORDER_COMPLETED` are all `order_completed`."""
    return _SEPARATORS.sub("_", name.strip()).lower()
