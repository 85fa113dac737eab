"""The rules that profile goes by: every version is kept, the highest stands, and none is guessed."""

import asyncio
from itertools import permutations

import asyncpg
import pytest

from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.identity_events import RulesMade
from libs.people.rulebook import REFRESH_SECONDS, Rulebook
from libs.runtime.errors import InvalidArgument, NotFound
from libs.runtime.tenants import SHIPPED, Tenants
from libs.telemetry.metrics import Metrics
from tests.support.logs import Database, running
from tests.support.transport import eventually


def made(version: int, type_: str, tenant: str = "demo") -> RulesMade:
    return RulesMade(tenant, version, f"types: {{{type_}: {{strength: strong, form: exact}}}}")


def rulebook(pool: asyncpg.Pool) -> Rulebook:
    return Rulebook(pool, Tenants.load(SHIPPED), Metrics())


async def learn(one: Rulebook, *published: RulesMade) -> None:
    async with one.pool.acquire() as connection, connection.transaction():
        await one.learn(connection, published)


def stands(one: Rulebook, tenant: str = "demo") -> tuple[int, list[str]]:
    rules = one.current(tenant).rules
    return rules.version, list(rules.types)


async def test_the_shipped_rules_stand_until_a_tenant_publishes_its_own(log_database: Database) -> None:
    one = rulebook(log_database.pool)
    await one.refresh()
    assert one.current("demo").rules is one.current("other").rules is DEFAULT_RULES
    await learn(one, made(1, "card"))
    await one.refresh()
    assert stands(one) == (1, ["card"])
    assert one.current("other").rules is DEFAULT_RULES


async def test_the_highest_version_stands_in_whichever_order_and_however_often_they_come(
    log_database: Database,
) -> None:
    for order in permutations([made(1, "a"), made(2, "b"), made(7, "c"), made(7, "c")]):
        one = rulebook(log_database.pool)
        await one.pool.execute("DELETE FROM identifier_rules")
        for published in order:
            await learn(one, published)
            await one.refresh()
        assert stands(one) == (7, ["c"])
        started_later = rulebook(log_database.pool)
        await started_later.refresh()
        assert stands(started_later) == (7, ["c"])


async def test_what_was_stamped_by_another_replica_a_moment_ago_is_fetched_and_not_guessed(
    log_database: Database,
) -> None:
    one, other = rulebook(log_database.pool), rulebook(log_database.pool)
    await learn(other, made(1, "a"), made(2, "b"))
    assert stands(one) == (0, list(DEFAULT_RULES.types))
    for version, type_ in ((2, "b"), (1, "a")):
        stamped = await one.at("demo", version)
        assert (stamped.rules.version, list(stamped.rules.types)) == (version, [type_])
    assert (await one.at("demo", 0)).rules is DEFAULT_RULES
    with pytest.raises(LookupError, match="version 3 of the identifier rules of demo"):
        await one.at("demo", 3)
    await learn(other, made(3, "c"))
    assert list((await one.at("demo", 3)).rules.types) == ["c"]


async def test_a_version_that_stands_no_more_reads_what_was_stamped_with_it_as_before(log_database: Database) -> None:
    one = rulebook(log_database.pool)
    await learn(one, made(1, "card"))
    await one.refresh()
    before = one.current("demo").identify([Claimed("card", "a-1")])
    await learn(one, made(2, "other_card"))
    await one.refresh()
    assert (await one.at("demo", 1)).identify([Claimed("card", "a-1")]) == before
    assert one.current("demo").identify([Claimed("card", "a-1")])[0] == []


async def test_every_replica_goes_by_new_rules_within_a_second(log_database: Database) -> None:
    assert REFRESH_SECONDS < 1
    replicas = [rulebook(log_database.pool) for _ in range(3)]
    async with running(*replicas):
        await asyncio.sleep(0.1)
        await learn(replicas[0], made(1, "card"))

        async def everywhere() -> bool:
            return all(stands(one) == (1, ["card"]) for one in replicas)

        await eventually(everywhere)


async def test_rules_that_only_a_newer_release_can_read_are_not_learnt(log_database: Database) -> None:
    one = rulebook(log_database.pool)
    newer = RulesMade("demo", 2, "types: {card: {strength: strong, form: exact, sparkles: 3}}")
    with pytest.raises(InvalidArgument, match=r"types\.card\.sparkles"):
        await learn(one, made(1, "card"), newer)
    await one.refresh()
    assert one.current("demo").rules is DEFAULT_RULES  # the transaction is undone, and the event is parked


async def test_tenants_have_rules_of_their_own_and_whoever_is_not_declared_has_none(log_database: Database) -> None:
    one = rulebook(log_database.pool)
    await learn(one, made(1, "a"), made(4, "b", "other"), made(9, "c", "nobody"))
    await one.refresh()
    assert (stands(one), stands(one, "other")) == ((1, ["a"]), (4, ["b"]))
    with pytest.raises(NotFound):
        one.current("nobody")
