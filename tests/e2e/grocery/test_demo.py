"""The demo as somebody runs it: as a process of its own, on a part of the data small enough to wait for."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

ROOT = Path(__file__).parents[3]
DEMO = (sys.executable, "-m", "examples.grocery.demo", "--households", "20")
ENDS_WITHIN = 600  # it takes a tenth of that, but a machine may be busy

pytestmark = pytest.mark.timeout(ENDS_WITHIN + 60)


class Run:
    """Runs of the demo that would leave their litter in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> subprocess.Popen[str]:
        """The demo, its output in pipes."""
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        pipe = subprocess.PIPE
        return subprocess.Popen(DEMO, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, encoding="utf-8")

    def left_behind(self) -> list[str]:
        """Files, and processes that know of the folder."""
        processes = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
        return [str(one) for one in self.folder.iterdir()] + [one for one in processes if str(self.folder) in one]


@pytest.fixture
def run() -> Iterator[Run]:
    # Directly under /tmp: paths of Unix sockets are short, and every account has to pass.
    with TemporaryDirectory(prefix="demo-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield Run(folder)


def test_the_demo_ends_well_tells_everything_and_leaves_nothing(run: Run) -> None:
    demo = run.start()
    told, complaints = demo.communicate(timeout=ENDS_WITHIN)
    assert demo.returncode == 0, complaints
    for sentence in (
        "✓ 438 interactions recorded",
        "✓ both are what the till says of those days",
        "WRONG_TYPE",
        "✓ mended and recorded",
        "✓ the portrait is as if it had never been sent",
        "✓ killed, and back after",
        "376 interactions were answered for",
        "✓ 776 interactions recorded without a broker, and as many wait to be relayed",
        "✓ 20 portraits hold what the till's 1,473 baskets say, to the cent: USD 44,597.86",
        "✓ NATS is back, empty",
        "version 2 differs from version 1 in 5 of 20 people",
        "✓ 5 households of 20 responded to campaigns, as 37 coupons at the till say",
        "✓ switched back and there again",
        "✓ one portrait of four interactions, by whichever identifier it is asked for",
        "✓ four people, and a tablet that is nobody's",
        "✓ what came under the number until that day is the former owner's, and the rest the new one's",
        "✓ two people again, under the ids that they had, with the portraits that they had",
        "✓ foretold, and nothing has changed",
        "✓ price_sensitive was foretold: 9 of 20 households would get it",
        "and USD 11,147.91 of 90 days to the cent",
        "✓ price_sensitive, and so said by the next call",
        "✓ it rests on the two coupons, and ends on 2018-01-10 at midnight unless there is a third",
        "✓ household 2 is price_sensitive no more",
        "✓ as foretold 0 gained it and 3 lost it; the till's rows name the same 6 households",
        "✓ one person of two coupons, price_sensitive, whichever way they are asked for",
        "✓ and two people again, with the tags that they had",
        "✓ Everything is as it should be",
    ):
        assert sentence in " ".join(told.split())  # where lines end depends on how long things took
    assert "\x1b" not in told + complaints, "control characters where no terminal is"
    assert run.left_behind() == []


def test_a_demo_that_is_interrupted_leaves_nothing_either(run: Run) -> None:
    demo = run.start()
    assert demo.stdout is not None
    while "up in" not in demo.stdout.readline():
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    _, complaints = demo.communicate(timeout=ENDS_WITHIN)
    assert demo.returncode == 130
    assert "Traceback" not in complaints
    assert run.left_behind() == []
