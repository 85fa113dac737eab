import json
import os
import signal
from urllib.request import urlopen

import nats
from nats.js import JetStreamContext

from libs.devstack.nats import NatsServer


async def test_acknowledged_messages_survive_a_kill_and_the_url_stays(own_nats: NatsServer) -> None:
    url = own_nats.url
    await _publish(url, count=20)
    await own_nats.kill()
    await own_nats.start()
    assert own_nats.url == url
    assert await _messages(url) == 20


async def test_a_wiped_store_is_empty_and_works_again(own_nats: NatsServer) -> None:
    await _publish(own_nats.url, count=20)
    await own_nats.stop()
    await own_nats.wipe_store()
    await own_nats.start()
    assert await _messages(own_nats.url) is None
    await _publish(own_nats.url, count=3)
    assert await _messages(own_nats.url) == 3


async def test_an_end_that_nobody_asked_for_is_told(own_nats: NatsServer) -> None:
    assert own_nats.pid is not None
    os.kill(own_nats.pid, signal.SIGKILL)
    assert await own_nats.died() == -signal.SIGKILL
    assert own_nats.pid is None


def test_an_acknowledgement_means_the_disk_and_only_loopback_listens(nats: NatsServer) -> None:
    with urlopen(f"http://127.0.0.1:{nats.monitoring_port}/varz") as page:
        said = json.load(page)
    assert said["jetstream"]["config"]["sync_always"] is True
    assert said["host"] == said["http_host"] == "127.0.0.1"


async def test_streams_of_an_earlier_test_are_gone(nats_url: str) -> None:
    assert await _messages(nats_url) is None
    await _publish(nats_url, count=1)


test_and_gone_again = test_streams_of_an_earlier_test_are_gone


async def _publish(url: str, count: int) -> None:
    client = await nats.connect(url)
    stream = client.jetstream()
    await stream.add_stream(name="words", subjects=["words"])
    for _ in range(count):
        await stream.publish("words", b"word")
    await client.close()


async def _messages(url: str) -> int | None:
    client = await nats.connect(url)
    try:
        return await _count(client.jetstream())
    finally:
        await client.close()


async def _count(stream: JetStreamContext) -> int | None:
    found = {info.config.name: info.state.messages for info in await stream.streams_info()}
    return found.get("words")
