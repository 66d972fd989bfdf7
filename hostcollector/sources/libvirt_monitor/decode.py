"""libvirt's statistics records: as samples, by the catalogue's table of fields, and whether one is whole."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hostcollector.base.model import Guest, Histogram, Metric, Sample
from hostcollector.base.units import bytes_from_kib, seconds_from_ns
from hostcollector.catalogue import block, cpu, memory
from hostcollector.catalogue.libvirt_fields import Convert, field_of, normalised
from hostcollector.catalogue.possible import AHEAD_SECONDS

# Fields that do not map one to one have functions of their own below.
_SPECIAL = frozenset({block.LATENCY, memory.LAST_UPDATE, cpu.PERF_EVENTS})
# Reported by the guest's balloon driver. The other fields of the balloon come from libvirt and QEMU.
_REPORTED = frozenset(
    f"balloon.{name}"
    for name in (
        *("available", "unused", "usable", "disk_caches", "swap_in", "swap_out"),
        *("major_fault", "minor_fault", "hugetlb_pgalloc", "hugetlb_pgfail"),
    )
)

# The data of these disks does not pass through QEMU, so QEMU counts nothing.
_PASSES_QEMU = frozenset({"vhostuser", "vhostvdpa"})


class _Plan(NamedTuple):
    """What a field's values become; nothing without a `metric`.

    Their labels are `labels`. With `named_by`, the label is the text of the field of that name.
    """

    metric: Metric | None
    convert: Convert
    labels: tuple[str, ...] = ()
    named_by: str = ""


class Decoder:
    """Decodes records. Remembers what each field name means, so that a name is parsed once."""

    def __init__(self) -> None:
        self._plans: dict[str, _Plan] = {}
        self._unknown: set[str] = set()
        self._has_latency = False

    @property
    def unknown_fields(self) -> frozenset[str]:
        """The field names, without indices, that the table does not have."""
        return frozenset(self._unknown)

    def decode(self, uuid: str, record: Mapping[str, Any], taken_at: float) -> Iterator[Sample]:
        """Yield the samples of one guest's record. A field that the record lacks gives no sample.

        Figures of the balloon driver without a known time give none either: they may be old.
        """
        plans = self._plans
        dated = is_dated(record, taken_at)
        for key, value in record.items():
            if not dated and key in _REPORTED:
                continue
            metric, convert, labels, named_by = plans.get(key) or self._plan(key)
            if metric is None:
                continue
            if not named_by:
                yield Sample(metric, convert(value), labels, uuid)
            elif (name := record.get(named_by)) is not None:
                yield Sample(metric, convert(value), (name,), uuid)
        yield from _balloon(uuid, record)
        yield from _reported(uuid, record, taken_at) if dated else _undated(uuid, record)
        if self._has_latency:
            yield from _latency(uuid, record)

    def _plan(self, key: str) -> _Plan:
        """Parse a field's name, and remember what it means."""
        field, (name, index) = field_of(key), normalised(key)
        if field is None:
            self._unknown.add(name)
        elif field.metric is block.LATENCY:
            self._has_latency = True
        if field is None or field.metric is None or field.metric in _SPECIAL:
            plan = _Plan(None, float)
        elif not field.metric.labels:
            plan = _Plan(field.metric, field.convert)
        elif key.startswith("block."):
            plan = _Plan(field.metric, field.convert, named_by=f"block.{index}.name")
        else:
            plan = _Plan(field.metric, field.convert, (str(index),))
        self._plans[key] = plan
        return plan


def is_dated(record: Mapping[str, Any], taken_at: float) -> bool:
    """Whether the time of the balloon driver's report is known: 0 means never, and none is in the future."""
    updated: float = record.get("balloon.last-update", 0)
    return 0 < updated <= taken_at + AHEAD_SECONDS


def _balloon(uuid: str, record: Mapping[str, Any]) -> Iterator[Sample]:
    current = record.get("balloon.current")
    if current is not None:
        yield Sample(memory.ACTUAL_BALLOON, bytes_from_kib(current), (), uuid)
        yield Sample(memory.CURRENT_BALLOON, bytes_from_kib(current), (), uuid)


def _reported(uuid: str, record: Mapping[str, Any], taken_at: float) -> Iterator[Sample]:
    """Yield figures computed from the driver's report. A share above the guest's memory is left out."""
    caches = record.get("balloon.disk_caches")
    if caches is not None:
        yield Sample(memory.DISK_CACHES, bytes_from_kib(caches), (), uuid)
    available, usable = record.get("balloon.available"), record.get("balloon.usable")
    most = record.get("balloon.maximum", available)
    if available and usable is not None and 0 <= usable <= available <= most:
        yield Sample(memory.USED_PERCENT, 100 * (available - usable) / available, (), uuid)
    updated = record["balloon.last-update"]
    yield Sample(memory.LAST_UPDATE, updated, (), uuid)
    yield Sample(memory.AGE, max(0.0, taken_at - updated), (), uuid)


def _undated(uuid: str, record: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield an impossible time of the driver's report, so that it is noted; its figures are left out."""
    updated = record.get("balloon.last-update", 0)
    if updated or not _REPORTED.isdisjoint(record):
        yield Sample(memory.LAST_UPDATE, updated, (), uuid)


def _latency(uuid: str, record: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield histograms: ``block.<n>.latency_histogram.<operation>.bin.<m>.{start,value}``, starts in ns."""
    suffix = ".bin.count"
    for key, count in record.items():
        if not key.endswith(suffix) or ".latency_histogram." not in key:
            continue
        prefix = key.removesuffix(".count")
        name = record.get(f"block.{normalised(key)[1]}.name")
        if name is None or not 0 < count <= len(record):
            continue
        starts = [record.get(f"{prefix}.{position}.start") for position in range(count)]
        values = [record.get(f"{prefix}.{position}.value") for position in range(count)]
        if None in starts or None in values:
            continue
        operation = key.removesuffix(suffix).rpartition(".")[2]
        yield Sample(block.LATENCY, _histogram(starts[1:], values), (name, operation), uuid)


def _histogram(upper_bounds: Iterable[Any], values: Iterable[Any]) -> Histogram:
    """Return the cumulative form: a bin's upper bound is the next bin's start, and the last bin has none."""
    counts, total = [], 0
    for value in values:
        total += value
        counts.append(total)
    return Histogram(
        bounds=(*(seconds_from_ns(bound) for bound in upper_bounds), math.inf), counts=tuple(counts)
    )


def promises_counters(guest: Guest) -> bool:
    """Whether QEMU counts what one of the guest's disks does; assumed where no disk is known."""
    disks = guest.domain.disks
    return not disks or any(disk.type not in _PASSES_QEMU for disk in disks)


def is_partial(record: Mapping[str, Any], guest: Guest) -> bool:
    """Whether libvirt could not ask the monitor: with a busy job it gives names and sizes but no counters.

    The resident size is the one balloon field that libvirt adds whenever it held the job.
    """
    return "balloon.rss" not in record or lacks_counters(record, guest)


def has_answered(record: Mapping[str, Any]) -> bool:
    """Whether the monitor was asked for the record at all, for its balloon, its disks or both."""
    return "balloon.rss" in record or _has_counters(record)


def lacks_counters(record: Mapping[str, Any], guest: Guest) -> bool:
    """Whether the guest has disks that QEMU counts for, and the record none of their counters."""
    return bool(record.get("block.count", 0) > 0) and not _has_counters(record) and promises_counters(guest)


def _has_counters(record: Mapping[str, Any]) -> bool:
    return any(key.endswith(".rd.reqs") for key in record)
