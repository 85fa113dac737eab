"""Every kind of definition, and how each is read from the document that people write."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from libs.conditions.said import Said
from libs.runtime.strict_yaml import read_yaml
from services.tagging.domain.definition import Definition
from services.tagging.domain.lifecycle import read_lifecycle
from services.tagging.domain.names import Kind, kind_of
from services.tagging.domain.published import Published
from services.tagging.domain.score_definition import ScoreDefinition, read_score_of
from services.tagging.domain.segment import read_segment
from services.tagging.domain.tag import read_tag
from services.tagging.domain.tiers import read_tiers

Reader = Callable[[Said], tuple[Definition, ...]]

SHORT: Final = 8_192
"""Characters of a document of which thousands are kept as read; what is read takes some ten times as much memory."""


def _read_tag(said: Said) -> tuple[Definition, ...]:
    tag = read_tag(said)
    return (tag, *read_score_of(said, tag))


_READERS: Final[Mapping[str, Reader]] = {
    "tag": _read_tag,
    "segment": lambda said: (read_segment(said),),
    "lifecycle": lambda said: (read_lifecycle(said),),
    "tiers": lambda said: (read_tiers(said),),
}
"""By the kind, which is also the field that says that a document is of it."""


def read_definitions(document: str, version: int, meant: Kind | None = None) -> tuple[Definition, ...]:
    """What a YAML document defines, as the version given: first what it is named for, then what stands in it beside.

    Raises `InvalidArgument` with the path inside the document, or with the line where it is not YAML, and where it is
    not of the kind that is meant; `TooLarge`. What was read lately is the same objects again.
    """
    # With an anchor (&), a document may say much more than it is long.
    numbered = _numbered_short if len(document) <= SHORT and "&" not in document else _numbered_long
    return numbered(document, version, meant)


def definitions_in(published: Published) -> tuple[Definition, ...]:
    """What a version defines as it was published; see `read_definitions`."""
    return read_definitions(published.document, published.version, kind_of(published.name))


def _numbered(document: str, version: int, meant: Kind | None) -> tuple[Definition, ...]:
    return tuple(_as_version(one, version) for one in _read(document, meant))


@lru_cache(8)  # those that are being published: the next version's number is known only once the name has been read
def _read(document: str, meant: Kind | None) -> tuple[Definition, ...]:
    said = Said(read_yaml(document))
    kinds = [kind for kind in _READERS if kind in said.entries()]
    if len(kinds) > 1 or not (kinds or meant):
        said.fail(f"must have exactly one of the fields {', '.join(_READERS)}, which says what it defines")
    if kinds and meant not in {None, kinds[0]}:
        said.entries()[kinds[0]].fail(f"makes it a document of the kind {kinds[0]}, and one of {meant} is asked for")
    return _READERS[kinds[0] if kinds else str(meant)](said)


def _as_version(one: Definition, version: int) -> Definition:
    if isinstance(one, ScoreDefinition):
        return dataclasses.replace(one, version=version)
    assert isinstance(one, msgspec.Struct)
    return msgspec.structs.replace(one, version=version)


_numbered_short: Final = lru_cache(2_048)(_numbered)
_numbered_long: Final = lru_cache(64)(_numbered)
