"""A transaction of the memory adapters: what was written in it can be undone, and what follows from it waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Act = Callable[[], object]


@dataclass(eq=False, slots=True)
class MemoryTransaction:
    """Collects what is to be done when the transaction commits, and what undoes it.

    A write that others may see only after the commit (an event of a log) is made at the commit; one that the
    transaction itself must read again is made at once, and undone.
    """

    _at_commit: list[Act] = field(default_factory=list, init=False)
    _undo: list[Act] = field(default_factory=list, init=False)

    def at_commit(self, act: Act) -> None:
        """Do something when the transaction commits, and never if it does not."""
        self._at_commit.append(act)

    def undo_by(self, act: Act) -> None:
        """Undo a write that was just made by this, should the transaction fail."""
        self._undo.append(act)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that is undone alone if it raises."""
        to_do, to_undo = len(self._at_commit), len(self._undo)
        try:
            yield
        except BaseException:
            del self._at_commit[to_do:]
            while len(self._undo) > to_undo:
                self._undo.pop()()
            raise

    @contextmanager
    def committing(self) -> Iterator["MemoryTransaction"]:
        """Commit at the end of the block, all at once, or undo everything if it raises."""
        with self.savepoint():
            yield self
        for act in self._at_commit:
            act()
