"""What NVML counts of one physical GPU, as whole numbers that only grow, and the scale to base units."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hostcollector.base.gaps import Gaps
from hostcollector.base.units import BYTES_PER_KIB, NANOSECONDS_PER_SECOND
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.asking import Asker
from hostcollector.sources.nvml.readout import MILLI, Key

SCALES: Mapping[str, int] = {"energy_joules": MILLI, "throttle_seconds": NANOSECONDS_PER_SECOND}
"""By what a raw counter is divided; those not named are in base units."""

_SEVERITIES = {"corrected": 0, "uncorrected": 1}
_LIFETIME = 1  # NVML_AGGREGATE_ECC; the other kind is reset with the driver
_MEMORIES = {"dram": 2, "sram": 7}
_POLICIES = {"power": 0, "thermal": 1, "sync_boost": 2, "board_limit": 3, "reliability": 5}
_CAUSES = {"single_bit_errors": 0, "double_bit_error": 1}


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    labels: tuple[str, ...]
    function: str
    arguments: tuple[int, ...] = ()
    convert: Callable[[Any], int] = int


def _violation(answer: Any) -> int:
    return int(answer.violationTime)


_ROWS = (
    _Row("energy_joules", (), "nvmlDeviceGetTotalEnergyConsumption"),
    _Row("pcie_replays", (), "nvmlDeviceGetPcieReplayCounter"),
    *(
        _Row("throttle_seconds", (reason,), "nvmlDeviceGetViolationStatus", (policy,), _violation)
        for reason, policy in _POLICIES.items()
    ),
    *(
        _Row("ecc_errors", (name,), "nvmlDeviceGetTotalEccErrors", (severity, _LIFETIME))
        for name, severity in _SEVERITIES.items()
    ),
    *(
        _Row(
            "memory_ecc_errors",
            (memory, name),
            "nvmlDeviceGetMemoryErrorCounter",
            (severity, _LIFETIME, location),
        )
        for memory, location in _MEMORIES.items()
        for name, severity in _SEVERITIES.items()
    ),
    *(
        _Row("retired_pages", (name,), "nvmlDeviceGetRetiredPages", (cause,), len)
        for name, cause in _CAUSES.items()
    ),
)


def read_counters(asker: Asker, subject: str, handle: Any, gaps: Gaps) -> Iterator[tuple[Key, int]]:
    """Yield the raw counters of a GPU; an answer that cannot be taken apart is noted in `gaps`.

    Raises `LostError` and `ClosedError`.
    """
    for row in _ROWS:
        with gaps.item(f"{subject}: {row.function}"):
            answer = asker.ask(subject, row.function, handle, *row.arguments)
            if answer is not None:
                yield (row.key, row.labels), row.convert(answer)
    with gaps.item(f"{subject}: its remapped rows"):
        rows = asker.ask(subject, "nvmlDeviceGetRemappedRows", handle)
        if rows is not None:
            yield ("remapped_rows", ("corrected",)), int(rows[0])
            yield ("remapped_rows", ("uncorrected",)), int(rows[1])


# Field ids; the errors are totals of all links, the data needs to be told that all are meant.
_NVLINK_ERRORS = {38: "crc_flit", 45: "crc_data", 52: "replay", 59: "recovery"}
_NVLINK_DATA = {138: "nvlink_transmit_bytes", 139: "nvlink_receive_bytes"}
# From Blackwell on the data is told per link only, in bytes.
_NVLINK_LINK_DATA = {202: "nvlink_transmit_bytes", 204: "nvlink_receive_bytes"}
_MOST_LINKS = 36


def read_nvlinks(asker: Asker, subject: str, handle: Any) -> dict[int, bool]:
    """Return which NVLinks the GPU has, and whether each is up."""
    links: dict[int, bool] = {}
    for link in range(_MOST_LINKS):
        state = asker.ask(subject, "nvmlDeviceGetNvLinkState", handle, link)
        # There may be links behind one that the GPU does not have.
        if state is not None:
            links[link] = bool(state)
    return links


def read_nvlink_counters(
    asker: Asker, subject: str, handle: Any, links: Mapping[int, bool]
) -> Iterator[tuple[Key, int]]:
    """Yield the raw counters of all NVLinks together; of the data in bytes."""
    if not links:
        return
    fields = (*((name, 0) for name in _NVLINK_ERRORS), *((name, binding.ALL_LINKS) for name in _NVLINK_DATA))
    told = binding.field_numbers(asker.ask(subject, "nvmlDeviceGetFieldValues", handle, fields))
    for number, kind in _NVLINK_ERRORS.items():
        if (errors := told.get((number, 0))) is not None:
            yield ("nvlink_errors", (kind,)), errors
    data = {key: told.get((number, binding.ALL_LINKS)) for number, key in _NVLINK_DATA.items()}
    for key, kibibytes in data.items():
        if kibibytes is not None:
            yield (key, ()), kibibytes * BYTES_PER_KIB
    if all(kibibytes is None for kibibytes in data.values()):
        yield from _link_by_link(asker, subject, handle, links)


def _link_by_link(
    asker: Asker, subject: str, handle: Any, links: Mapping[int, bool]
) -> Iterator[tuple[Key, int]]:
    up = [link for link, is_up in links.items() if is_up]
    fields = tuple((number, link) for number in _NVLINK_LINK_DATA for link in up)
    values = asker.ask(subject, "nvmlDeviceGetFieldValues", handle, fields) if fields else None
    told = binding.field_numbers(values)
    for number, key in _NVLINK_LINK_DATA.items():
        parts = [told[number, link] for link in up if (number, link) in told]
        # A sum that lacks a link would look like a counter that was reset.
        if parts and len(parts) == len(up):
            yield (key, ()), sum(parts)
