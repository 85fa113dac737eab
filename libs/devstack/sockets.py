"""A short folder below the system's temporary one, ours alone, for Unix sockets (their paths end at 107 bytes)."""

import os
import stat
import tempfile
from hashlib import blake2b
from pathlib import Path

from libs.devstack.errors import UnsafeFolder

LONGEST_PARENT = 60  # bytes, leaving room for our names and `.s.PGSQL.65535`


def socket_folder(data: Path, *, shared: bool) -> Path:
    """Where the sockets of `data` belong: the same at every start, so that a crash leaves no growing litter.

    `shared` is for another account that has to pass through it (not list it).
    """
    digest = blake2b(bytes(data), digest_size=6).hexdigest()
    return _parent(shared=shared) / f"portrait-{os.geteuid()}-{digest}"


def claim(folder: Path, *, shared: bool) -> None:
    """Make the folder, or make sure that it is ours. Errors: UnsafeFolder when it is somebody else's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # In a folder where everybody may write, the name could have been taken by somebody who waits for our sockets.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise UnsafeFolder(folder)
    folder.chmod(0o711 if shared else 0o700)


def _parent(*, shared: bool) -> Path:
    candidate = Path(tempfile.gettempdir()).resolve()
    passable = all(folder.stat().st_mode & stat.S_IXOTH for folder in (candidate, *candidate.parents))
    return candidate if len(bytes(candidate)) <= LONGEST_PARENT and (passable or not shared) else Path("/tmp")  # noqa: S108 - checked by the caller
