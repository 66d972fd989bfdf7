"""What a query may ask for: the catalogue, the gateway's metrics, those of a scrape, the recordings."""

from dataclasses import dataclass
from itertools import chain

from hostcollector.base.model import IDENTITY_LABELS, Kind, Scope
from hostcollector.catalogue import ALL
from hostcollector.gateway.metrics import FAMILIES, PREFIX
from hostcollector.gateway.usage import intake_metrics
from tests.dashboards.promql import INCREASES, Query, Selector, labels_of
from tests.dashboards.rule_files import recordings

SCRAPED = frozenset({"job", "instance", "region", "availability_zone", "rack"})
"""Labels that the scrape configuration puts on every series."""

# Counters of the guest's kernel whose common names are typed gauge.
COUNTING_GAUGES = frozenset(
    {"libvirt_domain_memory_stats_swap_in_bytes", "libvirt_domain_memory_stats_swap_out_bytes"}
)


BORN_LATE = frozenset({"hostcollector_host_gpu_xid_events_by_code_total"})
"""Counters whose series begin with their first event: a rule looks for the series too."""


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of a name: its labels and whether it counts."""

    labels: frozenset[str]
    counts: bool = False


def known() -> dict[str, Series]:
    """Return every name that a query may use."""
    found = {"up": Series(SCRAPED), "scrape_duration_seconds": Series(SCRAPED)}
    # An alert carries the labels of what it is about; those checked are the ones that boards match on.
    about = {"alertname", "alertstate", "severity", "scope", "component", "for", "gpu", "pci_address"}
    found["ALERTS"] = Series(SCRAPED | set(IDENTITY_LABELS) | about)
    for row in ALL:
        labels = SCRAPED | set(row.label_names)
        if row.kind is Kind.HISTOGRAM:
            found[f"{row.name}_bucket"] = Series(labels | {"le"}, counts=True)
            found[f"{row.name}_count"] = Series(labels, counts=True)
        else:
            found[row.name] = Series(labels, counts=row.kind is Kind.COUNTER)
    for family in (*FAMILIES.values(), *intake_metrics.FAMILIES):
        name, labels = PREFIX + family.name, SCRAPED | set(family.labels)
        if family.kind is Kind.HISTOGRAM:
            found[f"{name}_bucket"] = Series(labels | {"le"}, counts=True)
            found[f"{name}_count"] = Series(labels, counts=True)
        else:
            found[name] = Series(labels, counts=family.kind is Kind.COUNTER)
    for rule in recordings():
        made = labels_of(rule.query, lambda metric: found[metric].labels if metric in found else frozenset())
        before = found[rule.name].labels if rule.name in found else frozenset()
        found[rule.name] = Series(before | made | set(rule.labels))
    return found


KNOWN = known()
ABOUT_GUESTS = frozenset(row.name for row in ALL if row.scope is Scope.DOMAIN)


def complaints(query: Query) -> list[str]:
    """Return what a query asks for that no page can have, and counters that it takes for values."""
    return [*chain.from_iterable(map(_about, query.selectors)), *_groups(query)]


def _about(selector: Selector) -> list[str]:
    series = KNOWN.get(selector.metric)
    if series is None:
        return [f"no metric {selector.metric}"]
    found = [f"{selector.metric} has no label {label}" for label in sorted(selector.labels - series.labels)]
    counts = series.counts or selector.metric in COUNTING_GAUGES
    if counts and selector.function not in INCREASES and selector.metric not in BORN_LATE:
        found.append(f"{selector.metric} counts, and is not inside rate or increase")
    if not counts and selector.function in INCREASES:
        found.append(f"{selector.metric} does not count, and is inside {selector.function}")
    return found


def _groups(query: Query) -> list[str]:
    """Return labels that are grouped or joined by and that nothing in the query has."""
    there = frozenset().union(
        query.made, *(KNOWN[one.metric].labels for one in query.selectors if one.metric in KNOWN)
    )
    named = query.joined.union(*(aggregation.labels for aggregation in query.aggregations))
    return [f"nothing has the label {label}" for label in sorted(named - there)]
