"""How collecting goes, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, NamedTuple, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from libs.cli.calling import console
from libs.cli.sending import Watcher
from libs.cli.texts import lasting, many

LINE_EVERY: Final = 5.0  # seconds
SAME_EVERY: Final = 5.0  # seconds between two complaints


class Pace:
    """Rows and how fast they go; `size` and `read` are in the source's unit."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.rows = 0
        self.read = 0
        self._started = monotonic()

    def advance(self, rows: int, read: int) -> None:
        """Count rows."""
        self.rows += rows
        self.read = max(self.read, read)

    @property
    def a_second(self) -> float:
        """Rows a second so far."""
        return self.rows / max(monotonic() - self._started, 1e-3)

    def __str__(self) -> str:
        said = f"{many(self.rows, 'row')}, {self.a_second:,.0f}/s"
        if not self.size or not self.read:
            return said
        left = (monotonic() - self._started) * (self.size - self.read) / self.read
        return f"{said}, {self.read / self.size:.0%}, {lasting(max(left, 0.0))} left"


class Bar:
    """A progress bar with rate and ETA."""

    def __init__(self, progress: Progress, task: TaskID, pace: Pace) -> None:
        self._progress = progress
        self._task = task
        self._pace = pace
        self._complains_at = 0.0

    def advance(self, rows: int, read: int) -> None:
        """Move the bar."""
        self._pace.advance(rows, read)
        self._progress.update(
            self._task, completed=self._pace.read, rows=f"{self._pace.rows:,}", rate=f"{self._pace.a_second:,.0f}"
        )

    def waiting(self, why: str, seconds: float) -> None:
        """Say above the bar why it stands still."""
        if monotonic() >= self._complains_at:
            self._complains_at = monotonic() + SAME_EVERY
            self._progress.console.print(f"[yellow]waiting:[/] {escape(why)}; sent again in {seconds:.1f} s")


class Lines:
    """A line every few seconds."""

    def __init__(self, shown: Console, name: str, pace: Pace) -> None:
        self._console = shown
        self._name = name
        self._pace = pace
        self._due = monotonic() + LINE_EVERY
        self._complains_at = 0.0

    def advance(self, rows: int, read: int) -> None:
        """Print a line if one is due."""
        self._pace.advance(rows, read)
        if monotonic() >= self._due:
            self._due = monotonic() + LINE_EVERY
            self._console.print(f"{escape(self._name)}: {self._pace}")

    def waiting(self, why: str, seconds: float) -> None:
        """Say why nothing moves."""
        if monotonic() >= self._complains_at:
            self._complains_at = monotonic() + SAME_EVERY
            self._console.print(f"{escape(self._name)}: waiting: {escape(why)}; sent again in {seconds:.1f} s")


class Stage(NamedTuple):
    """How far something is that goes on elsewhere; `said` is what there is to say besides."""

    name: str
    done: int
    whole: int
    said: str


class Stages(Protocol):
    """Shows the stages of something, one after another."""

    def show(self, stage: Stage) -> None:
        """Show the stage as it is now."""
        ...


class _StageBars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, stage: Stage) -> None:
        if stage.name not in self._tasks:
            for task in self._tasks.values():
                self._progress.remove_task(task)
            self._tasks = {stage.name: self._progress.add_task(stage.name, said="")}
        self._progress.update(
            self._tasks[stage.name], completed=stage.done, total=max(stage.whole, 1), said=escape(stage.said)
        )


class _StageLines:
    def __init__(self, shown: Console) -> None:
        self._console = shown
        self._due = monotonic()

    def show(self, stage: Stage) -> None:
        if monotonic() >= self._due:
            self._due = monotonic() + LINE_EVERY
            share = f"{stage.done / stage.whole:.0%}" if stage.whole else ""
            self._console.print(" ".join(f"{stage.name} {share} {escape(stage.said)}".split()))


@contextmanager
def stages() -> Iterator[Stages]:
    """Show on stderr how something goes elsewhere while the block runs."""
    shown = console(sys.stderr)
    if not shown.is_terminal:
        yield _StageLines(shown)
        return
    bar, percentage = BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f}%")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), bar, percentage, TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=shown, transient=True) as progress:
        yield _StageBars(progress)


@contextmanager
def watching(name: str, size: int | None) -> Iterator[Watcher]:
    """Show how it goes while the block runs."""
    shown, pace = console(sys.stderr), Pace(size)
    if not shown.is_terminal:
        yield Lines(shown, name, pace)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rows]} rows  {task.fields[rate]}/s"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=shown, transient=True) as progress:
        yield Bar(progress, progress.add_task(escape(name), total=size, rows="0", rate="–"), pace)
