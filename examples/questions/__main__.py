"""`python -m examples.questions grocery`: ask everybody everything, three ways, and tell what it took."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from rich.console import Console
from rich.table import Table

from examples.questions.answers import Answered, People, by_history, by_plan, by_sql, narrowed
from examples.questions.paper import Paper


def main(arguments: Sequence[str]) -> int:
    """Answer the questions of a scenario; 0 if all three ways agree, else 1."""
    options = argparse.ArgumentParser(prog="python -m examples.questions", description=__doc__)
    options.add_argument("scenario", choices=["grocery", "shop"])
    options.add_argument("--people", type=int, help="so many (default: all)")
    said = options.parse_args(arguments)
    paper, shown = Paper.load(said.scenario), Console()
    documents, began = paper.documents(said.people), process_time()
    people = People.of(paper, documents)
    decoding = process_time() - began
    with TemporaryDirectory() as folder:
        file = Path(folder) / "interactions.ndjson"
        file.write_bytes(b"\n".join(documents))
        ways = {"plan": by_plan(paper, people), "history": by_history(paper, people), "SQL": by_sql(paper, file)}
    agreed = _compare(shown, paper, ways)
    shown.print(f"{len(documents):,} interactions, decoded in {decoding:.1f} s; CPU seconds of the rest:")
    for way, answered in ways.items():
        shown.print(f"  {way}: " + ", ".join(f"{part} {seconds:.1f}" for part, seconds in answered.seconds.items()))
    return 0 if agreed else 1


def _compare(shown: Console, paper: Paper, ways: dict[str, Answered]) -> bool:
    truth = ways["SQL"].answers
    table = Table("question", *(f"people on {moment:%Y-%m-%d}" for moment in paper.moments), "all three agree")
    agreed = True
    for one in paper.questions:
        asked = [(moment.isoformat(), one.key) for moment in paper.moments]
        same = all(narrowed(way.answers, truth)[each] == truth[each] for way in ways.values() for each in asked)
        agreed &= same
        table.add_row(one.key, *(str(len(truth[each])) for each in asked), "yes" if same else "NO")
    shown.print(table)
    return agreed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
