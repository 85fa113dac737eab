"""Baselines: who hangs together at all, by libraries that know neither rules nor times."""

from collections.abc import Callable, Mapping
from typing import Final

import networkx as nx
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.identity.domain.evidence import Evidence, Key


def _by_scipy(evidence: Evidence) -> int:
    place = {key: number for number, key in enumerate(evidence.seen)}
    ends = np.array([(place[a], place[b]) for a, b in evidence.pairs]).T
    ones = np.ones(len(evidence.pairs), dtype=np.int8)
    count, _ = connected_components(coo_array((ones, (ends[0], ends[1])), shape=(len(place), len(place))))
    return int(count)


def graph_of(evidence: Evidence) -> nx.Graph:
    """Everybody, as networkx sees them."""
    graph = nx.Graph()
    graph.add_nodes_from(evidence.seen)
    graph.add_edges_from(evidence.pairs)
    return graph


def part(graph: nx.Graph, a: Key, b: Key) -> int:
    """How many hang together with two who were linked and are no more."""
    graph.add_edge(a, b)
    graph.remove_edge(a, b)
    return len(nx.node_connected_component(graph, a)) + len(nx.node_connected_component(graph, b))


def _by_networkx(evidence: Evidence) -> int:
    return int(nx.number_connected_components(graph_of(evidence)))


BY: Final[Mapping[str, Callable[[Evidence], int]]] = {"scipy": _by_scipy, "networkx": _by_networkx}
