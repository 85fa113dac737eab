"""Why somebody has what a ladder finds, or not: each condition of it, answered from their history, part by part."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.conditions.comparisons import Scalar
from libs.conditions.event import Event
from libs.conditions.explain import Explained, explain
from libs.conditions.features import Features
from libs.conditions.history import History
from libs.conditions.numbers import fixed
from libs.conditions.standing import Answer
from libs.conditions.tree import Amount, Condition, Did, Moment, Not
from libs.conditions.writing import write_document
from libs.people.person import Name
from libs.runtime.clock import Micros
from libs.runtime.strict_yaml import write_yaml
from libs.runtime.tenants import Tenant, Tenants
from services.tagging.catalogue import Catalogues
from services.tagging.compiled import Compiled, compile_apart
from services.tagging.domain.around import Around
from services.tagging.domain.asked import Asked
from services.tagging.domain.by_hand import Known
from services.tagging.domain.decay import FORGOTTEN
from services.tagging.domain.explanation import Contributed, Explanation, Leaf, Measured, Reason
from services.tagging.domain.holding import Held
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.names import Kind, key_of, kind_of
from services.tagging.domain.registry import unknown
from services.tagging.domain.score import UNKNOWN, ByRank, score_name
from services.tagging.domain.score_definition import ScoreDefinition
from services.tagging.domain.tag import TagDefinition
from services.tagging.domain.verdict import Verdict, told_moment
from services.tagging.queries.histories import Histories
from services.tagging.queries.people import People

_ONE_LINE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Explaining:
    """Explains what people are answered by that is found by a ladder."""

    people: People
    histories: Histories
    catalogues: Catalogues
    tenants: Tenants
    now: Callable[[str], Micros]

    async def explain(self, tenant: str, name: str, of: Name) -> Explanation:
        """Why a person has something by a definition or not; raises `NotFound` for one not live, `Unavailable`."""
        live = self.catalogues.live(tenant)
        definition = live.definitions.get(name)
        if not isinstance(definition, Laddered):
            raise unknown(name, live.definitions, "live ")
        person = await self.people.person(tenant, of)
        async with self.histories.of(tenant, person) as events:
            held = (await self.people.held(tenant, [person.id]))[person.id]
            known = await self.people.said(tenant, person)
            declared, now = self.tenants.get(tenant), self.now(tenant)
            score = live.scores.get(score_name(name))
            alone = compile_apart([definition] if score is None else [definition, score], live, declared.zone)
            about = _About(person.id, held, known, declared, now)
            return await asyncio.to_thread(_explained, definition, score, alone, about, events)


class _About(NamedTuple):
    """Who is explained, what they hold and what was said of them by hand, and the moment."""

    person: bytes
    held: Mapping[str, Held]
    known: Mapping[str, Known]
    tenant: Tenant
    now: Micros


def _explained(
    definition: Laddered, score: ScoreDefinition | None, alone: Compiled, about: _About, events: Sequence[Event]
) -> Explanation:
    person, held, known, declared, now = about
    features = Features()
    for event in events:
        alone.plan.fold(features, event)
    around = Around({other: one.value for other, one in held.items()})
    by_hand = {other: one.said for other, one in known.items()}
    asked = alone.asked(features, around, by_hand, declared.source_ranks, now)
    order: list[str] = []

    def answer(condition: str) -> Answer:
        order.append(condition)
        return asked.answer(condition)

    name = definition.name
    found = definition.verdict(asked._replace(answer=answer))
    decided = order[-1] if order and found.origin in {"rule", "inferred"} else ""
    reasons = []
    for what, key, condition, gives in _conditions(definition):
        told = explain(condition, events, asked.standing, now, declared.zone)
        decides = key == decided and told.holds
        value = found.value if decides and gives is None else gives
        reasons.append(Reason(what, told.holds, told.changes_at, tuple(leaves_of(told)), value, decides))
    said = known.get(name)
    summary = _summary(name, found, reasons, said.by if said else "")
    measured = None if score is None else measure(alone.scores[score.name], asked, events)
    return Explanation(person, held.get(name), found.value, tuple(reasons), said, summary, measured)


def measure(score: ScoreDefinition, asked: Asked, events: Sequence[Event]) -> Measured:
    """A person's score, and what each kind of evidence in their history brings to it."""
    history = History(events, asked.now, asked.calendar)

    def counts(event: Event) -> bool:
        age = asked.day - asked.calendar.day(event.occurred_at)
        return isinstance(score.score, ByRank) or 0 <= age < FORGOTTEN

    contributions = tuple(
        Contributed(
            one.about,
            _one_line(did),
            one.pieces,
            one.points,
            tuple(
                event.id
                for event in sorted(history.did(did).events, key=lambda event: event.occurred_at)
                if counts(event)
            ),
        )
        for did, one in zip(score.dids(), score.contributions(asked), strict=False)  # a rank may measure nothing
    )
    return Measured(score.scored(asked) or UNKNOWN, score.version, contributions)


