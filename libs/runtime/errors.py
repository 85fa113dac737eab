"""Everything that can be wrong with a request or with the world, as facts.

    PortraitError
    ├── InvalidArgument        the request can't be meant so; never repeat it as it is
    │   └── TooLarge           ... because it exceeds a limit, which it names
    ├── NotFound
    ├── AlreadyExists
    ├── EtagMismatch           someone else changed it meanwhile: read again, then decide
    ├── FailedPrecondition     right request, wrong state of the system
    ├── Unauthenticated
    ├── PermissionDenied
    ├── QueueFull              repeat later
    ├── Unavailable            repeat later
    │   └── ShuttingDown       ... elsewhere
    └── DeadlineExceeded       the caller's time is over; what was done may stand

`reason` names the error on the wire and never changes; `retryable` says that the very same request may be repeated.
"""
# errors are named for what is wrong, as gRPC's codes are; that they are errors shows where raised

from typing import ClassVar


class PortraitError(Exception):
    """Something that went wrong for a known reason.

    `reason` is in UPPER_SNAKE; the facts of an error are its attributes, and its text is one sentence for people.
    """

    reason: str = "UNKNOWN"
    retryable: ClassVar[bool] = False

    @property
    def facts(self) -> dict[str, str]:
        """The error's attributes as text, for whoever handles it by program."""
        told_elsewhere = ("reason", "message", "field")
        return {name: str(value) for name, value in vars(self).items() if name not in told_elsewhere}


class InvalidArgument(PortraitError):
    """A field holds what it can't; `field` is its path as in the proto, empty for the request as a whole."""

    def __init__(self, field: str, message: str, reason: str = "INVALID_ARGUMENT") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message
        self.reason = reason


class TooLarge(InvalidArgument):
    """Something exceeds its limit; `size` and `limit` are in the unit that `what` speaks of."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__("", f"{what} is {size:,}, more than the limit of {limit:,}", "TOO_LARGE")
        self.what = what
        self.size = size
        self.limit = limit


class NotFound(PortraitError):
    """There is no such resource, or the caller may not see it."""

    reason = "NOT_FOUND"

    def __init__(self, resource: str, name: str, like: str = "") -> None:
        super().__init__(f"{resource} {name!r} does not exist" + (f", did you mean {like!r}?" if like else ""))
        self.resource = resource
        self.name = name


class AlreadyExists(PortraitError):
    """The name is taken."""

    reason = "ALREADY_EXISTS"

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"{resource} {name!r} exists already")
        self.resource = resource
        self.name = name


class EtagMismatch(PortraitError):
    """The resource was changed since the caller read it."""

    reason = "ETAG_MISMATCH"

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(f"etag {expected!r} was expected but {actual!r} stands: read again, then decide")
        self.expected = expected
        self.actual = actual


class FailedPrecondition(PortraitError):
    """The system is not in the state that the request needs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unauthenticated(PortraitError):
    """Nobody knows who is calling."""

    reason = "UNAUTHENTICATED"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class PermissionDenied(PortraitError):
    """The caller is known and may not do this."""

    reason = "PERMISSION_DENIED"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class QueueFull(PortraitError):
    """More is waiting than the service is willing to hold; repeat with back-off."""

    reason = "QUEUE_FULL"
    retryable = True

    def __init__(self, limit: int, what: str = "are waiting") -> None:
        super().__init__(f"{limit:,} {what}, which is the limit: try again shortly")
        self.limit = limit


class Unavailable(PortraitError):
    """Something that the service needs can't be reached; repeat with back-off."""

    retryable = True

    def __init__(self, dependency: str, message: str) -> None:
        super().__init__(f"{dependency} is unavailable: {message}")
        self.dependency = dependency
        self.message = message
        self.reason = f"{dependency.upper()}_UNAVAILABLE"


class ShuttingDown(Unavailable):
    """This replica is about to end; another one answers."""

    def __init__(self) -> None:
        super().__init__("service", "it is shutting down")
        self.reason = "SHUTTING_DOWN"


class DeadlineExceeded(PortraitError):
    """The caller's deadline passed before the work was done."""

    reason = "DEADLINE_EXCEEDED"

    def __init__(self) -> None:
        super().__init__("the deadline passed before the answer was ready")
