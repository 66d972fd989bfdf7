"""THE table of metrics: every series on the page points at one of these rows.

One file per subject; a new metric is one row in the file of its subject. What tenants see of it is its column
`tenant`, which points at a row of `vm`: a row without it is private. What libvirt or another exporter
offers and this page leaves out is in `left_out`, with the reason.
"""

from collections.abc import Iterator
from itertools import groupby
from types import ModuleType

from hostcollector.base.model import Metric
from hostcollector.catalogue import (
    block,
    bmc,
    cgroup,
    collection,
    cpu,
    ends,
    gpu,
    guest,
    host,
    infiniband,
    interface,
    job,
    limits,
    liveness,
    memory,
    network,
    ovs,
    pci,
    uplinks,
    vf,
    vm,
)
from hostcollector.catalogue.rows import Twin

SUBJECTS = (
    guest,
    liveness,
    ends,
    job,
    cpu,
    memory,
    block,
    interface,
    limits,
    vf,
    pci,
    gpu,
    bmc,
    ovs,
    network,
    cgroup,
    host,
    uplinks,
    infiniband,
    collection,
)


def rows_of(subject: ModuleType) -> Iterator[Metric]:
    """Yield the rows of one of the `SUBJECTS`, in the order of its file.

    Of twins that follow each other the guests' rows come first.
    """
    for kind, group in groupby(vars(subject).values(), type):
        values = list(group)
        if kind is Twin:
            yield from (twin.guest for twin in values)
            yield from (twin.host for twin in values)
            continue
        for value in values:
            if isinstance(value, Metric):
                yield value
            elif isinstance(value, dict):
                yield from (row for row in value.values() if isinstance(row, Metric))


ALL: tuple[Metric, ...] = tuple(row for subject in SUBJECTS for row in rows_of(subject))
OF_TENANTS: tuple[Metric, ...] = tuple(rows_of(vm))
"""The rows of the tenant page. No operator's page has them."""

BY_NAME: dict[str, Metric] = {row.name: row for row in ALL}
