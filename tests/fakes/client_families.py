"""Hands a snapshot to the Prometheus project's Python client, which the encoder is held against."""

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.core import Metric as ClientFamily
from prometheus_client.utils import floatToGoString

from hostcollector.base.model import Family, Histogram, Kind, Metric, Snapshot

_SUFFIXES = {Kind.COUNTER: "_total", Kind.INFO: "_info"}


class ClientCollector:
    """A snapshot as a custom collector: what `generate_latest` needs of a registry is `collect`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._families = [client_family(family) for family in snapshot.families if family.series]

    def collect(self) -> list[ClientFamily]:
        """Return the snapshot's families that have series, made beforehand."""
        return self._families


def client_family(family: Family) -> ClientFamily:
    """Return the client's own value for a family."""
    metric = family.metric
    target = _empty(metric)
    for labels, value in family.series.items():
        if isinstance(value, Histogram):
            assert isinstance(target, HistogramMetricFamily)
            bounds = [floatToGoString(bound) for bound in value.bounds]  # type: ignore[no-untyped-call]
            target.add_metric(labels, tuple(zip(bounds, value.counts, strict=True)), sum_value=None)
        else:
            target.add_sample(metric.name, dict(zip(metric.label_names, labels, strict=True)), value)
    return target


def _empty(metric: Metric) -> ClientFamily:
    name = metric.name.removesuffix(_SUFFIXES.get(metric.kind, ""))
    # The client appends a unit that the name lacks, and the common names lack some.
    unit = metric.unit if name.endswith(f"_{metric.unit}") else ""
    match metric.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(name, metric.help, labels=metric.label_names, unit=unit)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(name, metric.help, labels=metric.label_names, unit=unit)
        case Kind.INFO:
            return InfoMetricFamily(name, metric.help, labels=metric.label_names)
        case Kind.GAUGE:
            return GaugeMetricFamily(name, metric.help, labels=metric.label_names, unit=unit)
