"""How far people have come with the shop: the stages of its lifecycle, and the moves that led to one."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from portrait.tagging.v1 import membership_pb2 as members
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub
from portrait.tagging.v1.tag_pb2 import DEFINITION_STATE_LIVE

from examples.grocery.expectation import expect, expect_soon
from examples.grocery.tagged import Tagging, member
from libs.cli import stages
from libs.cli.identity import reference
from libs.cli.tables import table

DOCUMENT: Final = Path(__file__).with_name("lifecycle.yaml")
LOST: Final = "lost"
SILENT_DAYS: Final = 70
"""Without a basket, as the document says."""


async def stage_everybody(tagging: Tagging) -> None:
    """Publish the lifecycle on the year that has passed, and show how somebody was lost. Errors: Unexpected."""
    scene, calling, today = tagging.scene, tagging.calling, tagging.today.date()
    scene.chapter(
        "Stages of a year",
        "The shop's lifecycle is published last, and found for every household as if it had stood all along.",
    )
    last = {number: max(one.lines) for number, one in tagging.till.by_number.items() if one.lines}
    lost = {number for number, day in last.items() if (today - day).days >= SILENT_DAYS}
    request = pb.PublishLifecycleRequest(document=DOCUMENT.read_text(encoding="utf-8"), look_at=1)
    declared = (await calling.ask(tagging.stub.PublishLifecycle, request)).definition.stages

    async def live() -> bool:
        answer = await calling.ask(tagging.stub.GetLifecycle, pb.GetLifecycleRequest())
        return answer.definition.state == DEFINITION_STATE_LIVE

    async def size(*keys: str) -> int:
        crowd = members.CrowdReference(document=f"stage: [{', '.join(keys)}]")
        counting = members.CountSegmentRequest(crowd=crowd)
        return (await calling.ask(SegmentsStub(calling.channel).CountSegment, counting)).size.people

    async def everybody() -> tuple[int, int]:
        return await size(*(stage.key for stage in declared)), await size(LOST)

    await expect_soon("whether the lifecycle is live", live, expected=True)
    await expect_soon("households in a stage, and lost ones", everybody, (len(last), len(lost)))
    shown = table("stage", "title", ">households")
    for stage in declared:
        shown.add_row(stage.key, f"{stage.titles['en']} · {stage.titles['zh']}", f"{await size(stage.key):,}")
    scene.console.print(shown)
    somebody = min(lost, key=lambda number: (len(tagging.till.by_number[number].lines), number))  # soonest told
    told = await calling.ask(tagging.stub.ExplainStage, pb.ExplainStageRequest(person=reference(member(somebody))))
    first, end = min(tagging.till.by_number[somebody].lines), last[somebody] + timedelta(days=SILENT_DAYS)
    expect("the day of the first basket", told.moves[0].day, first.isoformat())
    expect("how it ended", (told.moves[-1].stage, told.moves[-1].day), (LOST, end.isoformat()))
    scene.console.print(stages.explained(told))
    scene.done(
        f"household {somebody} was lost on {end}, {SILENT_DAYS} days after its last basket, as the till's rows say"
    )
