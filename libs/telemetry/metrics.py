"""What Portrait measures: every metric with its name, labels and meaning, in this one place.

Everything is counted per call or per batch, never per event. A lag is read off when it changes, so it is as fresh as
the loop that sets it; `portrait_loop_heartbeat_seconds` tells a loop that stands still from one with nothing to do.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

MetricName = Literal[
    "portrait_rpc_seconds",
    "portrait_append_seconds",
    "portrait_append_events_total",
    "portrait_append_queue_events",
    "portrait_duplicates_total",
    "portrait_quarantined_total",
    "portrait_fold_seconds",
    "portrait_projection_lag_events",
    "portrait_projection_lag_seconds",
    "portrait_dead_letters",
    "portrait_parking_full",
    "portrait_due_people",
    "portrait_membership_lag_events",
    "portrait_columns_bytes",
    "portrait_relay_lag_events",
    "portrait_relay_published_total",
    "portrait_leases_held",
    "portrait_lease_epochs_total",
    "portrait_archived_events_total",
    "portrait_loop_heartbeat_seconds",
    "portrait_unmapped_errors_total",
]

METRIC_NAMES: Final[tuple[MetricName, ...]] = get_args(MetricName)

# From the shortest call on one core to the longest deadline anybody sensible sets.
_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one service, in a registry of their own.

    Each attribute is a prometheus metric: `metrics.dead_letters.labels("portraits").set(3)`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rpc_seconds = self._histogram("portrait_rpc_seconds", "How long calls took.", "method", "code")
        self.append_seconds = self._histogram("portrait_append_seconds", "How long append transactions took.")
        self.append_events = self._counter("portrait_append_events_total", "Events recorded in the own log.")
        self.append_queue = self._gauge("portrait_append_queue_events", "Events that wait to be appended.")
        self.duplicates = self._counter(
            "portrait_duplicates_total",
            "Events whose id was recorded before; differs: true if not their content.",
            "differs",
        )
        self.quarantined = self._counter("portrait_quarantined_total", "Events put in quarantine.", "reason")
        self.fold_seconds = self._histogram("portrait_fold_seconds", "How long folding a batch took.", "projection")
        self.projection_lag_events = self._gauge(
            "portrait_projection_lag_events",
            "Events recorded and not yet in the projection's stored state.",
            "projection",
        )
        self.projection_lag_seconds = self._gauge(
            "portrait_projection_lag_seconds", "Age of the oldest such event; 0 without lag.", "projection"
        )
        self.dead_letters = self._gauge(
            "portrait_dead_letters",
            "Events that can't be folded, and of a consumer those that wait behind them.",
            "projection",
        )
        self.parking_full = self._gauge(
            "portrait_parking_full", "1 while as many keys are parked as may be: the release is broken.", "projection"
        )
        self.due_people = self._gauge("portrait_due_people", "People whose tags are yet to be answered.")
        self.membership_lag = self._gauge(
            "portrait_membership_lag_events", "Events recorded and not yet in this replica's bitmaps of members."
        )
        self.columns_bytes = self._gauge(
            "portrait_columns_bytes", "Memory of this replica's columns, from which edited conditions are counted."
        )
        self.relay_lag_events = self._gauge(
            "portrait_relay_lag_events", "Events recorded and not yet published.", "log"
        )
        self.relay_published = self._counter("portrait_relay_published_total", "Events published.")
        self.leases_held = self._gauge(
            "portrait_leases_held", "Partitions of a role that are this replica's at the moment.", "role"
        )
        self.lease_epochs = self._counter(
            "portrait_lease_epochs_total", "Times that a partition of a role became this replica's.", "role"
        )
        self.archived_events = self._counter("portrait_archived_events_total", "Events written to archives.")
        self.loop_heartbeat = self._gauge(
            "portrait_loop_heartbeat_seconds", "When a background loop last turned, in seconds since 1970.", "loop"
        )
        self.unmapped_errors = self._counter(
            "portrait_unmapped_errors_total",
            "Calls that failed for a reason nobody thought of: each is a bug.",
            "method",
        )

    def heartbeat(self, loop: str) -> None:
        """Note that a background loop has turned."""
        self.loop_heartbeat.labels(loop).set(time.time())

    @contextmanager
    def serving(self, host: str, port: int) -> Iterator[int]:
        """Serve the metrics over HTTP from a thread of their own; yields the port, chosen freely if 0 was asked for."""
        server, thread = start_http_server(port, addr=host, registry=self.registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _histogram(self, name: MetricName, meaning: str, *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=_SECONDS, registry=self.registry)

    def _counter(self, name: MetricName, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: MetricName, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)
