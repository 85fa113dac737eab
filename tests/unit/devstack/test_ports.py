import socket

import pytest

from libs.devstack.errors import PortTaken
from libs.devstack.ports import DEFAULT_PORTS, FREE_RANGE, METRICS_OFFSET, free_port, is_free, is_listening, until_free


async def test_a_port_with_a_listener_is_not_free_and_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert await is_listening(port)
        with pytest.raises(PortTaken, match=f"port {port} for nats"):
            await until_free("nats", port, within=0.1)
    assert not await is_listening(port)


def test_no_two_ports_that_are_asked_for_one_after_the_other_are_the_same() -> None:
    assert len({free_port() for _ in range(500)}) == 500


def test_a_free_port_lies_where_no_outgoing_connection_takes_it() -> None:
    assert free_port() in FREE_RANGE


def test_published_ports_and_their_metrics_do_not_meet() -> None:
    published = set(DEFAULT_PORTS.values())
    assert len(published) == len(DEFAULT_PORTS)
    assert not published & {port + METRICS_OFFSET for port in published}
