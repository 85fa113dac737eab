from services.profile.domain.portrait import Portrait
from services.profile.domain.recent import RECENT_KEPT
from services.profile.domain.view import SECTIONS, ActiveHour, PortraitView, Section, view
from tests.support.interactions import DAY, NOON, SHANGHAI, fact, folded, identified, moment, portrait_of, tracked


def shown(portrait: Portrait, now: int = NOON, sections: frozenset[Section] = SECTIONS) -> PortraitView:
    return view(portrait, now, SHANGHAI, {}, sections=sections)


def test_activity_is_counted_in_calendar_days_of_the_tenants_zone_with_today() -> None:
    ages = [0, 1, 6, 7, 29, 30, 89, 90, 500]
    viewed = folded(fact(tracked("Page Opened"), NOON - age * DAY, str(age)) for age in ages)
    activity = shown(viewed).activity["page_opened"]
    assert (activity.count, activity.last_7_days, activity.last_30_days, activity.last_90_days) == (9, 3, 5, 7)
    assert (activity.first_at, activity.last_at) == (NOON - 500 * DAY, NOON)


def test_a_window_moves_at_midnight_of_the_zone_and_not_of_utc() -> None:
    viewed = folded([fact(tracked("a"), moment("2026-03-01T23:30:00+08:00"))])
    assert shown(viewed, moment("2026-03-07T23:59:00+08:00")).activity["a"].last_7_days == 1
    assert shown(viewed, moment("2026-03-08T00:00:00+08:00")).activity["a"].last_7_days == 0


def test_a_day_after_today_moves_no_window() -> None:
    viewed = folded([fact(tracked("a"), NOON), fact(tracked("a"), NOON + 2 * DAY, "m2")])
    activity = shown(viewed).activity["a"]
    assert (activity.count, activity.last_7_days) == (2, 1)


def test_the_newest_interactions_come_first() -> None:
    sent = [fact(tracked("a"), NOON + i, str(i)) for i in range(RECENT_KEPT + 10)]
    recent = shown(folded(reversed(sent))).recent
    assert [event_id for _, event_id, _, _ in recent] == [one.event_id for one in sent[: -RECENT_KEPT - 1 : -1]]


def test_active_hours_are_those_of_the_person_and_not_of_portraits_own_messages() -> None:
    portrait = portrait_of(tracked("a"), tracked("b"), tracked("message_sent"), at=moment("2026-03-01T21:15:00+08:00"))
    assert shown(portrait).active_hours == (ActiveHour(7, 21, 2),)


def test_only_the_sections_asked_for_are_read() -> None:
    portrait = portrait_of(identified({"city": "上海"}), tracked("Order Completed", {"revenue": 5}))
    only = shown(portrait, sections=frozenset({"spending"}))
    assert only.spending["CNY"].total == 500
    assert (only.traits, only.activity, only.affinities, only.recent, only.identifiers) == ({}, {}, (), (), ())
    assert only.interactions == 2
    full = shown(portrait)
    assert all(getattr(full, section) for section in SECTIONS - {"consents"})


def test_nobody_was_never_seen() -> None:
    nobody = shown(Portrait())
    assert (nobody.interactions, nobody.first_seen_at, nobody.last_seen_at) == (0, None, None)


def test_what_was_ignored_and_trimmed_is_told() -> None:
    portrait = portrait_of(tracked("Order Completed", {"revenue": "NaN"}))
    portrait.trimmed["activity"] = 1
    assert shown(portrait).ignored == {"AMOUNT_UNREADABLE": 1}
    assert shown(portrait).trimmed == ("activity",)
