"""Reads the health of one PCI function from sysfs without touching the device.

Kernel: Documentation/ABI/testing/sysfs-bus-pci and sysfs-bus-pci-devices-aer_stats. The kernel reads the
present state of the link from the device, which wakes a sleeping one: it is read only while the device is
awake. Config space, resources and ROM are never opened.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from hostcollector.protocols.kernel.sysfs import number_in, target, text

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_SPEED = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?) GT/s\b.*")
# A device that does not answer reads as all ones, which is not a width.
_WIDTHS = frozenset({1, 2, 4, 8, 12, 16, 32})
_GIGA = 10**9
# A change of the power state has failed, or is not managed (ABI/testing/sysfs-devices-power).
_POWER_DOUBTS = frozenset({"error", "unsupported"})
_POWER_STATES = {"D0": 0, "D1": 1, "D2": 2, "D3hot": 3, "D3cold": 4}
_SEVERITIES = ("correctable", "nonfatal", "fatal")
_AER_LINE = re.compile(r"(\w+) ([0-9]{1,20})")
_TOTAL = "TOTAL_ERR_"

TOTAL = "total"
"""The kind of the total of a severity, which can differ from the sum of the other kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A PCIe link: speeds in transfers per second and lane, widths in lanes; None for an unknown value.

    `doubts` are the impossible values in the files, such as a width of 63.
    """

    speed: float | None
    width: int | None
    maximum_speed: float | None
    maximum_width: int | None
    doubts: tuple[str, ...] = ()

    @property
    def degraded(self) -> Mapping[str, bool]:
        """Whether the link is below the maximum of both ends, by aspect (speed, width), where known."""
        aspects = {"speed": (self.speed, self.maximum_speed), "width": (self.width, self.maximum_width)}
        return {
            aspect: now < maximum
            for aspect, (now, maximum) in aspects.items()
            if now is not None and maximum is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of one function. Errors are raw counts by (severity, kind).

    - `runtime_active` and `power_state` are None where the kernel does not know them.
    - `power_doubt` is what the kernel says where it does not know whether the device sleeps; empty for a VF.
    - `uplinks` are the links above the function's own, by the switch port at their lower end.
    - `unread` are the files with an unreadable line.
    """

    runtime_active: bool | None
    power_state: int | None
    link: Link
    iommu_group: str
    reset_method: str
    upstream_port: str
    errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    upstream_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    uplinks: Mapping[str, Link] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    power_doubt: str = ""


class HealthReader:
    """Reads functions of the host whose ``/sys`` lies under `root`."""

    def __init__(self, root: Path) -> None:
        self._pci = str(root / "sys/bus/pci/devices")

    def read(self, address: str, *, is_vf: bool) -> Health:
        """Return the health of a function. A VF has no link of its own, only its PF has one."""
        path = f"{self._pci}/{address}"
        runtime = text(f"{path}/power/runtime_status")
        above = _ports_above(path)
        ports = [] if is_vf else [f"{self._pci}/{port}" for port in above]
        awake = runtime == "active"
        unread: list[str] = []
        return Health(
            runtime_active=awake if runtime in ("active", "suspended") else None,
            power_state=_POWER_STATES.get(text(f"{path}/power_state")),
            link=_NO_LINK if is_vf else _link(path, *ports[:1], awake=awake),
            iommu_group=target(f"{path}/iommu_group"),
            reset_method=text(f"{path}/reset_method"),
            upstream_port=above[0] if above else "",
            errors=dict(_errors(path, unread)),
            upstream_errors=dict(_errors(ports[0], unread)) if ports else {},
            uplinks=dict(_uplinks(ports, awake=awake)),
            unread=tuple(unread),
            power_doubt=runtime if runtime in _POWER_DOUBTS and not is_vf else "",
        )


_NO_LINK = Link(speed=None, width=None, maximum_speed=None, maximum_width=None)


def _ports_above(path: str) -> list[str]:
    """Return the ports between a function and the root complex, the nearest first."""
    above = os.path.realpath(path).split("/")[-2::-1]
    return list(takewhile(_ADDRESS.fullmatch, above))


def _uplinks(ports: Sequence[str], *, awake: bool) -> Iterator[tuple[str, Link]]:
    """Yield the links above the function's own: from each switch's upper port to the port above it.

    The ports alternate: a switch's lower port or the root's, a switch's upper port, and so on. All ports
    above an awake function are awake.
    """
    for lower, upper in zip(ports[1::2], ports[2::2], strict=False):
        yield lower.rpartition("/")[2], _link(lower, upper, awake=awake)


def _link(path: str, *port: str, awake: bool) -> Link:
    """Return the link between a function and the port above; its maxima are those of the weaker end."""
    doubts: list[str] = []
    ends = (path, *port)
    speeds = [speed for end in ends if (speed := _speed(f"{end}/max_link_speed", doubts)) is not None]
    widths = [width for end in ends if (width := _width(f"{end}/max_link_width", doubts)) is not None]
    return Link(
        speed=_speed(f"{path}/current_link_speed", doubts) if awake else None,
        width=_width(f"{path}/current_link_width", doubts) if awake else None,
        maximum_speed=min(speeds, default=None),
        maximum_width=min(widths, default=None),
        doubts=tuple(doubts),
    )


def _speed(path: str, doubts: list[str]) -> float | None:
    content = text(path)
    match = _SPEED.fullmatch(content)
    if content and not match:
        doubts.append(_doubt(path, content))
    return float(match[1]) * _GIGA if match else None


def _width(path: str, doubts: list[str]) -> int | None:
    content = text(path)
    width = number_in(content)
    if width in _WIDTHS:
        return width
    if content:
        doubts.append(_doubt(path, content))
    return None


def _doubt(path: str, content: str) -> str:
    return f"{path.rpartition('/')[2]} {content[:40]}"


def _errors(path: str, unread: list[str]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield the AER counters; none where the firmware handles the errors."""
    for severity in _SEVERITIES:
        file = f"{path}/aer_dev_{severity}"
        lines = [line.strip() for line in text(file).splitlines()]
        for line in filter(None, lines):
            if match := _AER_LINE.fullmatch(line):
                kind = TOTAL if match[1].startswith(_TOTAL) else match[1]
                yield (severity, kind), int(match[2])
            elif file not in unread:
                unread.append(file)
