"""What identities look like on a terminal."""

from io import StringIO
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2, rules_pb2
from portrait.log.v1.event_pb2 import Position
from rich.cells import cell_len
from rich.console import Console, RenderableType

from libs.cli import who

SHANGHAI = ZoneInfo("Asia/Shanghai")
THEN = Timestamp(seconds=1_772_330_400)
ONE, TWO = "5f1c" * 8, "7a2b" * 8
EVENT = bytes(range(16))


def shown(look: RenderableType) -> str:
    console = Console(file=StringIO(), width=100, highlight=False)
    console.print(look)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert max(map(cell_len, text.splitlines())) <= 100
    return text


def known(type_: str, value: str, **rest: object) -> person_pb2.KnownIdentifier:
    return person_pb2.KnownIdentifier(type=type_, value=value, key=ONE, first_seen_at=THEN, **rest)  # type: ignore[arg-type]  # fields by name


def anna() -> person_pb2.Person:
    interval = person_pb2.Interval(until=THEN)
    return person_pb2.Person(
        person_id=ONE,
        identifiers=[
            known("user_id", "anna", verified=True),
            known("phone", "+8613800138000", span=person_pb2.Span(interval=interval)),
            known("device_id", "d1", span=person_pb2.Span(session="ab" * 12), standing=person_pb2.STANDING_SHARED),
            known("email", "", span=person_pb2.Span(beside=TWO)),
        ],
        former_ids=[TWO],
    )


def test_a_person_shows_each_identifier_and_which_part_of_it_is_theirs() -> None:
    text = shown(who.person(anna(), SHANGHAI))
    for said in (ONE, "anna ✓", "… until 2026-03-01", "session abababab", "d1 shared", f"along with {TWO[:12]}", TWO):
        assert said in text


def test_an_answer_for_many_says_of_each_what_is_special() -> None:
    answers = [
        pb.Resolution(person_id=ONE, known=True),
        pb.Resolution(person_id=TWO),
        pb.Resolution(unusable="PLACEHOLDER"),
        pb.Resolution(person_id=TWO, known=True, standing=person_pb2.STANDING_BLOCKED, cut=True),
    ]
    text = shown(who.resolutions(["phone:[b]1", "phone:2", "phone:null", "phone:4"], answers))
    for said in (ONE, "phone:[b]1", "never seen", "names nobody: PLACEHOLDER", "blocked, its history is in parts"):
        assert said in text


def test_an_explanation_shows_what_joins_and_what_does_not_with_events() -> None:
    joined = person_pb2.Edge(
        one=known("user_id", "anna"),
        other=known("phone", "+8613800138000"),
        reason="seen together twice",
        outcome=person_pb2.EDGE_OUTCOME_JOINED,
        first_seen_at=THEN,
        event_ids=[EVENT],
    )
    refused = person_pb2.Edge(
        one=known("user_id", "bob"),
        other=known("phone", "+8613800138000"),
        reason="one person may have at most 1 user_id",
        outcome=person_pb2.EDGE_OUTCOME_LIMIT,
    )
    cut = pb.Cut(reason="phone passed on")
    answer = pb.ExplainPersonResponse(
        same=True, summary="they are one", chain=[joined], refused=[refused], cuts=[cut], people=[anna()]
    )
    text = shown(who.explained(answer, SHANGHAI))
    for said in (
        "● they are one",
        "What joins",
        "seen together twice",
        "What does not",
        "one person may have at most 1 user_id",
        "passed on",
    ):
        assert said in text
    assert EVENT.hex()[:12] in text


def test_a_decision_tells_its_event_and_what_it_did_not_achieve() -> None:
    decided = pb.Decided(
        event_id=EVENT, position=Position(partition=3, position=7), note="limits hold", people=[anna()]
    )
    text = shown(who.decided(decided, SHANGHAI, dry=False))
    assert EVENT.hex() in text.replace("\n", "")
    assert "at 3:7" in text.replace("\n", " ")
    assert "limits hold" in text
    assert "nothing was decided" in shown(who.decided(decided, SHANGHAI, dry=True))


def test_a_plan_says_what_changes_in_the_rules_and_for_people() -> None:
    plan = rules_pb2.RulesPlan(
        merged=1,
        split=2,
        moved=3,
        identifiers=4_000,
        changes=["device_id.people: 3 → 2"],
        sample=[rules_pb2.PersonChange(before=[ONE], after=[ONE, TWO], reason="device_id [d1] is shared")],
    )
    text = shown(who.plan(plan))
    for said in ("device_id.people: 3 → 2", "4,000 identifiers", "1 person would be several", "2 of today's", "[d1]"):
        assert said in text
    assert "nothing" in shown(who.plan(rules_pb2.RulesPlan()))


def test_each_change_is_a_line() -> None:
    key = bytes.fromhex(ONE)
    moved = pb.IdentifierMoved(key=key, from_person=key, to_person=bytes.fromhex(TWO))
    assert TWO in who.change(pb.WatchChangesResponse(moved=moved))
    assert who.change(pb.WatchChangesResponse(merged=pb.PersonsMerged(before=[ONE, TWO], after=ONE))).endswith(ONE)
    assert who.change(pb.WatchChangesResponse(split=pb.PersonSplit(before=ONE, after=[ONE, TWO]))).endswith(TWO)
    assert "whole again" in who.change(pb.WatchChangesResponse(cut=pb.Cut(identifier=known("phone", "1"))))
    assert who.change(pb.WatchChangesResponse()) == ""
