from urllib.request import urlopen

from libs.telemetry.metrics import METRIC_NAMES, Metrics


def test_every_name_is_a_metric_and_every_metric_has_a_name() -> None:
    made = {name for name in Metrics().registry._names_to_collectors if not name.endswith("_created")}
    assert set(METRIC_NAMES) <= made
    families = {family.name for family in Metrics().registry.collect()}
    assert families == {name.removesuffix("_total") for name in METRIC_NAMES}


def test_metrics_are_served_over_http() -> None:
    metrics = Metrics()
    metrics.duplicates.labels("true").inc(3)
    metrics.heartbeat("relay")
    with metrics.serving("127.0.0.1", 0) as port, urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    assert 'portrait_duplicates_total{differs="true"} 3.0' in text
    assert 'portrait_loop_heartbeat_seconds{loop="relay"}' in text


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.append_events.inc()
    assert other.registry.get_sample_value("portrait_append_events_total") == 0
