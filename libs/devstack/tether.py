"""Runs a program whose life is tied to its starter's: `tether.py PARENT SIGNAL [UID:GID] PROGRAM ARGUMENT…`.

It drops privileges, asks the kernel for SIGNAL when the starting thread ends (so nothing survives even `kill -9` of
a supervisor) and becomes the program, under the same process id. A `preexec_fn` would save this file, but it runs
Python between fork and exec, where a lock held by one of gRPC's threads hangs the child for ever.
Only the standard library: it runs isolated, outside the project's import path.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: str, death_signal: str, account: str, *program: str) -> None:
    """Become `program`; `account` is `uid:gid` or empty."""
    os.setsid()  # else Ctrl-C reaches every program at once and PostgreSQL is gone before its clients
    if account:
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid: a change of user clears the death signal.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != int(parent):  # the starter died before the kernel was asked
            sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - becoming another program, without a shell, is the purpose


if __name__ == "__main__":
    main(*sys.argv[1:])
