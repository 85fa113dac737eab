import re
import sys
from io import StringIO

import pytest
from portrait.tagging.v1 import group_portrait_pb2 as pb
from rich.console import Console

from libs.cli import group_looks
from libs.cli.charts.page import Subject, page
from libs.cli.errors import NotThere
from libs.cli.group_portrait import need_charts
from libs.cli.portraying import standouts, title_of, value_of
from services.tagging.codec.group_portraits import portrayed_on_wire
from services.tagging.domain.characteristics import HOURS, Characteristic, Kind, Portrayed
from services.tagging.domain.group_portrait import Sizes, of_flag, of_numbers, of_values
from tests.unit.tagging.test_group_portrait import numbers

SIZES = Sizes(100, 1_000)
NASTY = "</script><script>alert(1)</script>"


def portrait() -> pb.GetGroupPortraitResponse:
    def about(key: str, kind: Kind, **titles: str) -> Characteristic:
        return Characteristic(f"tag:{key}", titles, kind)

    hours = {hour: (int(hour), 10 * int(hour)) for hour in HOURS[8:12]}
    spent = of_numbers(SIZES, numbers(range(400_000, 500_000, 1_000)), numbers(range(0, 450_000, 500)))
    cities = of_values(SIZES, {NASTY: (70, 90), "[bold]北京": (10, 500)})
    found = [
        Portrayed(about("vip", "flag", en="The group itself", zh="本群体"), of_flag(SIZES, 100, 100)),
        Portrayed(about("drives", "flag", en="Drives", zh="有车一族"), of_flag(SIZES, 60, 200)),
        Portrayed(about("city", "choice", zh="城市"), cities),
        Portrayed(about("hour", "hours", en="Hour"), of_values(SIZES, hours, HOURS, of_known=True)),
        Portrayed(about("spent", "numbers", en="Spent"), spent),
    ]
    return pb.GetGroupPortraitResponse(group=100, everyone=1_000, distributions=map(portrayed_on_wire, found))


def test_what_sets_a_group_apart_is_certain_and_no_tautology() -> None:
    found = standouts(portrait(), 4)
    named = [title_of(one.distribution, "en") for one in found]
    assert "The group itself" not in named
    assert all(one.row.comparison.telling for one in found)
    indexes = [one.row.comparison.index.value for one in found]
    assert indexes == sorted(indexes, reverse=True)
    assert max(named.count(one) for one in named) <= 2


def test_values_are_called_as_people_read_them() -> None:
    _, drives, city, hour, spent = portrait().distributions
    assert [title_of(one, "zh") for one in (drives, city, hour)] == ["有车一族", "城市", "Hour"]
    assert value_of(drives, drives.rows[0], "en") == "Drives"
    assert value_of(hour, hour.rows[9], "en") == "09:00"
    assert re.fullmatch(r"[\d.,]+ – [\d.,]+", value_of(spent, spent.rows[0], "en"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_everything_in_it_and_nothing_that_was_collected_can_run(language: str) -> None:
    html = page(Subject(NASTY, "2026-01-01"), portrait(), language)
    assert NASTY not in html
    assert "default-src 'none'" in html
    assert not re.search(r"<(?:script|link|img|iframe)\s[^>]*(?:src|href)=", html)
    assert f'lang="{language}"' in html


def test_a_terminal_shows_shares_index_and_what_may_be_chance() -> None:
    console = Console(file=StringIO(), width=120, highlight=False)
    console.print(group_looks.portrait(portrait(), "en"))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "100 people of 1,000, 10.0%" in text
    assert re.search(r"Drives +60 +60.0% +20.0% +300 +\d+ – \d+ +▲", text)
    assert re.search(r"\[bold\]北京 +10 +10.0% +50.0% +20 ", text)
    assert "median" in text


def test_without_plotly_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(NotThere, match=r"portrait\[charts\]"):
        need_charts()
