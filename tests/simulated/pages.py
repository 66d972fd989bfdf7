"""What a page of the simulated host says, in the form that tests compare."""

from collections.abc import Mapping
from dataclasses import dataclass

from hostcollector.base.model import IDENTITY_LABELS, Histogram, Report, Scope, Snapshot


@dataclass(frozen=True, slots=True)
class Seen:
    """A series of a GPU, a vGPU or a PCI function: whose it is by its labels, and its value."""

    name: str
    tenant: str
    domain: str
    labels: Mapping[str, str]
    value: float


def series_of(snapshot: Snapshot) -> list[Seen]:
    """Return the series about GPUs and PCI functions."""
    found = []
    for family in snapshot.families:
        metric = family.metric
        if metric.name.startswith(("libvirt_domain_gpu", "libvirt_domain_pci", "hostcollector_host_gpu")):
            for labels, value in family.series.items():
                assert not isinstance(value, Histogram)
                owner = labels[: len(IDENTITY_LABELS)] if metric.scope is Scope.DOMAIN else ("", "", "")
                own = labels[len(IDENTITY_LABELS) :] if metric.scope is Scope.DOMAIN else labels
                named = dict(zip(metric.labels, own, strict=True))
                found.append(Seen(metric.name, owner[0], owner[1], named, value))
    return found


def values(snapshot: Snapshot, name: str, **labels: str) -> dict[tuple[str, str], float]:
    """Return the values of a metric by domain (empty for the host's) and GPU."""
    return {
        (seen.domain, seen.labels["gpu"]): seen.value
        for seen in series_of(snapshot)
        if seen.name == name and labels.items() <= dict(seen.labels).items()
    }


def report_of(snapshot: Snapshot, source: str) -> Report:
    """Return how a source fared."""
    return next(report for report in snapshot.reports if report.source == source)
