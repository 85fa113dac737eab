"""The baselines of `identity_replay`: who hangs together at all, by libraries that know neither rules nor times."""

from collections.abc import Callable, Mapping
from typing import Final

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.identity.domain.evidence import Evidence


def _by_scipy(evidence: Evidence) -> int:
    place = {key: number for number, key in enumerate(evidence.seen)}
    ends = np.array([(place[a], place[b]) for a, b in evidence.pairs]).T
    ones = np.ones(len(evidence.pairs), dtype=np.int8)
    count, _ = connected_components(coo_array((ones, (ends[0], ends[1])), shape=(len(place), len(place))))
    return int(count)


def _by_networkx(evidence: Evidence) -> int:
    graph = nx.Graph()
    graph.add_nodes_from(evidence.seen)
    graph.add_edges_from(evidence.pairs)
    return int(nx.number_connected_components(graph))


BY: Final[Mapping[str, Callable[[Evidence], int]]] = {"scipy": _by_scipy, "networkx": _by_networkx}
