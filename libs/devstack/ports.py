"""Ports on the loopback interface: the published ones, free ones, and waiting until one is free."""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

from libs.devstack.errors import PortTaken

LOOPBACK = "127.0.0.1"
METRICS_OFFSET = 1000
DEFAULT_PORTS: Mapping[str, int] = MappingProxyType(
    {
        "profile": 7101,
        "identity": 7102,
        "tagging": 7103,
        "journey": 7104,
        "activation": 7105,
        "nats": 7142,
        "postgres": 7154,
        "gateway": 7180,
    }
)
# Below the range from which systems take ports of outgoing connections: one of those could sit on our port while
# its owner is being restarted.
FREE_RANGE = range(20_000, 32_000)

# Of twenty ports that are asked for before any is taken, two would else be the same once in sixty times.
_given: deque[int] = deque(maxlen=500)


def free_port() -> int:
    """A port that nobody listens on right now and that was not given lately. Errors: PortTaken after many attempts."""
    for port in random.SystemRandom().sample(FREE_RANGE, min(1_000, len(FREE_RANGE))):
        if port not in _given and is_free(port):
            _given.append(port)
            return port
    raise PortTaken("anything", FREE_RANGE.start)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


async def is_listening(port: int) -> bool:
    """Whether anybody accepts connections: far cheaper to ask of a starting server than through its client."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def until_free(name: str, port: int, within: float = 5.0) -> None:
    """Wait for a former owner that is just ending. Errors: PortTaken.

    Asked before every start, because a foreign server on our port would pass for ours being ready.
    """
    try:
        async with asyncio.timeout(within):
            while not is_free(port):  # noqa: ASYNC110 - another process owns the port and signals nothing
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise PortTaken(name, port) from None
