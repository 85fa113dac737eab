"""Names in the documents of definitions."""

import re
from typing import Final

from libs.conditions.said import Said, nearest
from libs.runtime.clock import SECOND, Micros

DAY: Final[Micros] = 86_400 * SECOND

_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def read_key(said: Said) -> str:
    """The key of a tag; raises `InvalidArgument` for what can be none."""
    key = said.text()
    if not _KEY.fullmatch(key):
        said.fail("must be a key of a-z, 0-9 and _, beginning with a letter, of at most 64 characters")
    return key


def one_of(said: Said, known: tuple[str, ...]) -> str:
    """One of the words that are known; raises `InvalidArgument` with the nearest one."""
    word = said.text()
    if word not in known:
        like = nearest(word, known)
        meant = f", did you mean {like!r}" if like else ""
        said.fail(f"is not known{meant}; there are {', '.join(known)}")
    return word
