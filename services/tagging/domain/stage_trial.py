"""The examples of a lifecycle, run when it is published."""

from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.runtime.errors import InvalidArgument
from services.tagging.domain.lifecycle import LifecycleDefinition


def run_stage_examples(definition: LifecycleDefinition, zone: str) -> None:
    """Let every example end in the stage that it expects; `zone` is the tenant's.

    Raises `InvalidArgument` with the path of the first that ends in another.
    """
    conditions = definition.conditions()
    plan = Plan(conditions, zone, by_day=conditions.keys())
    machine, calendar = definition.machine(zone), plan.zones.tenant
    for index, example in enumerate(definition.examples):
        features = Features()
        for event in example.events:
            plan.fold(features, event)
        last = machine.course(features, calendar.day(example.now)).last
        stage = last.stage if last else None
        if stage != example.expected:
            message = f"{example.name}: expects {_told(example.expected)}, and ends in {_told(stage)}"
            raise InvalidArgument(f"tests[{index}].expect", message, "TEST_FAILED")


def _told(stage: object) -> str:
    return "no stage" if stage is None else repr(stage)
