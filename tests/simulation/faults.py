"""What may befall a world."""

from collections.abc import Callable, Sequence
from typing import Final

from libs.eventlog.feed import Parcel
from libs.runtime.clock import SECOND
from tests.simulation.loop import Process
from tests.simulation.world import LOG, PARTITIONS, World

Fault = Callable[[World], None]


def some_process(world: World) -> Process:
    """A process of those that were started last under their name."""
    return world.chance.choice(world.living)


def for_a_while(world: World, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Begin something now and end it later."""
    begin()
    world.loop.call_later(world.chance.random() * 3, end)


def kill(world: World) -> None:
    name = some_process(world).name
    for_a_while(world, lambda: world.kill(name), lambda: world.restart(name))


def restart_at_once(world: World) -> None:
    world.restart(some_process(world).name)


def terminate(world: World) -> None:
    name = some_process(world).name
    for_a_while(world, lambda: world.end(name), lambda: world.restart(name))


def freeze(world: World) -> None:
    process = some_process(world)
    for_a_while(world, process.freeze, process.thaw)


def delete_stream(world: World) -> None:
    world.broker.delete(LOG)


def purge_stream(world: World) -> None:
    stream = world.broker.streams.get(LOG)
    if stream is not None:
        stream.purge(world.chance.choice((None, 0, 1)))


def forget_subscriptions(world: World) -> None:
    world.broker.forget_subscriptions(LOG)


def hold_deliveries(world: World) -> None:
    broker = world.broker
    for_a_while(world, lambda: broker.hold(LOG, held=True), lambda: broker.hold(LOG, held=False))


def publish_nonsense(world: World) -> None:
    stream = world.broker.streams.get(LOG)
    if stream is not None:
        stream.add(Parcel(world.chance.randrange(PARTITIONS), 0, b"who is this?"))


def stop_server(world: World) -> None:
    server = world.chance.choice((world.owner, world.way, world.service))

    def up() -> None:
        server.down = False

    def down() -> None:
        server.down = True

    for_a_while(world, down, up)


def stop_broker(world: World) -> None:
    """As an outage, but its subscriptions hear of it at once."""
    broker = world.broker

    def up() -> None:
        broker.down = False

    def down() -> None:
        broker.down = True

    for_a_while(world, down, up)


def turn_the_clock_back(world: World) -> None:
    world.clock.ahead -= 3_600 * SECOND


def heal(world: World) -> None:
    """End every fault, and start what is dead."""
    world.network.calm()
    world.broker.down = world.owner.down = world.way.down = world.service.down = False
    world.broker.hold(LOG, held=False)
    for process in world.living:
        if not process.alive or process.ending:
            world.restart(process.name)
        elif process.paused:
            process.thaw()


FAULTS: Final[Sequence[Fault]] = (
    kill,
    restart_at_once,
    terminate,
    freeze,
    delete_stream,
    purge_stream,
    forget_subscriptions,
    hold_deliveries,
    publish_nonsense,
    stop_server,
    stop_broker,
    turn_the_clock_back,
)
