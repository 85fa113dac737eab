"""The examples of a definition, run when it is published."""

from collections.abc import Iterable

from libs.conditions.comparisons import Scalar
from libs.conditions.features import Features
from libs.conditions.numbers import SCALE
from libs.conditions.plan import Plan
from libs.conditions.standing import NOBODY, Standing
from libs.runtime.errors import InvalidArgument
from services.tagging.domain.asked import Asked
from services.tagging.domain.examples import Example
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.score import ByEvidence
from services.tagging.domain.score_definition import ScoreDefinition
from services.tagging.domain.verdict import Verdict


def run_examples(definition: Laddered, zone: str) -> None:
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


def run_levels(score: ScoreDefinition, examples: Iterable[Example], zone: str) -> None:
    """Let the score of a tag be at the level that each of its examples expects, if it expects one.

    Raises `InvalidArgument` with the path of the first that has another.
    """
    plan = Plan(score.conditions(), zone)
    for index, example in enumerate(examples):
        if example.level is None:
            continue
        if not isinstance(score.score, ByEvidence):
            _fail(index, "level", example, "expects a level, which among everybody is no one's alone")
        features = Features()
        for event in example.events:
            plan.fold(features, event)
        answer = plan.asking(features, NOBODY, example.now)
        found = score.verdict(Asked(answer, features, NOBODY, {}, example.now, plan.zones.tenant))
        if (found.value or "") != example.level:
            told = f"expects {_told(example.level or None)}, and is at {_told(found.value)}"
            _fail(index, "level", example, f"{told}, with a score of {(found.points or 0) / SCALE}")


def _outcome(definition: Laddered, plan: Plan, example: Example) -> Verdict:
    features = Features()
    for event in example.events:
        plan.fold(features, event)
    standing = Standing(
        traits=plan.traits(features, {}),
        tags=example.tags,
        stages=example.stages,
        tiers=example.tiers,
        scores=example.scores,
        segments=example.segments,
        zone=example.zone,
    )
    answer = plan.asking(features, standing, example.now)
    return definition.verdict(Asked(answer, features, standing, {}, example.now, plan.zones.tenant))


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
