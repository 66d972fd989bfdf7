"""What NVML tells of one physical GPU, in base units: tables of calls, and the few calls with many values."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hostcollector.base.gaps import Gaps
from hostcollector.catalogue.possible import is_unknown_count
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.asking import Asker

Key = tuple[str, tuple[str, ...]]
"""A row's key in the catalogue and the values of its labels after `gpu`."""

PERCENT = 100
MILLI = 1000
MEGA = 10**6


@dataclass(slots=True)
class Readout:
    """Gauges in base units, and counters as NVML counts them (see `counters.SCALES`)."""

    gauges: dict[Key, float] = field(default_factory=dict)
    counters: dict[Key, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    labels: tuple[str, ...]
    function: str
    arguments: tuple[int, ...] = ()
    convert: Callable[[Any], float] = float


def _from_milli(value: int) -> float:
    return value / MILLI


def _share(value: Any) -> float:
    return float(value[0] / PERCENT)


def _first(value: Any) -> float:
    return float(value[0])


def _from_mega(value: int) -> float:
    return float(value * MEGA)


_GAUGES = (
    _Row("power_watts", (), "nvmlDeviceGetPowerUsage", (), _from_milli),
    _Row("power_limit_watts", (), "nvmlDeviceGetEnforcedPowerLimit", (), _from_milli),
    _Row("temperature_celsius", (), "nvmlDeviceGetTemperature", (0,)),
    _Row("utilization_ratio", ("encoder",), "nvmlDeviceGetEncoderUtilization", (), _share),
    _Row("utilization_ratio", ("decoder",), "nvmlDeviceGetDecoderUtilization", (), _share),
    _Row("utilization_ratio", ("jpeg",), "nvmlDeviceGetJpgUtilization", (), _share),
    _Row("utilization_ratio", ("ofa",), "nvmlDeviceGetOfaUtilization", (), _share),
    _Row("clock_hertz", ("graphics",), "nvmlDeviceGetClockInfo", (0,), _from_mega),
    _Row("clock_hertz", ("sm",), "nvmlDeviceGetClockInfo", (1,), _from_mega),
    _Row("clock_hertz", ("memory",), "nvmlDeviceGetClockInfo", (2,), _from_mega),
    _Row("clock_hertz", ("video",), "nvmlDeviceGetClockInfo", (3,), _from_mega),
    _Row("ecc_enabled", (), "nvmlDeviceGetEccMode", (), _first),
    _Row("page_retirement_pending", (), "nvmlDeviceGetRetiredPagesPendingStatus"),
    _Row("temperature_headroom_celsius", (), "nvmlDeviceGetMarginTemperature"),
    _Row("sram_ecc_threshold_exceeded", (), "nvmlDeviceGetSramEccErrorStatus"),
)

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
# Fields by id and scope; the average power is in milliwatts, and its scope 2 is the memory.
_FIELDS: tuple[tuple[tuple[int, int], str, Callable[[int], float]], ...] = (
    ((82, 0), "memory_temperature_celsius", float),
    ((185, 2), "memory_power_watts", _from_milli),
)


def read_gauges(asker: Asker, subject: str, handle: Any, gaps: Gaps) -> Iterator[tuple[Key, float]]:
    """Yield what a GPU shows now; an answer that cannot be taken apart is noted in `gaps`.

    Raises `LostError` and `ClosedError`.
    """
    for row in _GAUGES:
        with gaps.item(f"{subject}: {row.function}"):
            answer = asker.ask(subject, row.function, handle, *row.arguments)
            if answer is not None:
                yield (row.key, row.labels), row.convert(answer)
    for what, part in _PARTS.items():
        with gaps.item(f"{subject}: {what}"):
            yield from part(asker, subject, handle)


def memory(asker: Asker, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    """Yield size and use of the memory of a GPU or a MIG instance; what the driver keeps is not used."""
    answer = asker.ask(subject, "nvmlDeviceGetMemoryInfo", handle, binding.MEMORY_VERSION_2)
    if answer is None:
        answer = asker.ask(subject, "nvmlDeviceGetMemoryInfo", handle)
    if answer is not None:
        yield ("memory_bytes", ()), float(answer.total)
        yield ("memory_used_bytes", ()), float(answer.used)


def encoder(statistics: tuple[int, int, int] | None) -> Iterator[tuple[Key, float]]:
    """Yield what nvmlDeviceGetEncoderStats or nvmlVgpuInstanceGetEncoderStats said; latency is in us."""
    if statistics is not None:
        sessions, frames, latency = statistics
        yield ("encoder_sessions", ()), float(sessions)
        if sessions:
            yield ("encoder_frames_per_second", ()), float(frames)
            yield ("encoder_latency_seconds", ()), latency / MEGA


def _encoder(asker: Asker, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    return encoder(asker.ask(subject, "nvmlDeviceGetEncoderStats", handle))


def _fields(asker: Asker, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    wanted = tuple(field_id for field_id, *_ in _FIELDS)
    told = binding.field_numbers(asker.ask(subject, "nvmlDeviceGetFieldValues", handle, wanted))
    for field_id, key, convert in _FIELDS:
        if field_id in told:
            yield (key, ()), convert(told[field_id])


def _utilization(asker: Asker, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    answer = asker.ask(subject, "nvmlDeviceGetUtilizationRates", handle)
    if answer is not None:
        yield ("utilization_ratio", ("gpu",)), answer.gpu / PERCENT
        yield ("utilization_ratio", ("memory",)), answer.memory / PERCENT


def _clocks_held(asker: Asker, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    bits = asker.ask(subject, "nvmlDeviceGetCurrentClocksEventReasons", handle)
    if bits is None:
        # The name before driver 535.
        bits = asker.ask(subject, "nvmlDeviceGetCurrentClocksThrottleReasons", handle)
    if bits is not None and not is_unknown_count(bits):
        for bit, reason in _HELD.items():
            yield ("clocks_held", (reason,)), float(bool(bits & bit))


def _row_remapping(asker: Asker, subject: str, handle: Any) -> Iterator[tuple[Key, float]]:
    rows = asker.ask(subject, "nvmlDeviceGetRemappedRows", handle)
    if rows is not None:
        yield ("row_remapping_pending", ()), float(rows[2])
        yield ("row_remapping_failed", ()), float(rows[3])
    banks = asker.ask(subject, "nvmlDeviceGetRowRemapperHistogram", handle)
    if banks is not None:
        for spares in ("max", "high", "partial", "low", "none"):
            yield ("row_remapping_banks", (spares,)), float(getattr(banks, spares))


_PARTS: Mapping[str, Callable[[Asker, str, Any], Iterator[tuple[Key, float]]]] = {
    "its utilisation": _utilization,
    "its memory": memory,
    "why its clocks are held": _clocks_held,
    "its remapped rows": _row_remapping,
    "its encoder": _encoder,
    "its fields": _fields,
}
