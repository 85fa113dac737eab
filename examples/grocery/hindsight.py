"""The shop changes its mind about what its events meant, and has the whole history read anew."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from rich.console import Console

from examples.grocery.expectation import expect
from examples.grocery.figures import redeemed
from examples.grocery.pictures import beside
from examples.grocery.scene import Scene
from libs.cli import projections, schema
from libs.cli.texts import many

SCHEMA: Final = Path(__file__).with_name("hindsight.yaml")
WEIGHT: Final = 3  # of a coupon, as its schema says
PORTRAITS: Final = "portraits"
OLD, NEW = 1, 2

Responses = Mapping[int, Mapping[str, int]]
"""Household → campaign → coupons redeemed; households without any are missing."""


async def change_its_mind(scene: Scene, household: int) -> None:
    """Give a property a role, rebuild, look at the difference, switch there, back, and there again."""
    scene.chapter(
        "A change of mind about history",
        "Coupons name their campaign, which nobody read. From now on it says what a household responds to, and so it "
        "shall for the whole year: a second version of all portraits is folded beside the one that is read.",
    )
    calling, truth = scene.shop.calling, redeemed(scene.books.told)
    await schema.apply(calling, [SCHEMA], yes=True)
    scene.books.events += 1
    before = await scene.shop.portrait(household)
    await projections.rebuild(replace(calling, console=Console(quiet=True)), PORTRAITS, yes=True)
    await _hold_difference(scene, truth)
    await projections.diff(calling, PORTRAITS, limit=1)
    expect("what is read until the switch", await _responses(scene), {})
    await projections.switch(calling, PORTRAITS, to=NEW, yes=True)
    expect("campaigns that households respond to", await _responses(scene), truth)
    after = await scene.shop.portrait(household)
    scene.console.print(beside((f"version {OLD}", before), (f"version {NEW}", after), only_differing=True))
    coupons = sum(sum(campaigns.values()) for campaigns in truth.values())
    scene.done(
        f"{many(len(truth), 'household')} of {len(scene.books.told):,} responded to campaigns, "
        f"as {many(coupons, 'coupon')} at the till say; of the others nothing changed"
    )
    await projections.switch(calling, PORTRAITS, to=OLD, yes=True)
    expect("the portrait that is read again", await scene.shop.portrait(household), before)
    await projections.switch(calling, PORTRAITS, to=NEW, yes=True)
    expect("the portrait after all", await scene.shop.portrait(household), after)
    await projections.retire(calling, PORTRAITS, version=OLD, yes=True)
    scene.done("switched back and there again at once: both were kept up; then the old one was dropped")


async def _hold_difference(scene: Scene, truth: Responses) -> None:
    found = await scene.shop.difference(PORTRAITS)
    expect("households compared", found.keys, len(scene.books.told))
    expect("households that differ", found.differing, len(truth))
    fields = {field.field: field.keys for field in found.fields}
    expect(
        "fields that differ",
        fields,
        dict.fromkeys(("affinities.days", "affinities.weight"), len(truth)) if truth else {},
    )


async def _responses(scene: Scene) -> Responses:
    """What portraits say."""
    portraits = await scene.shop.portraits(scene.books.told, "affinities")
    said = zip(scene.books.told, map(_response, portraits), strict=True)
    return {household: campaigns for household, campaigns in said if campaigns}


def _response(portrait: profiles_pb.Profile) -> Mapping[str, int]:
    return Counter({one.key: one.weight // WEIGHT for one in portrait.affinities if one.dimension == "content"})
