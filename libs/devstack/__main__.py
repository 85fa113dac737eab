"""The detached stack: `python -m libs.devstack DATA`; everything is up until it gets a signal."""

import argparse
import sys
from pathlib import Path

from libs.devstack.commands import up
from libs.devstack.errors import DevstackError
from libs.devstack.stack import SERVICES
from libs.devstack.supervisor import Condition


def main() -> int:
    """Run until told to end; 1 and the reason when it could not start."""
    options = argparse.ArgumentParser(prog="python -m libs.devstack", description=__doc__)
    options.add_argument("data", type=Path, help="data folder")
    options.add_argument("--services", nargs="+", default=SERVICES, help="names of services")
    options.add_argument("--replicas", type=int, default=1, help="processes of each service")
    options.add_argument("--tenants-file", type=Path, help="the tenants document; default: the one shipped")
    options.add_argument("--ports", choices=("default", "free"), default="default")
    options.add_argument("--package", default="services", help="where the services' modules live")
    said = options.parse_args()
    try:
        up(
            said.data,
            services=said.services,
            replicas=said.replicas,
            tenants_file=said.tenants_file,
            ports=said.ports,
            package=said.package,
            detach=False,
            report=_line,
        )
    except DevstackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _line(condition: Condition) -> None:
    sys.stdout.write(f"{condition}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
