"""Charts: the share of each value in the group beside that of everyone, and the index with its interval."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite, log10
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from portrait.tagging.v1 import group_portrait_pb2 as pb

from libs.cli.portraying import Standout, title_of, value_of

GROUP, EVERYONE, MORE, LESS = "#0072B2", "#B8BEC6", "#0072B2", "#D55E00"
"""Of the palette of Okabe and Ito, which those who see few colours can tell apart."""
INK, GRID = "#1F2933", "#E4E7EB"
FONTS: Final = "Inter, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', sans-serif"

_LINE: Final = 30
_AROUND: Final = 96
_LEAST, _MOST = 5, 2_000
"""What the axis of indexes shows at the most; beyond it a mark stands at the edge."""
_TICKS: Final = (5, 10, 25, 50, 100, 200, 400, 1_000, 2_000)
_LONGEST: Final = 28

Words = Mapping[str, str]


class Line(NamedTuple):
    """One line of a chart."""

    label: str
    comparison: pb.Comparison
    quiet: bool = False


def lines_of(one: pb.Distribution, words: Words, language: str) -> list[Line]:
    """The values of a characteristic, those without a row together, and those of whom none is known."""
    lines = [Line(value_of(one, row, language) or words["holders"], row.comparison) for row in one.rows]
    if one.HasField("other"):
        lines.append(Line(words["other"].format(count=f"{one.other.values:,}"), one.other.comparison, quiet=True))
    if one.HasField("none"):
        lines.append(Line(words["none"], one.none, quiet=True))
    return lines


def apart(several: Sequence[Standout], words: Words, language: str) -> Any:
    """What sets the group apart, most first."""
    lines = []
    for one in several:
        title, value = title_of(one.distribution, language), value_of(one.distribution, one.row, language)
        flag = one.distribution.kind == pb.DISTRIBUTION_KIND_FLAG
        label = title if flag else words["of"].format(title=title, value=value or words["holders"])
        lines.append(Line(label, one.row.comparison))
    return beside(lines, words, longest=2 * _LONGEST)


def beside(lines: Sequence[Line], words: Words, longest: int = _LONGEST) -> Any:
    """Shares of the group and of everyone at the left, the index at the right, a line each."""
    figure = make_subplots(1, 2, shared_yaxes=True, column_widths=[0.56, 0.44], horizontal_spacing=0.04)
    at = list(range(len(lines)))
    for trace in (
        _bars([line.comparison.share.value for line in lines], at, words["group"], GROUP, lines),
        _bars([line.comparison.share_of_everyone for line in lines], at, words["everyone"], EVERYONE),
    ):
        figure.add_trace(trace, 1, 1)
    figure.add_trace(_indexes(lines, at), 1, 2)
    figure.add_vline(100, line={"color": INK, "width": 1}, row=1, col=2)
    figure.update_xaxes(row=1, col=1, tickformat=".0%", title=words["share"], rangemode="tozero")
    low, high = _range([line.comparison.index for line in lines if line.comparison.HasField("index")])
    figure.update_xaxes(
        row=1,
        col=2,
        type="log",
        title=words["index"],
        range=[log10(low), log10(high)],
        tickvals=_TICKS,
        ticktext=[f"{one:,}" for one in _TICKS],
    )
    figure.update_yaxes(range=[len(lines) - 0.4, -0.6], zeroline=False, showgrid=False, tickvals=at)
    figure.update_yaxes(row=1, col=1, ticktext=[_shown(line, longest) for line in lines])
    return _laid_out(figure, _AROUND + _LINE * len(lines))


def columns(one: pb.Distribution, words: Words, language: str) -> Any:
    """Values in their order from left to right: hours, and bins of numbers."""
    figure, lines = go.Figure(), [Line(value_of(one, row, language), row.comparison) for row in one.rows]
    at = list(range(len(lines)))
    shares = [line.comparison.share for line in lines]
    figure.add_bar(
        x=at,
        y=[line.comparison.share_of_everyone for line in lines],
        name=words["everyone"],
        marker_color=EVERYONE,
        hovertext=[_told(line, words) for line in lines],
        hoverinfo="text",
    )
    figure.add_bar(
        x=at,
        y=[share.value for share in shares],
        name=words["group"],
        marker_color=GROUP,
        error_y=_errors(shares),
        hovertext=[_told(line, words) for line in lines],
        hoverinfo="text",
    )
    figure.update_yaxes(tickformat=".0%", title=words["share"], rangemode="tozero")
    figure.update_xaxes(tickvals=at, ticktext=[escape(line.label) for line in lines], showgrid=False)
    return _laid_out(figure, 300)


def _bars(values: Sequence[float], at: Sequence[int], name: str, colour: str, lines: Sequence[Line] = ()) -> Any:
    error = _errors([line.comparison.share for line in lines]) if lines else None
    return go.Bar(
        x=values,
        y=at,
        orientation="h",
        name=name,
        marker_color=colour,
        error_x=error,
        hovertemplate=f"%{{x:.1%}}<extra>{escape(name)}</extra>",
    )


def _errors(shares: Sequence[pb.Estimate]) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [share.high - share.value for share in shares],
        "arrayminus": [share.value - share.low for share in shares],
        "color": INK,
        "thickness": 1,
        "width": 2,
    }


def _indexes(lines: Sequence[Line], at: Sequence[int]) -> Any:
    known = [
        (line.comparison, place) for line, place in zip(lines, at, strict=True) if line.comparison.HasField("index")
    ]
    values = [_within(one.index.value) for one, _ in known]
    colours = [MORE if value >= 100 else LESS for value in values]  # noqa: PLR2004  as everyone
    return go.Scatter(
        x=values,
        y=[place for _, place in known],
        mode="markers",
        showlegend=False,
        marker={
            "size": 10,
            "color": colours,
            "symbol": [_mark(one) for one, _ in known],
            "line": {"width": 2, "color": colours},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "color": "#7B8794",
            "thickness": 1.5,
            "width": 4,
            "array": [_within(one.index.high) - value for (one, _), value in zip(known, values, strict=True)],
            "arrayminus": [value - _within(one.index.low) for (one, _), value in zip(known, values, strict=True)],
        },
        hovertext=[f"{one.index.value:,.0f} ({one.index.low:,.0f} – {one.index.high:,.0f})" for one, _ in known],
        hoverinfo="text",
    )


def _mark(one: pb.Comparison) -> str:
    """Full where it is certain; an arrow where the axis ends before it."""
    index = one.index.value
    shape = "triangle-left" if index < _LEAST else "triangle-right" if index > _MOST else "circle"
    return shape if one.telling else f"{shape}-open"


def _within(index: float) -> float:
    return min(max(index, _LEAST), _MOST)


def _range(indexes: Sequence[pb.Estimate]) -> tuple[float, float]:
    ends = [_within(end) for one in indexes for end in (one.low, one.high) if isfinite(end)]
    return min([40, *ends]) / 1.15, max([250, *ends]) * 1.15


def _shown(line: Line, longest: int) -> str:
    label = line.label if len(line.label) <= longest else line.label[: longest - 1] + "…"
    return f"<i>{escape(label)}</i>" if line.quiet else escape(label)


def _told(line: Line, words: Words) -> str:
    one = line.comparison
    index = f" · {one.index.value:,.0f}" if one.HasField("index") else ""
    shares = f"{words['group']} {one.share.value:.1%} · {words['everyone']} {one.share_of_everyone:.1%}"
    return f"{escape(line.label)}<br>{shares}{index}"


def _laid_out(figure: Any, height: int) -> Any:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 34, "b": 8},
        barmode="group",
        bargap=0.28,
        bargroupgap=0.06,
        font={"family": FONTS, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        hoverlabel={"font": {"family": FONTS}},
    )
    figure.update_xaxes(automargin=True, gridcolor=GRID, title_font_size=12, tickfont_size=12)
    figure.update_yaxes(
        ticks="outside",
        ticklen=7,
        tickcolor="white",
        automargin=True,
        gridcolor=GRID,
        title_font_size=12,
        tickfont_size=13,
    )
    return figure
