"""`make bench`: every benchmark, or those named; a JSON object a line on stdout, the work of each on stderr."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import uvloop

from tests.bench import (
    append,
    archive,
    due,
    group_portrait,
    identity,
    machine,
    merge_freshness,
    people,
    rebuild,
    segment_adhoc,
    segment_count,
    segment_entry,
    service,
    tag_eval,
    tags,
)
from tests.bench.shop import Shop, open_shop

ALONE: Final[Mapping[str, Callable[[], Awaitable[None]]]] = {
    "append": append.run,
    "rebuild": rebuild.run,
    "archive": archive.run,
    "identity_replay": identity.replay,
    "unmerge": identity.unmerge,
    "tag_eval": tag_eval.run,
    "due": due.run,
    "segment_count": segment_count.run,
    "segment_adhoc": segment_adhoc.run,
    "group_portrait": group_portrait.run,
}
IN_SHOP: Final[Mapping[str, Callable[[Shop], Awaitable[None]]]] = {
    "freshness": service.freshness,
    "freshness_beside_rebuild": service.freshness_beside_rebuild,
    "profile_read": service.profile_read,
    "collect_to_portrait": service.collect_to_portrait,
}
WHO_IS_WHO: Final[Mapping[str, Callable[[Shop], Awaitable[None]]]] = {
    "batch_resolve": people.batch_resolve,
    "collect_to_people": people.collect_to_people,
    "merge_freshness": merge_freshness.merge_freshness,
}
"""In a shop with an identity service, which costs the others."""
TAGS: Final[Mapping[str, Callable[[Shop], Awaitable[None]]]] = {
    "tag_freshness": tags.tag_freshness,
    "collect_to_tags": tags.collect_to_tags,
    "segment_entry": segment_entry.segment_entry,
}
"""In a shop with a tagging service beside that."""


async def bench(names: Sequence[str]) -> None:
    """Run benchmarks by name."""
    machine.speed()
    for name in names:
        if name in ALONE:
            await ALONE[name]()
    for benches in (IN_SHOP, WHO_IS_WHO, TAGS):
        wanted = [name for name in names if name in benches]
        if wanted:
            async with open_shop(who_is_who=benches is WHO_IS_WHO, tags=benches is TAGS) as shop:
                for name in wanted:
                    await benches[name](shop)


def main(names: Sequence[str]) -> int:
    """The exit status: 0 whether or not targets are met, 2 for a name that is none."""
    known = [*ALONE, *IN_SHOP, *WHO_IS_WHO, *TAGS]
    for name in names:
        if name not in known:
            sys.stderr.write(f"no benchmark {name!r}; there are {', '.join(known)}\n")
            return 2
    uvloop.run(bench(names or known))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
