"""Segments: who meets a condition, or stands in a list, live; and everyone."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Final

import msgspec

from libs.conditions.said import Said
from libs.conditions.tree import AnyOf, Condition
from services.tagging.domain.asked import Asked
from services.tagging.domain.definition import Definition
from services.tagging.domain.examples import read_example
from services.tagging.domain.fields import condition, titles
from services.tagging.domain.ladder import Laddered, Rung
from services.tagging.domain.names import EVERYONE, read_key
from services.tagging.domain.verdict import Verdict

_NEEDED: Final = ("segment", "title", "owner", "description")


class SegmentDefinition(Laddered, frozen=True, kw_only=True):
    """One version of a segment: who meets its condition, or with `is_list`, who was put into it."""

    key: str
    is_list: bool = False

    @property
    def name(self) -> str:
        """See `Definition`."""
        return f"segment:{self.key}"


class Everyone(msgspec.Struct, frozen=True):
    """All of whom anything is known: the universe that counts are held against. It stands beside any segment."""

    name: ClassVar[str] = EVERYONE
    version: ClassVar[int] = 1
    titles: ClassVar[Mapping[str, str]] = MappingProxyType({"en": "Everyone", "zh": "所有人"})
    owner: ClassVar[str] = ""
    options: ClassVar[tuple[str, ...]] = ()
    tells_all: ClassVar[bool] = True

    def conditions(self) -> dict[str, Condition]:
        """See `Definition`."""
        return {}

    def everything(self) -> Condition:
        """See `Definition`."""
        return AnyOf(())

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """See `Definition`."""
        return iter(())

    def differences(self, former: Definition) -> Iterator[str]:
        """See `Definition`."""
        return iter(())

    def verdict(self, asked: Asked) -> Verdict:
        """See `Definition`."""
        return Verdict(True if asked.known else None)


def read_segment(said: Said) -> SegmentDefinition:
    """The segment that a document says, as version 1; raises `InvalidArgument` with the path inside of it."""
    fields = said.fields(*_NEEDED, "when", "list", "tests", needs=_NEEDED)
    is_list = "list" in fields and fields["list"].flag()
    if is_list == ("when" in fields):
        said.fail("needs when, or list: true, and not both")
    return SegmentDefinition(
        key=read_key(fields["segment"]),
        version=1,
        titles=titles(fields["title"]),
        owner=fields["owner"].text(),
        description=fields["description"].text(),
        is_list=is_list,
        rungs=() if is_list else (Rung(True, condition(fields["when"])),),
        examples=tuple(read_example(one, "flag") for one in fields["tests"].items()) if "tests" in fields else (),
    )
