"""Rebuilding portraits beside live traffic, on real processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
import pytest
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.rpc.client import channel
from tests.support.profile import Client, fresh, person, refused, replica, tracked
from tests.support.shop import Shop, collected, open_shop
from tests.support.transport import WITHIN_SECONDS, eventually

LATE = "2026-03-01T18:30:00Z"  # the next day in Shanghai already
SHANGHAI, BERLIN = ((1, 2),), ((7, 19),)  # when it is active, as weekday and hour
USERS = [f"user-{n}" for n in range(300)]


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[Shop]:
    with TemporaryDirectory(prefix="portrait-test-") as folder:
        async with open_shop(Path(folder)) as shop:
            await collected(shop.demo, [tracked(user, occurred_at=LATE) for user in USERS for _ in range(20)])
            await collected(shop.other, [tracked(user, occurred_at=LATE) for user in USERS[:100]])
            yield shop


@pytest.fixture
async def shop(opened: Shop) -> Shop:
    """With one version of the portraits."""
    await opened.alone()
    return opened


def hours(profile: Any) -> dict[tuple[int, int], int]:
    return {(one.weekday, one.hour): one.count for one in profile.active_hours}


async def test_a_rebuild_beside_live_traffic_says_what_the_log_says(shop: Shop) -> None:
    retracted = tracked(USERS[0])
    await shop.demo.recorded(retracted)

    async def traffic() -> None:
        while True:
            await shop.demo.recorded(*(tracked(user) for user in USERS[::7]))
            await asyncio.sleep(0.02)

    flowing = asyncio.create_task(traffic())
    try:
        await shop.start(workers=2)
        await shop.demo.collector.Retract(collector_pb.RetractRequest(message_id=retracted["message_id"]))
        rebuild = await shop.ended()
    finally:
        flowing.cancel()
    assert rebuild.events == rebuild.events_wanted
    assert rebuild.keys == rebuild.keys_compared > 300
    assert (await shop.difference()).differing == 0
    again = await shop.compared_again()
    assert (again.keys, again.differing) == (rebuild.keys, 0)
    assert again.hash_before == again.hash_after != ""
    for number in (rebuild.against, rebuild.version):
        said, golden = await shop.hashes(number)
        assert said == golden


async def test_a_changed_zone_mixes_nothing_and_takes_effect_with_the_switch(shop: Shop) -> None:
    user = fresh()
    await shop.demo.recorded(*(tracked(user, occurred_at=LATE) for _ in range(3)))
    (before,) = await shop.versions()
    try:
        shop.move_to("Europe/Berlin")
        await shop.restart()
        await shop.demo.recorded(tracked(user, occurred_at=LATE))
        assert hours(await shop.demo.portrait(user)) == {(1, 2): 4}, "no day of two zones"
        plan = await shop.start(validate_only=True)
        assert "zones.demo: Asia/Shanghai → Europe/Berlin" in plan.changes
        number = await shop.rebuilt()
        difference = await shop.difference()
        assert {one.field for one in difference.fields} == {"active_hours", "activity.days", "affinities.days"}
        assert difference.differing == difference.fields[0].keys
        assert {one.tenant for one in difference.differences} == {"demo"}
        assert hours(await shop.demo.portrait(user)) == {(1, 2): 4}
        await shop.switch(number)
        assert hours(await shop.demo.portrait(user)) == {(7, 19): 4}
        await shop.demo.recorded(tracked(user, occurred_at=LATE))
        assert hours(await shop.demo.portrait(user)) == {(7, 19): 5}
        await shop.switch(before)
        assert hours(await shop.demo.portrait(user)) == {(1, 2): 5}
    finally:
        shop.move_to("Asia/Shanghai")
        await shop.restart()


async def test_a_role_declared_today_reaches_back_over_history(shop: Shop) -> None:
    event, user = fresh("event").replace("-", "_"), fresh()
    await shop.demo.recorded(*(tracked(user, event, properties={"paid": 7, "currency": "EUR"}) for _ in range(3)))
    paid = schemas_pb.Property(name="paid", type=schemas_pb.PROPERTY_TYPE_NUMBER, role=schemas_pb.PROPERTY_ROLE_AMOUNT)
    currency = schemas_pb.Property(name="currency", role=schemas_pb.PROPERTY_ROLE_CURRENCY)
    schema = schemas_pb.Schema(
        name=event,
        kind=schemas_pb.SCHEMA_KIND_EVENT,
        properties=[paid, currency],
        money_flow=schemas_pb.MONEY_FLOW_ORDER,
    )
    await shop.demo.schemas.PublishSchema(schemas_pb.PublishSchemaRequest(schema=schema))
    await shop.demo.recorded(tracked(user, event, properties={"paid": 7, "currency": "EUR"}))
    assert (await shop.demo.portrait(user)).spending["EUR"].orders == 1
    number = await shop.rebuilt()
    difference = await shop.difference()
    assert difference.differing == 1
    assert {one.field for one in difference.fields} >= {"spending.orders", "spending.total", "spending.total_by_day"}
    (one,) = difference.differences
    changes = {(change.field, change.entry): change for change in one.changes}
    total = changes["spending.total", "EUR"]
    assert (total.before.number_value, total.after.number_value) == (700, 2_800)
    await shop.switch(number)
    assert (await shop.demo.portrait(user)).spending["EUR"].total.minor == 2_800


async def test_switching_under_load_never_shows_a_mix(shop: Shop) -> None:
    """Every answer is of one version altogether, whichever replica gives it, and old ones stop within a second."""
    users = [fresh() for _ in range(5)]
    await shop.demo.recorded(*(tracked(user, occurred_at=LATE) for user in users for _ in range(4)))
    (before,) = await shop.versions()
    seen: set[tuple[tuple[int, int], ...]] = set()
    request = profiles_pb.BatchGetProfilesRequest(people=[person(user) for user in users])
    try:
        shop.move_to("Europe/Berlin")
        await shop.restart()
        number = await shop.rebuilt()

        async def read() -> None:
            while True:
                answer = await shop.demo.profiles.BatchGetProfiles(request)
                kinds = {tuple(hours(profile)) for profile in answer.profiles}
                assert len(kinds) == 1, kinds
                seen.update(kinds)

        async def sees(shown: tuple[tuple[int, int], ...]) -> bool:
            assert not any(reader.done() for reader in readers), readers
            return shown in seen

        readers = [asyncio.create_task(read()) for _ in range(4)]
        for _ in range(4):
            for version, shown in ((number, BERLIN), (before, SHANGHAI)):
                await shop.switch(version)
                await eventually(partial(sees, shown))
                await asyncio.sleep(0.1)
        for reader in readers:
            assert not reader.done(), reader
            reader.cancel()
    finally:
        shop.move_to("Asia/Shanghai")
        await shop.restart()
    assert seen == {SHANGHAI, BERLIN}


async def test_whoever_watches_a_portrait_is_shown_the_version_that_is_switched_to(shop: Shop) -> None:
    user = fresh()
    await shop.demo.recorded(tracked(user))
    (before,) = await shop.versions()
    number = await shop.rebuilt()
    call = shop.demo.profiles.WatchProfile(profiles_pb.WatchProfileRequest(person=person(user)))
    states = aiter(call)
    await anext(states)
    for version in (number, before):
        await shop.switch(version)
        assert (await asyncio.wait_for(anext(states), WITHIN_SECONDS)).profile.interactions == 1
    call.cancel()


async def test_a_switch_is_followed_by_every_replica(shop: Shop, server_folder: Path) -> None:
    user = fresh()
    await shop.demo.recorded(tracked(user))
    (before,) = await shop.versions()
    async with replica(shop.stack, server_folder) as service, channel(service.target) as connected:
        second, platform = Client(connected, "demo"), Client(connected, "*")
        number = await shop.rebuilt()
        why = await refused(platform.projections.StartRebuild(pb.StartRebuildRequest(projection="portraits")))
        assert (why.code, why.reason) == ("FAILED_PRECONDITION", "VERSION_WAITING")
        await shop.switch(number)

        async def followed() -> bool:
            answer = await second.projections.ListProjections(pb.ListProjectionsRequest())
            return bool(answer.projections[0].version == number)

        await eventually(followed)
        retire = pb.RetireProjectionRequest(projection="portraits", version=before)
        await platform.projections.RetireProjection(retire)
        for client in (shop.demo, second):
            assert (await client.portrait(user)).interactions == 1
        assert set(await shop.versions()) == {number}


async def test_a_worker_that_is_killed_is_followed_by_another_that_goes_on(shop: Shop) -> None:
    started = await shop.start(workers=2)
    number = started.rebuild.version
    async with shop.one_step_held():
        await eventually(lambda: built_most(shop), within=120)
        why = await refused(shop.platform.projections.StartRebuild(pb.StartRebuildRequest(projection="portraits")))
        assert (why.code, why.reason) == ("FAILED_PRECONDITION", "REBUILD_RUNNING")
        before, worker = await shop.standing(), shop.workers()[0]
        assert not hasattr(os, "SCHED_IDLE") or os.sched_getscheduler(worker.pid) == os.SCHED_IDLE
        worker.kill()

        async def troubled() -> bool:
            return "status -9" in (await shop.standing()).trouble

        await eventually(troubled)
    after = await shop.ended()
    assert before.events < after.events == after.events_wanted
    assert after.phase == pb.REBUILD_PHASE_DONE
    assert await shop.query("SELECT epoch FROM rebuilds WHERE version = $1", number) >= 2
    assert await shop.query(f"SELECT count(*) FROM portraits_{number}") == after.keys
    said, golden = await shop.hashes(number)
    assert said == golden


async def test_a_service_that_is_killed_takes_its_workers_along_and_goes_on_when_it_is_back(shop: Shop) -> None:
    started = await shop.start(workers=2)
    number = started.rebuild.version
    service = shop.stack.services["profile"]
    async with shop.one_step_held():
        await eventually(lambda: built_most(shop), within=120)
        workers, before = shop.workers(), await shop.standing()
        assert workers
        assert service.pid is not None
        os.kill(service.pid, signal.SIGKILL)
        gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, 60)
        assert (len(gone), alive) == (len(workers), [])
    await shop.answered(120)
    after = await shop.ended()
    assert before.events < after.events == after.events_wanted
    assert after.phase == pb.REBUILD_PHASE_DONE
    said, golden = await shop.hashes(number)
    assert said == golden


async def test_a_cancelled_rebuild_ends_its_workers_and_leaves_no_table(shop: Shop) -> None:
    number = (await shop.start(request_id=fresh())).rebuild.version
    async with shop.one_step_held():
        await eventually(lambda: built_most(shop), within=120)
        assert await shop.query(f"SELECT to_regclass('portraits_{number}')::text") == f"portraits_{number}"
    await cancel(shop, number)
    assert (await shop.standing()).phase == pb.REBUILD_PHASE_CANCELLED
    assert await shop.query(f"SELECT to_regclass('portraits_{number}')::text") is None

    async def all_gone() -> bool:
        return not shop.workers()

    await eventually(all_gone)
    assert len(await shop.versions()) == 1


async def test_a_repeated_request_to_start_is_answered_with_the_rebuild_that_the_first_one_began(shop: Shop) -> None:
    request_id = fresh()
    first = await shop.start(request_id=request_id)
    await shop.ended()
    assert (await shop.start(request_id=request_id)).rebuild.version == first.rebuild.version


async def test_what_can_not_be_folded_is_parked_under_the_name_of_its_version(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.database)
    try:
        number = await shop.rebuilt()
        key = await connection.fetchval(f"SELECT key FROM portraits_{number} WHERE tenant = 'demo' LIMIT 1")
        await connection.execute(
            """INSERT INTO dead_letters (projection, log, partition, position, recorded_at, tenant, key, event, kind,
                                         cause, parked_at)
               VALUES ($1, 'interactions', 0, 1, 1, 'demo', $2, '', 'failed', 'broken', 1)""",
            f"portraits@{number}",
            key,
        )
    finally:
        await connection.close()
    versions = await shop.versions()
    assert [versions[one].dead_letters for one in sorted(versions)] == [0, 1]
    await shop.alone()
    assert await shop.query("SELECT count(*) FROM dead_letters") == 0


async def built_most(shop: Shop) -> bool:
    """Whether all is built that is not held."""
    rebuild = await shop.standing()
    done = await shop.query(
        "SELECT count(*) FROM rebuild_steps WHERE version = $1 AND phase = 'build' AND done", rebuild.version
    )
    return bool(done >= 7)


async def cancel(shop: Shop, number: int) -> None:
    request = pb.CancelRebuildRequest(projection="portraits", version=number)
    for _ in range(2):  # any call may be repeated
        await shop.platform.projections.CancelRebuild(request)
