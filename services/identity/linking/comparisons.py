"""How Splink is to compare: levels of likeness for each subject, in DuckDB's SQL.

Each level has its m, how often two records of one person compare so. They are declared and not trained: on households
the training (expectation maximisation) learns that one person has two first names, because it takes families for
people, and a small tenant has too few pairs to learn from. How often two strangers compare so (u) is counted on the
tenant's own people, and a name that many have counts for less than a rare one.
"""

from typing import Any, Final, NamedTuple

from services.identity.linking.linker import Grade, Subject

Settings = dict[str, Any]


class Level(NamedTuple):
    """How two values compare: `l` and `r` in the SQL are their suffixes."""

    grade: Grade
    m: float
    sql: str


class Comparison(NamedTuple):
    """A subject, the column that must be known of both, and levels, of which the first that holds counts.

    If it is `counted`, sameness weighs by how many have that value.
    """

    subject: Subject
    column: str
    levels: tuple[Level, ...]
    counted: bool = False

    def settings(self) -> Settings:
        """As Splink reads it."""
        levels: list[Settings] = [
            {"sql_condition": _either_unknown(self.column), "label_for_charts": "unknown", "is_null_level": True},
        ]
        levels += [
            {"sql_condition": level.sql, "label_for_charts": level.sql, "m_probability": level.m}
            for level in self.levels
        ]
        if self.counted:
            levels[1]["tf_adjustment_column"] = self.column
        return {"output_column_name": self.column, "comparison_levels": levels}

    def grade(self, level: int) -> Grade:
        """What a level's number in Splink's answers means: they count down to 0."""
        return self.levels[len(self.levels) - 1 - level].grade


def _either_unknown(column: str) -> str:
    return f"{column}_l IS NULL OR {column}_r IS NULL"


def _slip(column: str) -> str:
    """One letter wrong, missing, too many, or two exchanged."""
    return f"damerau_levenshtein({column}_l, {column}_r) <= 1"


def _sounds(column: str, least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


def _name(subject: Subject, column: str) -> Comparison:
    levels = (
        Level("same", 0.85, f"{column}_l = {column}_r"),
        Level("near", 0.08, f"{_sounds(column, 0.92)} OR {_slip(column)}"),
        Level("different", 0.03, _sounds(column, 0.8)),
        Level("different", 0.04, "ELSE"),
    )
    return Comparison(subject, column, levels, counted=True)


def _figures(subject: Subject, column: str, same: float, near: float) -> Comparison:
    levels = (
        Level("same", same, f"{column}_l = {column}_r"),
        Level("near", near, _slip(column)),
        Level("different", 1 - same - near, "ELSE"),
    )
    return Comparison(subject, column, levels)


def _word(subject: Subject, column: str, same: float) -> Comparison:
    levels = (Level("same", same, f"{column}_l = {column}_r"), Level("different", 1 - same, "ELSE"))
    return Comparison(subject, column, levels)


def _any_of(subject: Subject, column: str) -> Comparison:
    """Of contacts, people have several and give new ones, so that others say little."""
    levels = (Level("same", 0.7, f"list_has_any({column}_l, {column}_r)"), Level("different", 0.3, "ELSE"))
    return Comparison(subject, column, levels)


def _address() -> Comparison:
    street = _sounds("street", 0.9)
    number = "street_number_l = street_number_r"
    near_number = f"({_either_unknown('street_number')} OR {_slip('street_number')})"
    levels = (
        Level("same", 0.8, f"{street} AND {number}"),
        Level("near", 0.08, f"{street} AND {near_number}"),
        Level("near", 0.06, street),
        Level("different", 0.06, "ELSE"),
    )
    return Comparison("address", "street", levels)


COMPARISONS: Final = (
    _name("first name", "first_name"),
    _word("middle name", "middle_initial", 0.95),
    _name("last name", "last_name"),
    _figures("birthday", "birthday", 0.9, 0.06),
    _word("gender", "gender", 0.98),
    _figures("document number", "document_number", 0.9, 0.08),
    _address(),
    _name("city", "city"),
    _figures("postcode", "postcode", 0.9, 0.05),
    _any_of("phone", "phones"),
    _any_of("e-mail", "emails"),
)

WHERE_TO_LOOK: Final[tuple[tuple[str, ...], ...]] = (
    ("birthday",),
    ("document_number",),
    ("first_name", "last_name"),
    ("first_name", "street"),
    ("last_name", "street"),
    ("street", "street_number"),
    ("first_name", "postcode"),
    ("last_name", "postcode"),
    ("first_name", "substr(last_name, 1, 3)"),
    ("last_name", "substr(first_name, 1, 2)"),
    ("phones",),
    ("emails",),
)
"""What two people must have in common to be compared at all, any of these; lists have one value in common."""

LISTS: Final = frozenset({"phones", "emails"})
