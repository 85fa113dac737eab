"""Who runs PostgreSQL, which refuses to run as root."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.errors import NoAccount

UNPRIVILEGED = ("nobody", "daemon")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group of this machine."""

    uid: int
    gid: int


def account_for(cluster: Path) -> Account | None:
    """The account that PostgreSQL runs as: None, ourselves, unless we are root.

    For root it is the owner of the data, else an existing unprivileged user. Errors: NoAccount.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise NoAccount(UNPRIVILEGED)
