"""What can go wrong while the stack is started on this machine.

DevstackError
├── StartFailed       a program ended or stayed silent instead of becoming ready
├── AlreadyRunning    another process holds the data folder
├── PortTaken         somebody else listens where a program has to
├── NoAccount         root, and no unprivileged user to run PostgreSQL as
├── UnsafeFolder      a folder for sockets belongs to somebody else
└── NotInstalled      a wheel that brings a server is missing
"""

# errors are named for what is wrong; that they are errors shows where they are raised

from pathlib import Path


class DevstackError(Exception):
    """The local stack cannot do what was asked; the message is one clear line (and the end of a log)."""


class StartFailed(DevstackError):
    """A program ended, or was not ready in time."""

    def __init__(self, name: str, reason: str, log_tail: str = "") -> None:
        super().__init__(f"{name} {reason}" + (f"; its log ends with:\n{log_tail}" if log_tail else ""))
        self.name = name
        self.reason = reason
        self.log_tail = log_tail


class AlreadyRunning(DevstackError):
    """The data folder is in use by process `pid`."""

    def __init__(self, data: Path, pid: int) -> None:
        super().__init__(f"{data} is in use by process {pid}; stop that one first (`portrait down`)")
        self.data = data
        self.pid = pid


class PortTaken(DevstackError):
    """The port is in use and did not become free."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(f"port {port} for {name} is in use on 127.0.0.1; stop its owner or ask for free ports")
        self.name = name
        self.port = port


class NoAccount(DevstackError):
    """PostgreSQL refuses to run as root, and this machine knows none of the usual unprivileged users."""

    def __init__(self, tried: tuple[str, ...]) -> None:
        super().__init__(f"PostgreSQL refuses to run as root, and there is no user named {' or '.join(tried)}")
        self.tried = tried


class UnsafeFolder(DevstackError):
    """A folder that must be ours alone is owned or writable by somebody else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} exists but is not ours alone; remove it")
        self.folder = folder


class NotInstalled(DevstackError):
    """The wheel that brings a server is not installed."""

    def __init__(self, wheel: str) -> None:
        super().__init__(f"the wheel {wheel} is not installed")
        self.wheel = wheel
