"""What NVML reports of one physical GPU: gauges in base units, and counters as NVML counts them.

Most values are one call each (the two tables of `_Gauge` and `_Counter`). Calls with several values have a
function. An answer that cannot be read is noted in `gaps` and costs its own values only.

Source: NVML API reference; the numbers are those of nvml.h.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hostcollector.base.gaps import Gaps
from hostcollector.base.units import BYTES_PER_KIB, NANOSECONDS_PER_SECOND
from hostcollector.catalogue import gpu as rows
from hostcollector.catalogue.possible import is_unknown_count
from hostcollector.catalogue.rows import Twin
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.binding import SupportedCalls

Key = tuple[Twin, tuple[str, ...]]
"""The rows of a value, and the values of its labels after `gpu`."""

PERCENT = 100
_MILLI = 1000
_MEGA = 10**6

SCALES: Mapping[Twin, int] = {rows.ENERGY: _MILLI, rows.THROTTLED: NANOSECONDS_PER_SECOND}
"""The divisors of raw counters that are not in base units: energy in mJ, throttling in ns."""


@dataclass(frozen=True, slots=True)
class _Gauge:
    twin: Twin
    labels: tuple[str, ...]
    function: str
    arguments: tuple[int, ...] = ()
    convert: Callable[[Any], float] = float


@dataclass(frozen=True, slots=True)
class _Counter:
    twin: Twin
    labels: tuple[str, ...]
    function: str
    arguments: tuple[int, ...] = ()
    convert: Callable[[Any], int] = int


def _from_milli(value: int) -> float:
    return value / _MILLI


def _share(value: Any) -> float:
    return float(value[0] / PERCENT)


def _first(value: Any) -> float:
    return float(value[0])


def _from_mega(value: int) -> float:
    return float(value * _MEGA)


def _violation(answer: Any) -> int:
    return int(answer.violationTime)


_GAUGES = (
    _Gauge(rows.POWER, (), "nvmlDeviceGetPowerUsage", (), _from_milli),
    _Gauge(rows.POWER_LIMIT, (), "nvmlDeviceGetEnforcedPowerLimit", (), _from_milli),
    _Gauge(rows.TEMPERATURE, (), "nvmlDeviceGetTemperature", (0,)),
    _Gauge(rows.UTILIZATION, ("encoder",), "nvmlDeviceGetEncoderUtilization", (), _share),
    _Gauge(rows.UTILIZATION, ("decoder",), "nvmlDeviceGetDecoderUtilization", (), _share),
    _Gauge(rows.UTILIZATION, ("jpeg",), "nvmlDeviceGetJpgUtilization", (), _share),
    _Gauge(rows.UTILIZATION, ("ofa",), "nvmlDeviceGetOfaUtilization", (), _share),
    _Gauge(rows.CLOCK, ("graphics",), "nvmlDeviceGetClockInfo", (0,), _from_mega),
    _Gauge(rows.CLOCK, ("sm",), "nvmlDeviceGetClockInfo", (1,), _from_mega),
    _Gauge(rows.CLOCK, ("memory",), "nvmlDeviceGetClockInfo", (2,), _from_mega),
    _Gauge(rows.CLOCK, ("video",), "nvmlDeviceGetClockInfo", (3,), _from_mega),
    _Gauge(rows.ECC_ENABLED, (), "nvmlDeviceGetEccMode", (), _first),
    _Gauge(rows.PAGE_RETIREMENT_PENDING, (), "nvmlDeviceGetRetiredPagesPendingStatus"),
    _Gauge(rows.TEMPERATURE_HEADROOM, (), "nvmlDeviceGetMarginTemperature"),
    _Gauge(rows.SRAM_ECC_THRESHOLD_EXCEEDED, (), "nvmlDeviceGetSramEccErrorStatus"),
)

_SEVERITIES = {"corrected": 0, "uncorrected": 1}
_LIFETIME = 1  # NVML_AGGREGATE_ECC; the other kind is reset with the driver
_MEMORIES = {"dram": 2, "sram": 7}
_POLICIES = {"power": 0, "thermal": 1, "sync_boost": 2, "board_limit": 3, "reliability": 5}
_CAUSES = {"single_bit_errors": 0, "double_bit_error": 1}

_COUNTERS = (
    _Counter(rows.ENERGY, (), "nvmlDeviceGetTotalEnergyConsumption"),
    _Counter(rows.PCIE_REPLAYS, (), "nvmlDeviceGetPcieReplayCounter"),
    *(
        _Counter(rows.THROTTLED, (reason,), "nvmlDeviceGetViolationStatus", (policy,), _violation)
        for reason, policy in _POLICIES.items()
    ),
    *(
        _Counter(rows.ECC_ERRORS, (name,), "nvmlDeviceGetTotalEccErrors", (severity, _LIFETIME))
        for name, severity in _SEVERITIES.items()
    ),
    *(
        _Counter(
            rows.MEMORY_ECC_ERRORS,
            (memory, name),
            "nvmlDeviceGetMemoryErrorCounter",
            (severity, _LIFETIME, location),
        )
        for memory, location in _MEMORIES.items()
        for name, severity in _SEVERITIES.items()
    ),
    *(
        _Counter(rows.RETIRED_PAGES, (name,), "nvmlDeviceGetRetiredPages", (cause,), len)
        for name, cause in _CAUSES.items()
    ),
)


def read_gauges(calls: SupportedCalls, subject: str, handle: Any, gaps: Gaps) -> Iterator[tuple[Key, float]]:
    """Yield the gauges of a GPU, NVLinks left out. Raises `LostError` and `ClosedError`."""
    for gauge in _GAUGES:
        with gaps.item(f"{subject}: {gauge.function}"):
            answer = calls.answer(subject, gauge.function, handle, *gauge.arguments)
            if answer is not None:
                yield (gauge.twin, gauge.labels), gauge.convert(answer)
    for what, part in _PARTS.items():
        with gaps.item(f"{subject}: {what}"):
            yield from part(calls, subject, handle)


def read_counters(calls: SupportedCalls, subject: str, handle: Any, gaps: Gaps) -> Iterator[tuple[Key, int]]:
    """Yield the raw counters of a GPU, NVLinks left out. Raises `LostError` and `ClosedError`."""
    for counter in _COUNTERS:
        with gaps.item(f"{subject}: {counter.function}"):
            answer = calls.answer(subject, counter.function, handle, *counter.arguments)
            if answer is not None:
                yield (counter.twin, counter.labels), counter.convert(answer)
    with gaps.item(f"{subject}: its remapped rows"):
        remapped = calls.answer(subject, "nvmlDeviceGetRemappedRows", handle)
        if remapped is not None:
            yield (rows.REMAPPED_ROWS, ("corrected",)), int(remapped[0])
            yield (rows.REMAPPED_ROWS, ("uncorrected",)), int(remapped[1])


def memory(calls: SupportedCalls, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    """Yield the memory of a GPU or a MIG instance, in bytes. Memory that the driver reserves is not used."""
    answer = calls.answer(subject, "nvmlDeviceGetMemoryInfo", handle, binding.MEMORY_VERSION_2)
    if answer is None:
        answer = calls.answer(subject, "nvmlDeviceGetMemoryInfo", handle)
    if answer is not None:
        yield (rows.MEMORY, ()), float(answer.total)
        yield (rows.MEMORY_USED, ()), float(answer.used)


def encoder(statistics: tuple[int, int, int] | None) -> Iterator[tuple[Key, float]]:
    """Yield what nvmlDeviceGetEncoderStats gives for a GPU or a vGPU; its latency is in microseconds."""
    if statistics is not None:
        sessions, frames, latency = statistics
        yield (rows.ENCODER_SESSIONS, ()), float(sessions)
        if sessions:
            yield (rows.ENCODER_FRAMES, ()), float(frames)
            yield (rows.ENCODER_LATENCY, ()), latency / _MEGA


def _encoder(calls: SupportedCalls, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    return encoder(calls.answer(subject, "nvmlDeviceGetEncoderStats", handle))


# Fields by id and scope; the average power is in milliwatts, and its scope 2 is the memory.
_FIELDS: tuple[tuple[tuple[int, int], Twin, Callable[[int], float]], ...] = (
    ((82, 0), rows.MEMORY_TEMPERATURE, float),
    ((185, 2), rows.MEMORY_POWER, _from_milli),
)


def _fields(calls: SupportedCalls, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    wanted = tuple(field_id for field_id, *_ in _FIELDS)
    values = binding.field_numbers(calls.answer(subject, "nvmlDeviceGetFieldValues", handle, wanted))
    for field_id, twin, convert in _FIELDS:
        if field_id in values:
            yield (twin, ()), convert(values[field_id])


def _utilization(calls: SupportedCalls, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    answer = calls.answer(subject, "nvmlDeviceGetUtilizationRates", handle)
    if answer is not None:
        yield (rows.UTILIZATION, ("gpu",)), answer.gpu / PERCENT
        yield (rows.UTILIZATION, ("memory",)), answer.memory / PERCENT


# Bits of nvmlClocksEventReasons.
_HELD = {
    0x1: "idle",
    0x2: "application_clocks",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal",
    0x40: "hw_thermal",
    0x80: "hw_power_brake",
    0x100: "display_clocks",
}


def _clocks_held(calls: SupportedCalls, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    bits = calls.answer(subject, "nvmlDeviceGetCurrentClocksEventReasons", handle)
    if bits is None:
        # The name before driver 535.
        bits = calls.answer(subject, "nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    if bits is not None and not is_unknown_count(bits):
        for bit, reason in _HELD.items():
            yield (rows.CLOCKS_HELD, (reason,)), float(bool(bits & bit))


def _row_remapping(calls: SupportedCalls, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    remapped = calls.answer(subject, "nvmlDeviceGetRemappedRows", handle)
    if remapped is not None:
        yield (rows.ROW_REMAPPING_PENDING, ()), float(remapped[2])
        yield (rows.ROW_REMAPPING_FAILED, ()), float(remapped[3])
    banks = calls.answer(subject, "nvmlDeviceGetRowRemapperHistogram", handle)
    if banks is not None:
        for spares in ("max", "high", "partial", "low", "none"):
            yield (rows.ROW_REMAPPING_BANKS, (spares,)), float(getattr(banks, spares))


_PARTS: Mapping[str, Callable[[SupportedCalls, str, Any], Iterator[tuple[Key, float]]]] = {
    "its utilisation": _utilization,
    "its memory": memory,
    "why its clocks are held": _clocks_held,
    "its remapped rows": _row_remapping,
    "its encoder": _encoder,
    "its fields": _fields,
}

# Field ids. The errors are totals of all links; the data takes a scope that means all links.
_NVLINK_ERRORS = {38: "crc_flit", 45: "crc_data", 52: "replay", 59: "recovery"}
_NVLINK_DATA = {138: rows.NVLINK_TRANSMITTED, 139: rows.NVLINK_RECEIVED}
# Blackwell and later count the data of each link, in bytes.
_NVLINK_LINK_DATA = {202: rows.NVLINK_TRANSMITTED, 204: rows.NVLINK_RECEIVED}
_MOST_LINKS = 36


def read_nvlinks(calls: SupportedCalls, subject: str, handle: Any) -> dict[int, bool]:
    """Return the GPU's NVLinks by number, and whether each is up."""
    links: dict[int, bool] = {}
    for link in range(_MOST_LINKS):
        state = calls.answer(subject, "nvmlDeviceGetNvLinkState", handle, link)
        # Link numbers have holes: a missing link is not the last one.
        if state is not None:
            links[link] = bool(state)
    return links


