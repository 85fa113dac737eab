"""The one look of tables."""

from typing import Literal

from rich import box
from rich.table import Table


def table(*columns: str, title: str = "") -> Table:
    """An empty table; a column whose name begins with `>` holds numbers, and one with `=` is never broken."""
    made = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title=f"[bold]{title}[/]" if title else None, title_justify="left"
    )
    for name in columns:
        justify: Literal["left", "right"] = "right" if name.startswith(">") else "left"
        made.add_column(name.lstrip(">="), justify=justify, overflow="fold", no_wrap=name.startswith((">", "=")))
    return made
