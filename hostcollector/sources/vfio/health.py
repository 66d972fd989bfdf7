"""Reads the health of one PCI function from sysfs without touching the device.

Kernel: Documentation/ABI/testing/sysfs-bus-pci and sysfs-bus-pci-devices-aer_stats. The link's present
state is read from the device itself, which wakes one that sleeps: it is asked for only while the device is
awake anyway. Config space, resources and ROM are never opened.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.sysfs import number, target, text

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_SPEED = re.compile(r"([0-9]+(?:\.[0-9]+)?) GT/s\b.*")
# A device that does not answer reads as all ones, which is no width.
_WIDTHS = frozenset({1, 2, 4, 8, 12, 16, 32})
_GIGA = 10**9
_POWER_STATES = {"D0": 0, "D1": 1, "D2": 2, "D3hot": 3, "D3cold": 4}
_SEVERITIES = ("correctable", "nonfatal", "fatal")
_AER_LINE = re.compile(r"(\w+) (\d+)")
_TOTAL = "TOTAL_ERR_"

TOTAL = "total"
"""The kind under which the total of a severity is found; it may differ from the sum of the kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A PCIe link in transfers per second and lane, and in lanes; None where it is not told."""

    speed: float | None
    width: int | None
    maximum_speed: float | None
    maximum_width: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What sysfs tells of one function. Errors are raw counts by (severity, kind).

    `runtime_active` and `power_state` are None where the kernel does not know.
    """

    runtime_active: bool | None
    power_state: int | None
    link: Link
    iommu_group: str
    reset_method: str
    upstream_port: str
    errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    upstream_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)


class HealthReader:
    """Reads functions of the host whose ``/sys`` lies under `root`."""

    def __init__(self, root: Path) -> None:
        self._pci = str(root / "sys/bus/pci/devices")

    def read(self, address: str, *, is_vf: bool) -> Health:
        """Return the health of a function. A VF has no link of its own: its PF has it."""
        path = f"{self._pci}/{address}"
        runtime = text(f"{path}/power/runtime_status")
        port = _upstream_port(path)
        port_path = f"{self._pci}/{port}" if port and not is_vf else ""
        return Health(
            runtime_active=runtime == "active" if runtime in ("active", "suspended") else None,
            power_state=_POWER_STATES.get(text(f"{path}/power_state")),
            link=_NO_LINK if is_vf else _link(path, port_path, awake=runtime == "active"),
            iommu_group=target(f"{path}/iommu_group"),
            reset_method=text(f"{path}/reset_method"),
            upstream_port=port,
            errors=dict(_errors(path)),
            upstream_errors=dict(_errors(port_path)) if port_path else {},
        )


_NO_LINK = Link(speed=None, width=None, maximum_speed=None, maximum_width=None)


def _upstream_port(path: str) -> str:
    above = os.path.realpath(path).split("/")[-2]
    return above if _ADDRESS.fullmatch(above) else ""


def _link(path: str, port_path: str, *, awake: bool) -> Link:
    """Return the link; its maxima are what both of its ends can do."""
    ends = [path, port_path] if port_path else [path]
    speeds = [speed for end in ends if (speed := _speed(f"{end}/max_link_speed")) is not None]
    widths = [width for end in ends if (width := _width(f"{end}/max_link_width")) is not None]
    return Link(
        speed=_speed(f"{path}/current_link_speed") if awake else None,
        width=_width(f"{path}/current_link_width") if awake else None,
        maximum_speed=min(speeds, default=None),
        maximum_width=min(widths, default=None),
    )


def _speed(path: str) -> float | None:
    match = _SPEED.fullmatch(text(path))
    return float(match[1]) * _GIGA if match else None


def _width(path: str) -> int | None:
    width = number(path)
    return width if width in _WIDTHS else None


def _errors(path: str) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the AER counters; there are none where the firmware keeps error handling to itself."""
    for severity in _SEVERITIES:
        for line in text(f"{path}/aer_dev_{severity}").splitlines():
            if match := _AER_LINE.fullmatch(line.strip()):
                kind = TOTAL if match[1].startswith(_TOTAL) else match[1]
                yield (severity, kind), int(match[2])
