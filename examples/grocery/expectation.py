"""What the demo promises, and what it says when a promise is not kept."""

from libs.cli.errors import CommandFailed


class Unexpected(CommandFailed):
    """Something is not as the demo says it is."""

    def __init__(self, what: str, found: object, expected: object) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}")
        self.found = found
        self.expected = expected


def expect(what: str, found: object, expected: object) -> None:
    """Raise `Unexpected` unless both are the same."""
    if found != expected:
        raise Unexpected(what, found, expected)
