"""The examples of a definition, run when it is published."""

from libs.conditions.comparisons import Scalar
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.standing import Standing
from libs.runtime.errors import InvalidArgument
from services.tagging.domain.definition import TagDefinition
from services.tagging.domain.examples import Example
from services.tagging.domain.verdict import Verdict, verdict


def run_examples(definition: TagDefinition, zone: str) -> None:
    """Let every example have the outcome that it expects; `zone` is the tenant's.

    Raises `InvalidArgument` with the path of the first that has another.
    """
    plan = Plan(definition.conditions(), zone)
    for index, example in enumerate(definition.examples):
        found = _outcome(definition, plan, example)
        if not _alike(found.value, example.expected):
            _fail(index, "expect", example, f"expects {_told(example.expected)}, and has {_told(found.value)}")
        if example.of is not None and found.of != example.of:
            _fail(
                index, "of", example, f"expects it to be of {_told(example.of)}, and it is of {_told(found.of or None)}"
            )


def _outcome(definition: TagDefinition, plan: Plan, example: Example) -> Verdict:
    features = Features()
    for event in example.events:
        plan.fold(features, event)
    standing = Standing(traits=plan.traits(features, {}), tags=example.tags, zone=example.zone)
    return verdict(
        definition,
        lambda name: plan.answer(name, features, standing, example.now),
        None,
        example.now,
        plan.zones.tenant,
    )


def _alike(found: Scalar | None, expected: Scalar | None) -> bool:
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


def _told(value: Scalar | None) -> str:
    match value:
        case None:
            return "nothing"
        case True:
            return "the tag"
        case _:
            return repr(value)


def _fail(index: int, name: str, example: Example, message: str) -> None:
    raise InvalidArgument(f"tests[{index}].{name}", f"{example.name}: {message}", "TEST_FAILED")
