"""Why somebody has a tag or does not: each condition of it, answered from their history and told part by part."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from libs.conditions.comparisons import Scalar
from libs.conditions.explain import Explained, explain
from libs.conditions.features import Features
from libs.conditions.numbers import fixed
from libs.conditions.standing import Answer
from libs.conditions.tree import Amount, Condition, Did, Moment
from libs.conditions.writing import write_document
from libs.people.person import Name
from libs.runtime.clock import Micros
from libs.runtime.errors import NotFound
from libs.runtime.strict_yaml import write_yaml
from libs.runtime.tenants import Tenants
from services.tagging.catalogue import Catalogues, compile_definitions
from services.tagging.domain.definition import TagDefinition, cleaning_name, completion_name, rung_name
from services.tagging.domain.explanation import Explanation, Leaf, Reason
from services.tagging.domain.verdict import Verdict, told_moment, verdict
from services.tagging.queries.histories import Histories
from services.tagging.queries.people import People

_ONE_LINE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Explaining:
    """Explains tags that people are answered by."""

    people: People
    histories: Histories
    catalogues: Catalogues
    tenants: Tenants
    now: Callable[[str], Micros]

    async def explain(self, tenant: str, tag: str, name: Name) -> Explanation:
        """Why a person has a tag or does not; raises `NotFound` for one that is not live, `Unavailable`."""
        definition = self.catalogues.live(tenant).definitions.get(tag)
        if definition is None:
            raise NotFound("live tag", tag)
        person = await self.people.person(tenant, name)
        events = await self.histories.of(tenant, person)
        held = (await self.people.held(tenant, [person.id]))[person.id]
        said = (await self.people.said(tenant, person)).get(tag)
        declared, now = self.tenants.get(tenant), self.now(tenant)
        alone = compile_definitions({tag: definition}, declared.zone, 0, {})
        features = Features()
        for event in events:
            alone.plan.fold(features, event)
        tags = {key: one.value for key, one in held.items()}
        standing = alone.standing(features, tags, declared.source_ranks)
        asked: list[str] = []

        def answer(condition: str) -> Answer:
            asked.append(condition)
            return alone.plan.answer(condition, features, standing, now)

        found = verdict(definition, answer, said.said if said else None, now, alone.plan.zones.tenant)
        decided = asked[-1] if asked and found.origin in {"rule", "inferred"} else ""
        reasons = []
        for about, key, condition, gives in _conditions(definition):
            told = explain(condition, events, standing, now, declared.zone)
            decides = key == decided and told.holds
            value = found.value if decides and gives is None else gives
            reasons.append(Reason(about, told.holds, told.changes_at, tuple(_leaves(told)), value, decides))
        summary = _summary(definition, found, reasons, said.by if said else "")
        return Explanation(person.id, held.get(tag), found.value, tuple(reasons), said, summary)


def _conditions(definition: TagDefinition) -> Iterator[tuple[str, str, Condition, Scalar | None]]:
    """Every condition in the order in which they are asked: what it is about, its name, and the value that it gives."""
    if definition.cleaning is not None:
        yield "cleaning", cleaning_name(definition.key), definition.cleaning, None
    for index, rung in enumerate(definition.rungs):
        about = f"ladder[{index}]: {rung.value}" if definition.value_type == "enum" and rung.value else "when"
        yield about, rung_name(definition.key, index), rung.condition, rung.value
    for index, one in enumerate(definition.completions):
        yield f"completion[{index}]", completion_name(definition.key, index), one.condition, one.value


def _leaves(told: Explained) -> Iterator[Leaf]:
    if told.parts:
        for part in told.parts:
            yield from _leaves(part)
        return
    yield Leaf(
        path=told.path,
        asks=_one_line(told.condition),
        holds=told.holds,
        value=_shown(told),
        events=told.events,
        flips=_flips(told),
        changes_at=told.changes_at,
    )


def _one_line(condition: Condition) -> str:
    return write_yaml(write_document(condition), flow=True, width=_ONE_LINE).strip()


def _shown(told: Explained) -> str:
    if told.value is None:
        return ""
    if isinstance(told.condition, Did) and isinstance(told.condition.test, Moment) and isinstance(told.value, int):
        return told_moment(told.value)
    return f"{told.value} ({told.key})" if told.key else str(told.value)


def _flips(told: Explained) -> str:
    """By how much what was measured would have to differ."""
    short = told.flip
    if short is None:
        return ""
    amount = f"{abs(short.by):,} {'more' if short.by >= 0 else 'less'}"
    if short.by == 0:
        amount = f"any {'less' if told.holds == _at_least_met(told) else 'more'}"
    elif short.beyond:
        amount = f"more than {amount}"
    return f"{'would not hold' if told.holds else 'would hold'} with {amount}"


def _at_least_met(told: Explained) -> bool:
    """Whether what was measured is just the least that is asked for."""
    test = told.condition.test if isinstance(told.condition, Did) else None
    bound = test.bound if isinstance(test, Amount) else None
    return bound is not None and bound.low is not None and fixed(told.value) == bound.low


def _summary(definition: TagDefinition, found: Verdict, reasons: list[Reason], by: str) -> str:
    key = definition.key
    what = f"has {key}" if found.value in {None, True} else f"has {key} = {found.value}"
    if found.value is not None:
        deciding = next((one.about for one in reasons if one.decides), "")
        match found.origin:
            case "rule":
                return f"{what}, because {deciding} holds"
            case "inferred":
                return f"{what}, concluded by {deciding} with confidence {found.confidence}"
            case _:
                return f"{what}, set by {by or 'somebody'}" if found.origin == "by_hand" else f"{what}, imported"
    if found.against == "cleaned":
        return f"does not have {key}, because its cleaning holds"
    if found.against == "cleared":
        return f"does not have {key}, as {by or 'somebody'} said"
    return f"does not have {key}: no condition of it holds"
