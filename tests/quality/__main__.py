"""`make quality`: how good rules and suggestions are, beside Splink's own clustering; fails if a target is missed."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from services.identity.linking.suggesting import ACCEPTABLE_FROM, Suggestion, one_to_one
from tests.quality.baseline import clustered
from tests.quality.deterministic import resolved
from tests.quality.febrl import data_sets
from tests.quality.measures import Row, accuracy, accuracy_of, measured, pairs_within, table
from tests.quality.records import Listed, by_person
from tests.quality.suggested import across, single_best, suggestions
from tests.quality.town import town

FEBRL_F1: Final = 0.999
TOWN_F1: Final = 0.964
TOWN: Final = "census × W-2"


def febrl() -> Iterator[Row]:
    """Rules on all four sets, suggestions on the fourth."""
    for data, records in data_sets().items():
        true = pairs_within(by_person(records))
        rules = accuracy_of(pairs_within(resolved(records)), true)
        yield measured(data, "rules alone", rules, "P = 1.000", rules.precision == 1)
        suggested = accuracy_of(frozenset((one.one, one.other) for one in suggestions(records)), true)
        fourth = data == "Febrl 4"
        ok = suggested.f1 >= FEBRL_F1 if fourth else None
        yield measured(data, "suggestions", suggested, f"F1 ≥ {FEBRL_F1}" if fourth else "", ok)
        yield measured(data, "Splink's clusters", accuracy_of(pairs_within(clustered(records)), true))


def households() -> Iterator[Row]:
    """Suggestions between the census of a town and its tax forms."""
    records = town()
    by_id = {record.id: record for record in records}
    list_of = {record.id: record.list for record in records}
    true = sum(
        sum(list_of[id_] == "census" for id_ in ids) * sum(list_of[id_] == "form" for id_ in ids)
        for ids in by_person(records)
    )
    both = len({record.person for record in records if record.list == "census"} & _people(records, "form"))
    suggested = suggestions(records)
    between = list(across(suggested, list_of))

    def is_right(one: Suggestion) -> bool:
        return by_id[one.one].person == by_id[one.other].person

    pairs = one_to_one(between)
    one = accuracy(sum(map(is_right, pairs)), len(pairs), both)
    yield measured(TOWN, "suggestions, one to one", one, f"F1 ≥ {TOWN_F1}", one.f1 >= TOWN_F1)
    pairs = list(single_best(between, list_of, "form"))
    yield measured(TOWN, "suggestions, best for each form", accuracy(sum(map(is_right, pairs)), len(pairs), true))
    yield measured(TOWN, "suggestions, all", accuracy(sum(map(is_right, between)), len(between), true))
    clusters = pairs_within(clustered(records))
    crossing = [pair for pair in clusters if list_of[pair[0]] != list_of[pair[1]]]
    right = sum(by_id[a].person == by_id[b].person for a, b in crossing)
    yield measured(TOWN, "Splink's clusters", accuracy(right, len(crossing), true))
    yield from _warned(between, suggested, by_id)


def _people(records: Sequence[Listed], list_: str) -> set[str]:
    return {record.person for record in records if record.list == list_}


def _warned(
    between: Sequence[Suggestion], everywhere: Sequence[Suggestion], by_id: dict[bytes, Listed]
) -> Iterator[Row]:
    def of_a_household(suggested: Sequence[Suggestion]) -> list[Suggestion]:
        """Two people of one household whom nothing warns of."""
        return [
            one
            for one in suggested
            if one.score >= ACCEPTABLE_FROM
            and not one.warnings
            and by_id[one.one].person != by_id[one.other].person
            and by_id[one.one].household == by_id[one.other].household
        ]

    acceptable = [one for one in between if one.score >= ACCEPTABLE_FROM]
    right = [one for one in acceptable if by_id[one.one].person == by_id[one.other].person]
    warned = sum(bool(one.warnings) for one in right) / len(right)
    way = f"scored {ACCEPTABLE_FROM} or more"
    unnoticed = len(of_a_household(between))
    yield Row(TOWN, way, f"two of a household, and no warning: {unnoticed}", "none", unnoticed == 0)
    yield Row(TOWN, way, f"of {len(acceptable):,} suggestions; of the right ones, {warned:.1%} come with a warning")
    within = len(of_a_household(everywhere)) - unnoticed
    yield Row("within a list", way, f"two of a household, and no warning: {within}")


def main() -> int:
    """Print the table; the exit status says whether every target was reached."""
    started = time.monotonic()
    rows = [*febrl(), *households()]
    missed = sum(row.ok is False for row in rows)
    sys.stdout.write(f"{table(rows)}\n\n{missed} targets missed, {time.monotonic() - started:.0f} s\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
