"""Where the demo plays, and how it tells."""

from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from examples.grocery.books import Books
from examples.grocery.shop import Shop
from libs.devstack.stack import Stack


@dataclass(frozen=True, slots=True)
class Scene:
    """A stack, the shop that calls it, its books, and whoever looks on."""

    console: Console
    shop: Shop
    stack: Stack
    books: Books

    def chapter(self, title: str, sentence: str) -> None:
        """Begin a chapter."""
        self.console.print()
        self.console.rule(f"[bold]{title}[/]", align="left", style="cyan")
        self.console.print(sentence, style="dim")
        self.console.print()

    def done(self, sentence: str) -> None:
        """Say what was found to be as expected."""
        self.console.print(f"[green]✓[/] {escape(sentence)}")
