"""One HTML file with every chart and all that it needs in it; it asks no network for anything."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final, NamedTuple

from plotly.offline import get_plotlyjs
from portrait.tagging.v1 import group_portrait_pb2 as pb

from libs.cli.charts.figures import FONTS, GRID, INK, Line, Words, apart, beside, columns, lines_of
from libs.cli.charts.words import WORDS
from libs.cli.portraying import amount, standouts, title_of

APART: Final = 12

_STYLE: Final = f"""
body {{ margin: 0; background: #F5F7FA; color: {INK}; font: 15px/1.55 {FONTS}; }}
main {{ max-width: 1180px; margin: 0 auto; padding: 36px 24px 48px; }}
h1 {{ font-size: 28px; margin: 0 0 4px; }} h2 {{ font-size: 18px; margin: 0; }}
.size {{ font-size: 17px; margin: 0 0 26px; color: #52606D; }} .size b {{ color: {INK}; font-size: 22px; }}
section {{ background: white; border: 1px solid {GRID}; border-radius: 10px; }}
section {{ padding: 18px 20px 10px; margin: 0 0 18px; }}
section code {{ color: #7B8794; font-size: 12px; font-weight: normal; margin-left: 8px; }}
p {{ margin: 4px 0 6px; color: #52606D; max-width: 118ch; }} footer {{ color: #7B8794; font-size: 13px; }}
@media print {{ section {{ break-inside: avoid; }} body {{ background: white; }} }}
"""
# Whatever the file holds, the browser must not fetch anything for it.
_ALONE: Final = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


class Subject(NamedTuple):
    """Whose portrait it is, and as of when."""

    title: str
    when: str


def page(subject: Subject, portrait: pb.GetGroupPortraitResponse, language: str) -> str:
    """The whole file."""
    words = WORDS[language]
    heading = words["heading"].format(title=subject.title)
    body = "\n".join(_sections(portrait, words, language))
    share = f"{portrait.group / portrait.everyone:.1%}"
    of_everyone = words["of_everyone"].format(share=share, everyone=f"{portrait.everyone:,}")
    return f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_ALONE}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(heading)}</title>
<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body><main>
<h1>{escape(heading)}</h1>
<p class="size"><b>{portrait.group:,}</b> {words["people"]} · {of_everyone}</p>
{body}
<footer>{escape(words["footnote"].format(when=subject.when))}</footer>
</main></body></html>
"""


def _sections(portrait: pb.GetGroupPortraitResponse, words: Words, language: str) -> Iterator[str]:
    several = standouts(portrait, APART)
    chart = _chart(apart(several, words, language)) if several else _paragraph(words["nothing_apart"])
    yield _section(words["apart"], "", _paragraph(words["apart_note"]) + chart)
    flags = [one for one in portrait.distributions if one.kind == pb.DISTRIBUTION_KIND_FLAG]
    if flags:
        lines = [Line(title_of(one, language), one.rows[0].comparison) for one in flags]
        lines.sort(key=lambda line: -line.comparison.share.value)
        yield _section(words["flags"], "", _chart(beside(lines, words)))
    for one in portrait.distributions:
        if one.kind != pb.DISTRIBUTION_KIND_FLAG and one.rows:
            yield _section(title_of(one, language), one.reference, _told(one, words) + _drawn(one, words, language))


def _drawn(one: pb.Distribution, words: Words, language: str) -> str:
    if one.kind in {pb.DISTRIBUTION_KIND_HOURS, pb.DISTRIBUTION_KIND_NUMBERS}:
        return _chart(columns(one, words, language))
    return _chart(beside(lines_of(one, words, language), words))


def _told(one: pb.Distribution, words: Words) -> str:
    parts = [words["too_many"]] if one.too_many_values else []
    if one.of_known:
        shares = one.known.share.value, one.known.share_of_everyone
        parts.append(words["of_known"].format(share=f"{shares[0]:.0%}", other=f"{shares[1]:.0%}"))
    if one.HasField("spread"):
        mine, all_ = one.spread.quartiles, one.spread.quartiles_of_everyone
        figures = {"median": mine.median, "first": mine.first, "third": mine.third}
        figures |= {"other": all_.median, "other_first": all_.first, "other_third": all_.third}
        parts.append(words["median"].format(**{name: amount(number) for name, number in figures.items()}))
        if one.spread.HasField("shift"):
            shift = one.spread.shift
            parts.append(
                words["shift"].format(shift=_signed(shift.value), low=_signed(shift.low), high=_signed(shift.high))
            )
    return _paragraph(" ".join(parts)) if parts else ""


def _signed(number: float) -> str:
    return f"{'+' if number > 0 else ''}{amount(number)}"


def _section(title: str, reference: str, body: str) -> str:
    code = f"<code>{escape(reference)}</code>" if reference else ""
    return f"<section><h2>{escape(title)}{code}</h2>{body}</section>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _chart(figure: Any) -> str:
    drawn: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return drawn
