"""Plans on the wire: which of the doubts are names that others may bring."""

from libs.conditions.check import MOST_TOLD, Finding
from services.tagging.codec.explanations import plan_on_wire
from services.tagging.domain.plan import TagPlan

UNREACHED = Finding("stages[1]", "no move leads to 'lost' from 'new'")


def unknown(key: str) -> Finding:
    return Finding("when.tag", f"no tag {key!r} is known", kind="tag", unknown=key)


def test_each_unknown_name_says_which_warning_tells_of_it() -> None:
    plan = plan_on_wire(TagPlan(), [unknown("vip"), UNREACHED, unknown("o'clock")], ["is new"], ["not checked"])
    assert [(one.kind, one.name, plan.warnings[one.warning]) for one in plan.unknown] == [
        ("tag", "vip", "when.tag: no tag 'vip' is known"),
        ("tag", "o'clock", 'when.tag: no tag "o\'clock" is known'),
    ]
    assert plan.warnings[-1] == "not checked"


def test_unknown_names_that_no_warning_tells_of_are_only_counted() -> None:
    plan = plan_on_wire(TagPlan(), [unknown(f"tag_{n}") for n in range(MOST_TOLD + 2)], ["is new"])
    assert [one.warning for one in plan.unknown] == list(range(MOST_TOLD))
    assert plan.warnings[-1] == "and 2 more"
