import pytest
from portrait.identity.v1 import events_pb2 as pb
from portrait.log.v1 import event_pb2 as log_pb

from libs.people.identity_events import CUT, MOVED, RULES, RulesMade, news_in, rules_in


def published(version: int, document: str, tenant: str = "demo") -> log_pb.Event:
    payload = pb.RulesPublished(version=version, document=document).SerializeToString()
    return log_pb.Event(tenant=tenant, type=RULES, version=1, payload=payload)


def test_rules_are_read_with_their_version_and_whatever_else_is_said_is_not() -> None:
    others = [log_pb.Event(tenant="demo", type=type_, version=1, key=bytes(16)) for type_ in (MOVED, CUT, "linked")]
    assert rules_in([*others, published(3, "types: …"), published(4, "…", tenant="other")]) == [
        RulesMade("demo", 3, "types: …"),
        RulesMade("other", 4, "…"),
    ]
    assert news_in([published(3, "types: …")]) == {}


def test_rules_in_a_form_that_only_a_newer_release_reads_are_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="rules_published has version 2"):
        rules_in([log_pb.Event(tenant="demo", type=RULES, version=2)])
