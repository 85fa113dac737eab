"""`python -m examples.tags grocery`: how many people have each tag of a scenario when its data end, and what of it."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from examples.tags.documents import definitions
from examples.tags.interactions import read
from libs.conditions.comparisons import Scalar
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.standing import Standing
from services.tagging.domain.asked import Asked
from services.tagging.domain.tag import TagDefinition

PERSON = {"grocery": "member_no", "shop": "user_id", "clinic": "member_no"}
_SHOWN = 5


def held(
    tags: Mapping[str, TagDefinition], events: Iterable[tuple[str, Event]], zone: str
) -> dict[str, dict[str, Scalar | None]]:
    """By tag and person, what everybody has of it at the last event; None for nothing."""
    plan = Plan({name: one for tag in tags.values() for name, one in tag.conditions().items()}, zone)
    people: dict[str, Features] = {}
    now = 0
    for person, event in events:
        plan.fold(people.setdefault(person, Features()), event)
        now = max(now, event.occurred_at)
    found: dict[str, dict[str, Scalar | None]] = {key: {} for key in tags}
    for person, features in people.items():
        standing = Standing(traits=plan.traits(features, {}))
        asked = Asked(plan.asking(features, standing, now), features, standing, {}, now, plan.zones.tenant)
        for key, tag in tags.items():
            found[key][person] = tag.verdict(asked).value
    return found


def main(arguments: Sequence[str]) -> int:
    """Count."""
    options = argparse.ArgumentParser(prog="python -m examples.tags", description=__doc__)
    options.add_argument("scenario", choices=list(PERSON))
    options.add_argument("--people", type=int, help="so many (default: all)")
    said = options.parse_args(arguments)
    made: Any = import_module(f"examples.{said.scenario}.conversion")
    events = (read(document, PERSON[said.scenario]) for document in made.interactions(said.people))
    for key, people in held(definitions(said.scenario), events, made.ZONE.key).items():
        values = Counter(value for value in people.values() if value is not None)
        most = ", ".join(f"{value} {count}" for value, count in values.most_common(_SHOWN) if value is not True)
        sys.stdout.write(f"{key}: {values.total()} of {len(people)} people{': ' if most else ''}{most}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
