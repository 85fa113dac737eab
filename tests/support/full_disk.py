"""A disk that is full for one nats-server, without a file system of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from libs.devstack.nats import NatsServer


@contextmanager
def full_disk(server: NatsServer) -> Iterator[None]:
    """Let every write fail that would make the largest file of a running server's streams longer.

    nats-server takes a file that may not grow as it takes a full disk: the stream takes no message ever again.
    """
    assert server.pid is not None
    process = psutil.Process(server.pid)
    _, most = process.rlimit(psutil.RLIMIT_FSIZE)
    largest = max((file.stat().st_size for file in (server.store / "jetstream").rglob("*.blk")), default=0)
    process.rlimit(psutil.RLIMIT_FSIZE, (largest, most))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, (most, most))