def _conditions(definition: Laddered) -> Iterator[tuple[str, str, Condition, Scalar | None]]:
    """Every condition in the order in which they are asked: what it is about, its name, and the value that it gives."""
    if definition.cleaning is not None:
        yield "cleaning", definition.cleaning_name(), definition.cleaning, None
    for index, rung in enumerate(definition.rungs):
        about = f"ladder[{index}]: {rung.value}" if definition.value_type == "enum" and rung.value else "when"
        if isinstance(definition, TagDefinition) and definition.source == "trait":
            about = "trait"
        yield about, definition.rung_names[index], rung.condition, rung.value
    for index, one in enumerate(definition.completions):
        yield f"completion[{index}]", definition.completion_name(index), one.condition, one.value


def leaves_of(told: Explained, *, negated: bool = False) -> Iterator[Leaf]:
    """The parts of a condition that have none themselves, those under an odd number of `not` together with one."""
    if told.parts:
        for part in told.parts:
            yield from leaves_of(part, negated=negated != isinstance(told.condition, Not))
        return
    yield Leaf(
        path=told.path,
        asks=_one_line(Not(told.condition) if negated else told.condition),
        holds=told.holds != negated,
        value=_shown(told),
        events=told.events,
        flips=_flips(told, negated=negated),
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


def _flips(told: Explained, *, negated: bool) -> str:
    """By how much what was measured would have to differ."""
    short = told.flip
    if short is None:
        return ""
    amount = f"{abs(short.by):,} {'more' if short.by >= 0 else 'less'}"
    if short.by == 0:
        amount = f"any {'less' if told.holds == _at_least_met(told) else 'more'}"
    elif short.beyond:
        amount = f"more than {amount}"
    return f"{'would not hold' if told.holds != negated else 'would hold'} with {amount}"


def _at_least_met(told: Explained) -> bool:
    """Whether what was measured is just the least that is asked for."""
    test = told.condition.test if isinstance(told.condition, Did) else None
    bound = test.bound if isinstance(test, Amount) else None
    return bound is not None and bound.low is not None and fixed(told.value) == bound.low


_VERBS: Final[Mapping[Kind, tuple[str, str]]] = {
    "tag": ("has", "does not have"),
    "segment": ("is in", "is not in"),
    "tiers": ("has the", "has no"),
}


def _summary(name: str, found: Verdict, reasons: list[Reason], by: str) -> str:
    key, (having, lacking) = key_of(name), _VERBS[kind_of(name)]
    what = f"{having} {key}" if found.value in {None, True} else f"{having} {key} = {found.value}"
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
        return f"{lacking} {key}, because its cleaning holds"
    if found.against == "cleared":
        return f"{lacking} {key}, as {by or 'somebody'} said"
    return f"{lacking} {key}: no condition of it holds"
