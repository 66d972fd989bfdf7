"""A reading's samples in the form that tests compare: by metric name, then by labels."""

from collections.abc import Iterable

from hostcollector.base.model import Sample

Table = dict[str, dict[tuple[str, ...], float]]


def table(samples: Iterable[Sample]) -> Table:
    """Return the values by metric name and by labels, the guest's UUID first where there is one."""
    found: Table = {}
    for metric, value, labels, uuid in samples:
        assert isinstance(value, int | float)
        series = found.setdefault(metric.name, {})
        key = (uuid, *labels) if uuid else labels
        assert len(labels) == len(metric.labels), metric.name
        assert key not in series, (metric.name, key)
        series[key] = value
    return found
