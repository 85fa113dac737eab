"""What the page says besides titles, in both languages."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "heading": "{title}: a group portrait",
        "people": "people",
        "of_everyone": "{share} of everyone ({everyone})",
        "apart": "What sets them apart",
        "apart_note": (
            "Index 100 is as common as among everyone, 200 twice, 50 half as common. Lines are intervals of 95 %; "
            "chosen is what differs most for certain."
        ),
        "nothing_apart": "Nothing sets this group apart for certain.",
        "flags": "Traits that somebody has or has not",
        "group": "Group",
        "everyone": "Everyone",
        "share": "Share of people",
        "index": "Index (everyone = 100)",
        "unclear": "may be chance",
        "none": "(none)",
        "of_known": "Of those who have a value: {share} of the group, {other} of everyone.",
        "other": "{count} other values",
        "holders": "has one",
        "of": "{title}: {value}",
        "too_many": "There are too many values to tell apart.",
        "median": (
            "Half of the group is at {median} or below, of everyone at {other}. "
            "The middle half: {first} to {third}, of everyone {other_first} to {other_third}."
        ),
        "shift": "Against the median of the rest that is {shift} (95 %: {low} to {high}).",
        "footnote": (
            "Figures count all people as of {when}; nobody is sampled. Intervals tell how much another group of the "
            "same kind might differ by chance: Wilson for shares, Koopman for index and lift, Price and Bonett for "
            "medians. Hollow marks are no proof of a difference."
        ),
    },
    "zh": {
        "heading": "{title}：群体画像",
        "people": "人",
        "of_everyone": "占全体的 {share}（全体 {everyone} 人）",
        "apart": "这群人有何不同",
        "apart_note": (
            "指数 100 表示与全体相同，200 表示高一倍，50 表示低一半。横线为 95% 置信区间；只列出差异最大且确定的特征。"
        ),
        "nothing_apart": "没有任何特征能确定地区分这个群体。",
        "flags": "是否具有的特征",
        "group": "该群体",
        "everyone": "全体",
        "share": "人数占比",
        "index": "指数（全体 = 100）",
        "unclear": "可能只是偶然",
        "none": "（无）",
        "of_known": "只统计有值的人：该群体的 {share}，全体的 {other}。",
        "other": "其他 {count} 个值",
        "holders": "有值",
        "of": "{title}：{value}",
        "too_many": "取值过多，无法逐一区分。",
        "median": (
            "该群体的中位数为 {median}，全体为 {other}。"
            "中间一半的人：{first} 至 {third}，全体为 {other_first} 至 {other_third}。"
        ),
        "shift": "中位数与其余人相差 {shift}（95%：{low} 至 {high}）。",
        "footnote": (
            "数字统计了截至 {when} 的所有人，没有抽样。区间表示同类的另一群人可能因偶然而相差多少："
            "占比用 Wilson 区间，指数与提升度用 Koopman 区间，中位数用 Price–Bonett 区间。空心标记不足以证明有差异。"
        ),
    },
}