def read_nvlink_counters(
    calls: SupportedCalls, subject: str, handle: Any, links: Mapping[int, bool]
) -> Iterator[tuple[Key, int]]:
    """Yield the raw counters of all NVLinks together; of the data in bytes."""
    if not links:
        return
    fields = (*((name, 0) for name in _NVLINK_ERRORS), *((name, binding.ALL_LINKS) for name in _NVLINK_DATA))
    values = binding.field_numbers(calls.answer(subject, "nvmlDeviceGetFieldValues", handle, fields))
    for number, kind in _NVLINK_ERRORS.items():
        if (errors := values.get((number, 0))) is not None:
            yield (rows.NVLINK_ERRORS, (kind,)), errors
    data = {twin: values.get((number, binding.ALL_LINKS)) for number, twin in _NVLINK_DATA.items()}
    for twin, kibibytes in data.items():
        if kibibytes is not None:
            yield (twin, ()), kibibytes * BYTES_PER_KIB
    if all(kibibytes is None for kibibytes in data.values()):
        yield from _link_by_link(calls, subject, handle, links)


def _link_by_link(
    calls: SupportedCalls, subject: str, handle: Any, links: Mapping[int, bool]
) -> Iterator[tuple[Key, int]]:
    up = [link for link, is_up in links.items() if is_up]
    fields = tuple((number, link) for number in _NVLINK_LINK_DATA for link in up)
    answer = calls.answer(subject, "nvmlDeviceGetFieldValues", handle, fields) if fields else None
    values = binding.field_numbers(answer)
    for number, twin in _NVLINK_LINK_DATA.items():
        parts = [values[number, link] for link in up if (number, link) in values]
        # Left out if any link is missing: a smaller sum would look like a reset.
        if parts and len(parts) == len(up):
            yield (twin, ()), sum(parts)
