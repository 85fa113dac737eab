import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from libs.devstack.stack import Stack

async def main():
    async with Stack(Path(sys.argv[1]), services=(), postgres_settings={"shared_buffers": "128MB"}) as stack:
        connection = await asyncpg.connect(stack.postgres.dsn("postgres"))
        print(os.geteuid(), await connection.fetchval("SELECT 6 * 7"))
        await connection.close()

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here shows it already")
def test_an_ordinary_user_runs_the_same_stack_in_a_home_of_its_own(own_folder: Path) -> None:
    own_folder.chmod(0o755)
    home = own_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    environment = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # -B: a cache file written by root's own Python stays as it is
    argv = [_interpreter(environment), "-B", "-c", PROGRAM, str(home / "data")]
    ran = subprocess.run(
        argv, env=environment, cwd=home, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
    )
    assert ran.stdout.decode() == f"{NOBODY} 42\n", ran.stderr.decode()
    assert ran.returncode == 0
    assert [entry.name for entry in home.iterdir()] == ["data"]


def _interpreter(environment: dict[str, str]) -> str:
    """A Python of our version that the user may run, with our packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin")):
        if candidate is not None and _works(candidate, environment):
            return candidate
    pytest.skip(f"no {version} with these packages that an ordinary user may read")


def _works(candidate: str, environment: dict[str, str]) -> bool:
    argv = [candidate, "-B", "-c", "import asyncpg, libs.devstack.stack"]
    try:
        ran = subprocess.run(
            argv, env=environment, cwd="/", user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False
        )
    except PermissionError:
        return False
    return ran.returncode == 0
