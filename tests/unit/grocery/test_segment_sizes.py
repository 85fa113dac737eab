"""Segments are as large as DuckDB finds them, by what is told of people and the bitmaps that are kept of it."""

from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace
from portrait.log.v1 import event_pb2 as log_pb
from pyroaring import BitMap

from examples.questions.answers import Answers, People, by_sql
from examples.questions.paper import Paper, Question
from examples.tags.documents import EXAMPLES
from examples.tags.interactions import micros
from libs.conditions.features import Features
from libs.conditions.reading import read_document
from libs.conditions.tree import Condition, Not, Segment
from libs.runtime.strict_yaml import read_yaml, write_yaml
from services.tagging.answering import Answering, Known
from services.tagging.codec.changes import told
from services.tagging.codec.hearing import told_in
from services.tagging.compiled import Compiled, compile_definitions
from services.tagging.domain.definition import Definition
from services.tagging.domain.holding import Holding
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.names import EVERYONE
from services.tagging.membership.algebra import Part, members
from services.tagging.membership.index import Index
from services.tagging.store.due import Due
from tests.unit.grocery.ranked import RANKS, RFM, cuts_of

SOME_PEOPLE: Final = 250
SAID: Final = read_yaml((Path(__file__).parent / "segments.yaml").read_text(encoding="utf-8"))
KEYS: Final = [one["segment"] for one in SAID["segments"]]
PAPER: Final = Paper.load("grocery")
MOMENTS: Final = [moment.isoformat() for moment in PAPER.moments]


def documents() -> list[str]:
    tags = (f"tags/{key}.yaml" for key in (*RFM, "price_sensitive", "prefers_own_brand"))
    files = [(EXAMPLES / "grocery" / one).read_text(encoding="utf-8") for one in (*tags, "tiers.yaml")]
    head = {"title": {"en": "One of ten"}, "owner": "tests", "description": "Held to DuckDB."}
    segments = ({"segment": one["segment"], "when": one["when"]} for one in SAID["segments"])
    return [*files, SAID["lifecycle"], SAID["scored_tag"], *(write_yaml({**head, **one}) for one in segments)]


def definitions() -> dict[str, Definition]:
    return {one.name: one for document in documents() for one in read_definitions(document, 1)}


class Shop:
    """What happened to everybody, what was told of them, and who is a member of what by that."""

    def __init__(self) -> None:
        self.definitions = definitions()
        self.compiled = compile_definitions(self.definitions, PAPER.zone, 1, {})
        self.features: dict[str, Features] = {}
        self.holdings: dict[str, Holding] = {}
        self.index, self.told, self.names = Index(), 0, dict[int, str]()

    def answer(self, now: int) -> None:
        """Rank everybody anew, if it is time, and answer all of them at a moment."""
        today = self.compiled.plan.zones.tenant.day(now)
        cuts = cuts_of(self.compiled, self.features.values(), PAPER.zone, today)
        compiled = compile_definitions(self.definitions, PAPER.zone, self.compiled.version + 1, {}, cuts)
        for person, features in self.features.items():
            self._tell(compiled, person, features, now)
        self.compiled = compiled

    def _tell(self, compiled: Compiled, person: str, features: Features, now: int) -> None:
        id_ = blake2b(person.encode(), digest_size=16).digest()
        due, known = Due(id_, now, None, frozenset(), None), Known(features, {}, {})
        before = self.holdings.get(person, Holding())
        self.holdings[person], changes = Answering("grocery", compiled, now).answered(due, known, before)
        for event in told("grocery", id_, self.holdings[person].revision, changes, now):
            self.told += 1
            heard = told_in(log_pb.Event.FromString(event.data), self.told)
            assert heard is not None
            self.index.apply([heard], {})
        if id_ in self.index.fresh:
            self.names[self.index.fresh[id_].number] = person

    def of(self, condition: Condition) -> set[str]:
        """Who meets a condition, by the bitmaps."""
        part = Part(self.index, self.index.holders(EVERYONE), self.compiled.plan.zones.tenant)
        return self._named(members(condition, part))

    def _named(self, found: BitMap | None) -> set[str]:
        assert found is not None, "what is held tells all of it"
        return {self.names[number] for number in found}


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, set[str]]], Answers]:
    """By moment, who is in each segment by the bitmaps; and what DuckDB says."""
    said = PAPER.documents(SOME_PEOPLE)
    file = tmp_path_factory.mktemp("grocery") / "interactions.ndjson"
    file.write_bytes(b"\n".join(said))
    asked = tuple(Question(one["segment"], "", read_document(one["when"]), one["sql"]) for one in SAID["segments"])
    ours, shop, happened = dict[str, dict[str, set[str]]](), Shop(), iter(People.of(PAPER, said).events)
    ahead: Any = next(happened, None)
    for moment in PAPER.moments:
        while ahead is not None and ahead[1].occurred_at <= micros(moment):
            shop.compiled.plan.fold(shop.features.setdefault(ahead[0], Features()), ahead[1])
            ahead = next(happened, None)
        shop.answer(micros(moment))
        ours[moment.isoformat()] = {key: shop.of(Segment(key)) for key in KEYS}
        for one in asked:
            met = ours[moment.isoformat()][one.key]
            assert shop.of(Not(Segment(one.key))) == shop.features.keys() - met
    return ours, by_sql(replace(PAPER, questions=asked, views=PAPER.views + SAID["views"] + RANKS), file).answers


def test_ten_segments_of_different_kinds_are_asked_for() -> None:
    assert len(set(KEYS)) == 10


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_segment_has_the_members_that_duckdb_finds(
    sizes: tuple[dict[str, dict[str, set[str]]], Answers], moment: str, key: str
) -> None:
    ours, theirs = sizes[0][moment][key], set(sizes[1][moment, key])
    assert len(theirs) > 2, "a segment of nobody shows nothing"
    assert len(ours) == len(theirs)
    assert ours == theirs
