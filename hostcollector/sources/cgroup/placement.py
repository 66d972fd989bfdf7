"""Which pages the memory of a guest's group is in: transparent huge pages, NUMA nodes.

The kernel sums these files over all processors when they are read, and what they say changes slowly: those of
a guest are read about once a minute, and not those of all guests in one collection.
Source: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

import errno
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import EXPECTED, Gaps
from hostcollector.base.keeping import kept_seconds
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Metric, Sample
from hostcollector.catalogue import cgroup
from hostcollector.protocols.kernel.files import integer, read
from hostcollector.sources.cgroup.groups import UNIFIED, GuestGroup

PLACEMENT_SECONDS = 60.0
"""How long the figures of a guest are shown at most before they are read again."""

# More NUMA nodes than servers have; each costs a series for each guest.
_MOST_NODES = 64
# Without its controller there is no such file; the group is gone.
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})

_HUGE_OF_VERSION_2 = {b"anon_thp": "anon", b"shmem_thp": "shmem"}
_HUGE_OF_VERSION_1 = {b"total_rss_huge": "anon"}
_BY_NODE_OF_VERSION_2 = frozenset({b"anon", b"shmem"})
# In pages. Shared memory is among the anonymous pages, locked memory is unevictable.
_BY_NODE_OF_VERSION_1 = frozenset({b"hierarchical_anon", b"hierarchical_unevictable"})


class _Placement(NamedTuple):
    samples: tuple[Sample, ...]
    problems: Mapping[str, str]
    until: float


class Placements:
    """Reads where the memory of guests is. `clock` is monotonic, `page_size` in bytes."""

    def __init__(self, page_size: int, clock: Clock) -> None:
        self._page_size = page_size
        self._clock = clock
        self._now = 0.0
        self._known: dict[str, _Placement] = {}
        self._before: dict[str, _Placement] = {}

    def begin(self) -> None:
        """Begin a reading: forget guests that the last one did not ask for."""
        self._now = self._clock()
        self._before, self._known = self._known, {}

    def of(self, groups: Mapping[str, GuestGroup], uuid: str, gaps: Gaps) -> tuple[Sample, ...]:
        """Return the series of a guest; what cannot be read is noted in each reading."""
        if (group := groups.get("memory")) is not None:
            version, unit = 1, self._page_size
        elif (group := groups.get(UNIFIED)) is not None:
            version, unit = 2, 1
        else:
            return ()
        # The directory has libvirt's number of the guest in its name: a restarted guest has another one.
        placement = self._before.get(group.directory)
        if placement is None or self._now >= placement.until:
            until = self._now + kept_seconds(PLACEMENT_SECONDS, group.directory)
            placement = _read(group.directory, version, unit, uuid, until)
        self._known[group.directory] = placement
        for path, why in placement.problems.items():
            gaps.unread(path, why)
        return placement.samples


def _read(directory: str, version: int, unit: int, uuid: str, until: float) -> _Placement:
    """Return the series of one guest; amounts of memory.numa_stat are in units of `unit` bytes."""
    huge = _HUGE_OF_VERSION_1 if version == 1 else _HUGE_OF_VERSION_2
    kinds = _BY_NODE_OF_VERSION_1 if version == 1 else _BY_NODE_OF_VERSION_2
    samples: list[Sample] = []
    problems: dict[str, str] = {}
    files: tuple[tuple[str, Metric, Callable[[bytes], Mapping[str, int]]], ...] = (
        ("memory.stat", cgroup.MEMORY_TRANSPARENT_HUGE, lambda content: _transparent(content, huge)),
        ("memory.numa_stat", cgroup.MEMORY_BY_NODE, lambda content: _by_node(content, kinds, unit)),
    )
    for name, metric, figures in files:
        path = f"{directory}/{name}"
        try:
            samples += (Sample(metric, value, (label,), uuid) for label, value in figures(read(path)).items())
        except EXPECTED as error:
            if not (isinstance(error, OSError) and error.errno in _ABSENT):
                problems[path] = str(error)
    return _Placement(tuple(samples), problems, until)


def _transparent(content: bytes, kinds: Mapping[bytes, str]) -> dict[str, int]:
    """Return the bytes by kind. A kernel without transparent huge pages has no such lines."""
    found = {}
    for line in content.splitlines():
        key, _, number = line.partition(b" ")
        if key in kinds:
            found[kinds[key]] = integer(number)
    return found


def _by_node(content: bytes, kinds: Collection[bytes], unit: int) -> dict[str, int]:
    """Return the bytes by node, from lines such as ``anon N0=8192 N1=0``, ``hierarchical_anon=2 N0=2 N1=0``.

    Raises `SourceMalformedError` where a kind is missing: the sum would be too small.
    """
    totals: dict[str, int] = {}
    lacking = set(kinds)
    for line in content.splitlines():
        kind, *words = line.split() or [b""]
        kind = kind.partition(b"=")[0]
        if kind not in lacking:
            continue
        lacking.discard(kind)
        for word in words:
            node, separator, amount = word.partition(b"=")
            if not (separator and node.startswith(b"N")):
                raise SourceMalformedError(f"not a node's memory: {word[:40]!r}")
            name = str(integer(node[1:]))
            totals[name] = totals.get(name, 0) + integer(amount) * unit
    if lacking:
        raise SourceMalformedError(f"no line {min(lacking).decode()}")
    if len(totals) > _MOST_NODES:
        raise SourceMalformedError(f"{len(totals)} NUMA nodes")
    return totals
