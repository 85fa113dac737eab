"""What became of the rows that were collected: counts, and what to do about the rest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from portrait.profile.v1 import collector_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape

from libs.cli.rows import Row
from libs.cli.tables import table
from libs.cli.texts import lasting, many

MOST_ROWS_NAMED = 5


@dataclass(slots=True)
class Tally:
    """Counts of outcomes; `examples` has the first row of each reason of quarantine, `too_large` rows never sent."""

    recorded: int = 0
    duplicates: int = 0
    differing: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    too_large: list[int] = field(default_factory=list)
    skipped: int = 0
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """Rows that the service answered for."""
        return self.recorded + self.duplicates + self.quarantined.total()

    def add(self, rows: Sequence[Row], results: Sequence[pb.CollectResult]) -> None:
        """Count what became of some rows."""
        for row, result in zip(rows, results, strict=True):
            match result.outcome:
                case pb.OUTCOME_RECORDED:
                    self.recorded += 1
                case pb.OUTCOME_DUPLICATE:
                    self.duplicates += 1
                    self.differing += result.content_differs
                case _:
                    why = result.rejection
                    self.quarantined[why.reason] += 1
                    place = f"{why.field}: " if why.field else ""
                    self.examples.setdefault(why.reason, f"row {row.number}: {place}{why.message}")

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "recorded": self.recorded,
            "duplicates": self.duplicates,
            "duplicates_that_differ": self.differing,
            "quarantined": dict(self.quarantined.most_common()),
            "too_large": self.too_large,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.answered / self.seconds) if self.seconds else None,
        }

    def as_table(self, title: str, import_id: str) -> RenderableType:
        """For people."""
        shown = table("outcome", ">rows", "", title=title)
        shown.add_row("[green]recorded[/]", f"{self.recorded:,}", self._pace())
        if self.duplicates:
            differing = f"{self.differing:,} with other content; the first one stands" if self.differing else ""
            shown.add_row("duplicate", f"{self.duplicates:,}", differing)
        for reason, count in self.quarantined.most_common():
            shown.add_row(f"[yellow]quarantined[/] {reason}", f"{count:,}", escape(self.examples[reason]))
        if self.too_large:
            named = ", ".join(map(str, self.too_large[:MOST_ROWS_NAMED]))
            more = " …" if len(self.too_large) > MOST_ROWS_NAMED else ""
            shown.add_row("[red]too large to send[/]", f"{len(self.too_large):,}", f"row {named}{more}")
        if self.skipped:
            shown.add_row("[dim]collected before[/]", f"{self.skipped:,}", "[dim]--from-start sends them again[/]")
        return Group(shown, *self._what_next(import_id))

    def _pace(self) -> str:
        if not self.seconds or not self.answered:
            return ""
        return f"[dim]{many(self.answered, 'row')} in {lasting(self.seconds)}, {self.answered / self.seconds:,.0f}/s[/]"

    def _what_next(self, import_id: str) -> list[str]:
        hints = []
        if self.quarantined:
            hints.append("[dim]mend:     [/][bold]portrait quarantine list[/]")
        if self.recorded and import_id:
            hints.append(f"[dim]take back:[/] [bold]portrait retract --import-id {escape(import_id)}[/]")
        return hints
