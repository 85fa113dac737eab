"""Names of definitions: unique in a tenant, in tables and on the log; and as conditions refer to them.

    tag         vip             tag:vip
    segment     segment:vip     segment:vip
    score       score:vip       score:vip
    lifecycle   stage           stage
    tiers       tier            tier

In a plan, the parts of a definition are named by its reference and what follows a slash: `tag:vip/0`.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from libs.conditions.said import Said, nearest
from libs.runtime.clock import SECOND, Micros

DAY: Final[Micros] = 86_400 * SECOND

Kind = Literal["tag", "segment", "score", "lifecycle", "tiers"]

STAGE: Final = "stage"
TIER: Final = "tier"
EVERYONE: Final = "segment:everyone"
"""The segment of all of whom anything is known."""

_SINGLE: Final[Mapping[str, Kind]] = {STAGE: "lifecycle", TIER: "tiers"}
_PREFIXED: Final[Mapping[str, Kind]] = {"segment": "segment", "score": "score"}
_TAG: Final = "tag:"
_SCORE: Final = "score:"
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def kind_of(name: str) -> Kind:
    """What a definition of that name is."""
    prefix, colon, _ = name.partition(":")
    return _PREFIXED[prefix] if colon else _SINGLE.get(name, "tag")


def key_of(name: str) -> str:
    """The key that a document gave it; of what has none, the name."""
    return name.rpartition(":")[2]


def reference_of(name: str) -> str:
    """How conditions refer to a definition."""
    return name if ":" in name or name in _SINGLE else f"{_TAG}{name}"


def name_of(planned: str) -> str:
    """The name of the definition that a reference, or a name in a plan, is about."""
    return planned.partition("/")[0].removeprefix(_TAG)


def document_name(name: str) -> str:
    """The name of the definition in whose document one stands: a score's stands in that of its tag."""
    return name.removeprefix(_SCORE)


def label_of(name: str) -> str:
    """What people call it: "tag vip", "the tiers"."""
    kind = kind_of(name)
    return f"the {kind}" if name in _SINGLE else f"{kind} {key_of(name)}"


def read_key(said: Said) -> str:
    """The key of a tag or a segment; raises `InvalidArgument` for what can be none."""
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
