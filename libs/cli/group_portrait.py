"""The portrait of a group, as a table and as a file with charts."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from portrait.tagging.v1 import group_portrait_pb2 as pb
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub

from libs.cli import group_looks
from libs.cli.calling import Calling
from libs.cli.errors import BadInput, NotThere
from libs.cli.portraying import titled
from libs.cli.said import crowd_said

Language = Literal["en", "zh"]

By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        help="What to compare: a tag's key, stage, tier, score:KEY or segment:KEY; may be repeated. Default: all.",
    ),
]
When = Annotated[
    str,
    typer.Option("--when", help="In place of a segment, a condition such as '{tag: vip}' or a file with one."),
]
Html = Annotated[Path | None, typer.Option("--html", help="Write one file with charts, which needs no network.")]
Most = Annotated[int, typer.Option(min=1, max=256, help="So many values of one characteristic.")]
InLanguage = Annotated[Language, typer.Option(help="Language of titles.")]

_REFERENCE = re.compile(r"stage|tier|(tag|segment|score):.*")


async def portrait(
    calling: Calling,
    segment: Annotated[str, typer.Argument(help="Key of a segment.")] = "",
    *,
    by: By = None,
    when: When = "",
    most: Most = 20,
    html: Html = None,
    language: InLanguage = "en",
) -> None:
    """What a segment is like beside everyone: shares, index and what may be chance; with --html also as charts."""
    if bool(segment) == bool(when):
        raise BadInput("SEGMENT", "needs the key of a segment, or --when with a condition, and not both")
    crowd = crowd_said(when, "--when") if when else crowd_said(segment, "SEGMENT")
    asked = [_reference(one) for one in by or ()]
    request = pb.GetGroupPortraitRequest(crowd=crowd, characteristics=asked, most_values=most)
    if html is not None:
        need_charts()
    found = await calling.ask(SegmentsStub(calling.channel).GetGroupPortrait, request)
    calling.show(found, lambda: group_looks.portrait(found, language))
    if html is not None:
        title = titled(found.titles, segment or when, language)
        _write(html, title, found, language, datetime.now(calling.zone))


def _reference(said: str) -> str:
    return said if _REFERENCE.fullmatch(said) else f"tag:{said}"


def need_charts() -> None:
    """Raises `NotThere` where the charts are not installed."""
    try:
        import plotly  # noqa: F401, PLC0415  half a second, and nothing else needs it
    except ImportError:
        raise NotThere("--html needs the charts: pip install 'portrait[charts]'") from None


def _write(html: Path, title: str, found: pb.GetGroupPortraitResponse, language: Language, when: datetime) -> None:
    from libs.cli.charts.page import Subject, page  # noqa: PLC0415  for the same reason

    html.write_text(page(Subject(title, f"{when:%Y-%m-%d %H:%M}"), found, language), encoding="utf-8")
    typer.echo(f"charts are in {html}", err=True)
