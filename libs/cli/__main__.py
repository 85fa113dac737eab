"""The entry of the `portrait` command: whatever goes wrong is one line on stderr and an exit status."""

import os
import sys
from collections.abc import Sequence

TRACEBACK = "PORTRAIT_TRACEBACK"  # set, an error shows where it comes from
INTERRUPTED = 130  # what shells answer for a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and answer its exit status."""
    try:
        # Here, because importing takes long enough to be interrupted.
        from libs.cli.application import application  # noqa: PLC0415

        status: int | None = application()(arguments, prog_name="portrait", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # behind the terminal's ^C
        return INTERRUPTED
    except BrokenPipeError:  # `portrait log read 3 | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit complains
        return 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _told(error)
    return status or 0


def _told(error: Exception) -> int:
    from libs.cli.errors import explained  # noqa: PLC0415  as above

    line, status = explained(error)
    sys.stderr.write(f"portrait: {line}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
