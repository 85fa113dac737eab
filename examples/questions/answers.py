"""The same questions answered three ways: from features as events come, from whole histories, and by DuckDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import duckdb

from examples.questions.paper import Paper
from examples.tags.interactions import micros, read
from libs.conditions import batch
from libs.conditions.calendar import Zones
from libs.conditions.event import Event
from libs.conditions.features import Features, decode, encode
from libs.conditions.plan import Plan
from libs.conditions.standing import Answer, Standing

Answers = dict[tuple[str, str], dict[str, tuple[Any, ...]]]
"""By moment and question, who it holds of, with value and key."""


@dataclass(slots=True)
class Answered:
    """Answers and the CPU seconds that each part of the work took."""

    answers: Answers = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class People:
    """What happened, in the order of time, with who did it."""

    events: Sequence[tuple[str, Event]]

    @staticmethod
    def of(paper: Paper, documents: Sequence[bytes]) -> "People":
        """Those that interactions tell of."""
        events = [read(document, paper.person) for document in documents]
        assert all(one.occurred_at <= other.occurred_at for (_, one), (_, other) in pairwise(events)), "out of order"
        return People(events)


def by_plan(paper: Paper, people: People) -> Answered:
    """Fold event by event and answer at each moment. Each source is an anchor of its own, combined when asked.

    States go through their stored form once, between two moments.
    """
    plan = Plan({one.key: one.when for one in paper.questions}, paper.zone)
    anchors: dict[str, dict[str, Features]] = {}
    done, folding, answering, place = Answered(), 0.0, 0.0, 0
    for moment in paper.moments:
        now, began = micros(moment), process_time()
        while place < len(people.events) and people.events[place][1].occurred_at <= now:
            person, event = people.events[place]
            plan.fold(anchors.setdefault(person, {}).setdefault(event.source, Features()), event)
            place += 1
        folding += process_time() - began
        anchors = {
            person: {source: decode(encode(features)) for source, features in parts.items()}
            for person, parts in anchors.items()
        }
        began = process_time()
        found: dict[str, dict[str, tuple[Any, ...]]] = {one.key: {} for one in paper.questions}
        for person, parts in anchors.items():
            features = plan.combine(parts.values())
            standing = Standing(traits=plan.traits(features, {}))
            for one in paper.questions:
                _note(found[one.key], person, plan.answer(one.key, features, standing, now))
        done.answers |= {(moment.isoformat(), key): rows for key, rows in found.items()}
        answering += process_time() - began
    done.seconds = {"fold": folding, "answer": answering}
    return done


def by_history(paper: Paper, people: People) -> Answered:
    """Answer at each moment from all that had happened to each person."""
    zones, done, began = Zones(paper.zone), Answered(), process_time()
    for moment in paper.moments:
        now = micros(moment)
        histories: dict[str, list[Event]] = {}
        for person, event in people.events:
            if event.occurred_at <= now:
                histories.setdefault(person, []).append(event)
        for one in paper.questions:
            rows = done.answers.setdefault((moment.isoformat(), one.key), {})
            for person, events in histories.items():
                standing = Standing(traits=_traits(events))
                _note(rows, person, batch.answer(one.when, events, standing, now, zones))
    done.seconds = {"batch": process_time() - began}
    return done


def by_sql(paper: Paper, file: Path) -> Answered:
    """Answer by DuckDB from the NDJSON file alone: nothing of ours has a part in it."""
    done, began = Answered(), process_time()
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{paper.zone}'; SET VARIABLE file = '{file}'")
        connection.execute(paper.tables)
        loaded = process_time()
        for moment in paper.moments:
            connection.execute(f"SET VARIABLE now = TIMESTAMPTZ '{moment.isoformat()}'")
            connection.execute(paper.views)
            for one in paper.questions:
                rows = connection.execute(one.sql).fetchall()
                found = {person: tuple(map(_plain, rest)) for person, *rest in rows}
                assert len(found) == len(rows), f"{one.key} names a person twice"
                done.answers[moment.isoformat(), one.key] = found
    done.seconds = {"load": loaded - began, "query": process_time() - loaded}
    return done


def narrowed(answers: Answers, to: Answers) -> Answers:
    """The answers with no more columns than others have: of value and key, what these tell too."""
    return {
        asked: {person: row[: _width(to[asked])] for person, row in rows.items()} for asked, rows in answers.items()
    }


def _width(rows: Mapping[str, tuple[Any, ...]]) -> int:
    return max(map(len, rows.values()), default=0)


def _note(rows: dict[str, tuple[Any, ...]], person: str, answer: Answer) -> None:
    if answer.holds:
        rows[person] = (answer.value, answer.key)


def _traits(events: Sequence[Event]) -> Mapping[str, Any]:
    traits: dict[str, Any] = {}
    for event in events:
        traits |= event.traits
    return traits


def _plain(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == int(value) else float(value)
