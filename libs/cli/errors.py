"""What goes wrong at the command line, as one line for people.

CommandFailed
├── BadInput     an argument or a file is not what it must be; exit status 2, as for a wrong option
└── NotThere     what a command needs does not exist or does not run
"""
# errors are named for what is wrong

import grpc
import typer

from libs.devstack.errors import DevstackError
from libs.rpc.client import ErrorDetails, details_of
from libs.runtime.tenants import TenantsInvalid

MOST_VIOLATIONS = 3


class CommandFailed(Exception):
    """A command can't do what it was asked; its text is the one line that is shown."""

    status = 1


class BadInput(CommandFailed):
    """An argument or a file can't be understood; `where` is the file, path or option at fault."""

    status = 2

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where


class NotThere(CommandFailed):
    """What the command needs is not there."""


def explained(error: BaseException) -> tuple[str, int]:
    """One line about an error and the exit status; an error that nobody has thought of is a bug and says so."""
    match error:
        case CommandFailed():
            return str(error), error.status
        case typer.Abort():
            return "nothing was done", 1
        case typer.TyperException():
            return _usage(error), error.exit_code
        case grpc.aio.AioRpcError():
            return refusal(details_of(error)), 1
        case DevstackError() | TenantsInvalid() | OSError():
            return str(error), 1
        case _:
            return f"this is a bug: {type(error).__name__}: {error}", 70


def refusal(details: ErrorDetails) -> str:
    """What a service said, in one line: the sentence, the fields at fault, and the name of the reason."""
    if details.code == "UNAVAILABLE" and not details.reason:
        return "the service does not answer"  # gRPC's own words tell of sockets
    sentence = " ".join(details.message.split()) or "the call failed"
    told = [" ".join(f"{field}: {problem}".split()) for field, problem in details.violations.items() if field]
    told = [one for one in told if one.removesuffix("…") not in sentence]  # which is cut later than a problem is
    more = f" ({'; '.join(told[:MOST_VIOLATIONS])})" if told else ""
    return f"{sentence}{more} [{details.reason or details.code}]"


def _usage(error: typer.TyperException) -> str:
    sentence = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{sentence} (see {context.command_path} --help)" if context else sentence
