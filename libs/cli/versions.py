"""Definitions of any kind as a table: what they all have, and beside it what only that kind has."""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from portrait.tagging.v1 import tag_pb2 as tags
from rich.markup import escape
from rich.table import Table

from libs.cli.plain import word
from libs.cli.tables import table
from libs.cli.texts import moment

_STATES: Final = tags.DefinitionState.DESCRIPTOR


def versions(several: Sequence[Any], zone: tzinfo, kind: str, more: Mapping[str, Callable[[Any], str]]) -> Table:
    """Definitions of one kind, one a line; `more` says by its heading what a column holds."""
    shown = table(kind, "title", *more, ">version", "state", "=published")
    for one in several:
        title = " · ".join(one.titles[language] for language in sorted(one.titles, reverse=True))
        own = (escape(say(one)) for say in more.values())
        state, published = word(_STATES, one.state), moment(one.published_at, zone)
        shown.add_row(one.key, escape(title), *own, f"{one.version}", state, published)
    return shown
