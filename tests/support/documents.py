"""Definitions of every kind as people write them."""


def document(tag: str, when: str, value: str = "flag", source: str = "rule") -> str:
    """A definition as people write it; `when` is YAML in one line."""
    rule = f"when: {when}" if when else ""
    return (
        f"tag: {tag}\ntitle: {{en: {tag}}}\ncategory: behaviour\nowner: me\n"
        f"description: for a test\nvalue: {value}\nsource: {source}\n{rule}\n"
    )


def segment(key: str, when: str = "") -> str:
    """A segment; with no condition, a list."""
    rule = f"when: {when}" if when else "list: true"
    return f"segment: {key}\ntitle: {{en: {key}}}\nowner: me\ndescription: for a test\n{rule}\n"


def tiers(**ladder: str) -> str:
    """Tiers with their conditions, the best first."""
    rungs = [f"- {{tier: {key}, title: {{en: {key}}}, when: {when}}}\n" for key, when in ladder.items()]
    return f"tiers: value\ntitle: {{en: Value}}\nowner: me\ndescription: for a test\nladder:\n{''.join(rungs)}"


def lifecycle(initial: str, *moves: tuple[str, str, str]) -> str:
    """A lifecycle with its moves: from a stage to another, when a condition holds."""
    stages = dict.fromkeys((initial, *(stage for one, other, _ in moves for stage in (one, other))))
    declared = ", ".join(f"{{stage: {stage}, title: {{en: {stage}}}}}" for stage in stages)
    made = "".join(f"- {{from: {one}, to: {other}, when: {when}}}\n" for one, other, when in moves)
    said = "lifecycle: life\ntitle: {en: Life}\nowner: me\ndescription: for a test\n"
    return f"{said}stages: [{declared}]\ninitial: {initial}\nmoves:\n{made}"
