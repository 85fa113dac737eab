"""`make bench`: every benchmark, or those named; a JSON object a line on stdout, the work of each on stderr."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import uvloop

from tests.bench import append, archive, identity, machine, rebuild, service, tag_eval
from tests.bench.shop import Shop, open_shop

ALONE: Final[Mapping[str, Callable[[], Awaitable[None]]]] = {
    "append": append.run,
    "rebuild": rebuild.run,
    "archive": archive.run,
    "identity_replay": identity.replay,
    "unmerge": identity.unmerge,
    "tag_eval": tag_eval.run,
}
IN_SHOP: Final[Mapping[str, Callable[[Shop], Awaitable[None]]]] = {
    "freshness": service.freshness,
    "freshness_beside_rebuild": service.freshness_beside_rebuild,
    "profile_read": service.profile_read,
    "collect_to_portrait": service.collect_to_portrait,
}


async def bench(names: Sequence[str]) -> None:
    """Run benchmarks by name."""
    machine.speed()
    for name in names:
        if name in ALONE:
            await ALONE[name]()
    in_shop = [name for name in names if name in IN_SHOP]
    if in_shop:
        async with open_shop() as shop:
            for name in in_shop:
                await IN_SHOP[name](shop)


def main(names: Sequence[str]) -> int:
    """The exit status: 0 whether or not targets are met, 2 for a name that is none."""
    known = [*ALONE, *IN_SHOP]
    for name in names:
        if name not in known:
            sys.stderr.write(f"no benchmark {name!r}; there are {', '.join(known)}\n")
            return 2
    uvloop.run(bench(names or known))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
