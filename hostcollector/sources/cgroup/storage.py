"""What a guest's group read from and wrote to the host's block devices, and the names of these devices.

Sources: Documentation/admin-guide/cgroup-v2.rst (io.stat), cgroup-v1/blkio-controller.rst, and
Documentation/ABI/stable/sysfs-dev.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import EXPECTED, Gaps
from hostcollector.base.model import Metric, Sample
from hostcollector.catalogue import cgroup
from hostcollector.protocols.kernel.files import integer, read
from hostcollector.sources.cgroup.files import GroupFiles
from hostcollector.sources.cgroup.groups import UNIFIED, GuestGroup

# More than any guest has disks; each device costs four series.
_MOST_DEVICES = 64
_NUMBER = re.compile(rb"\d{1,9}:\d{1,9}")
_FIGURES = {
    b"rbytes": cgroup.IO_READ_BYTES,
    b"wbytes": cgroup.IO_WRITE_BYTES,
    b"rios": cgroup.IO_READ_REQUESTS,
    b"wios": cgroup.IO_WRITE_REQUESTS,
}
# Version 1 has a file for bytes and one for requests, with a line "8:0 Read 512" by device and operation.
_FILES_OF_VERSION_1 = {
    "blkio.throttle.io_service_bytes": {b"Read": cgroup.IO_READ_BYTES, b"Write": cgroup.IO_WRITE_BYTES},
    "blkio.throttle.io_serviced": {b"Read": cgroup.IO_READ_REQUESTS, b"Write": cgroup.IO_WRITE_REQUESTS},
}

Figures = Mapping[tuple[bytes, Metric], int]


class BlockDevices:
    """The names of block devices by their numbers, as of the last look, from sysfs below `root`."""

    def __init__(self, root: str) -> None:
        self._directory = f"{root.rstrip('/')}/sys/dev/block"
        self._names: dict[str, tuple[str, str]] = {}
        self._used: set[str] = set()

    def begin(self, *, look: bool) -> None:
        """Begin a reading; with `look` the names are read again."""
        self._used.clear()
        if look:
            self._names.clear()

    def name(self, number: str) -> str:
        """Return the kernel's name of a device such as ``8:0``; the number itself where sysfs has none."""
        if number not in self._names:
            self._names[number] = self._looked_up(number)
        return self._names[number][0]

    def used(self, numbers: Iterable[str]) -> None:
        """Note devices that a guest uses in this reading."""
        self._used.update(numbers)

    def samples(self) -> Iterator[Sample]:
        """Yield the description of each device that a guest uses in this reading."""
        for number in sorted(self._used):
            device, mapped = self._names[number]
            yield Sample(cgroup.BLOCK_DEVICE_INFO, 1.0, (device, number, mapped))

    def _looked_up(self, number: str) -> tuple[str, str]:
        path = f"{self._directory}/{number}"
        try:
            name = os.readlink(path).rpartition("/")[2]  # noqa: PTH115 - as all paths here are text
        except OSError:
            return number, ""
        try:
            mapped = read(f"{path}/dm/name").decode("utf-8", "replace").strip()
        except OSError:
            mapped = ""
        return name, mapped


class _Kept(NamedTuple):
    """The series of a file with this content, and the numbers of the devices in it."""

    content: bytes
    samples: tuple[Sample, ...]
    numbers: tuple[str, ...]


class Traffic:
    """Reads what groups read and wrote, by device. A file that has not changed is not parsed again."""

    def __init__(self, root: str, files: GroupFiles) -> None:
        self._files = files
        self._devices = BlockDevices(root)
        self._kept: dict[str, _Kept] = {}

    def begin(self, *, look: bool) -> None:
        """Begin a reading; with `look` the names of devices are read again."""
        self._devices.begin(look=look)
        if look:
            self._kept.clear()

    def devices(self) -> Iterator[Sample]:
        """Yield the description of each device that was seen in this reading."""
        return self._devices.samples()

    def of(self, groups: Mapping[str, GuestGroup], uuid: str, gaps: Gaps) -> list[Sample]:
        """Return the traffic of a guest's groups, from version 1 where it has the controller."""
        if group := groups.get("blkio"):
            paths = [
                (f"{group.process_directory}/{name}", rows) for name, rows in _FILES_OF_VERSION_1.items()
            ]
        elif group := groups.get(UNIFIED):
            paths = [(f"{group.directory}/io.stat", _FIGURES)]
        else:
            return []
        samples: list[Sample] = []
        for path, rows in paths:
            try:
                content = self._files.optional(path)
                if content:
                    samples += self._parsed(path, content, rows, uuid, gaps)
            except EXPECTED as error:
                gaps.unread(path, error)
        return samples

    def _parsed(
        self, path: str, content: bytes, rows: Mapping[bytes, Metric], uuid: str, gaps: Gaps
    ) -> tuple[Sample, ...]:
        kept = self._kept.get(path)
        if kept is None or kept.content != content:
            found = _lines(content, rows)
            numbers = tuple(sorted({number.decode() for number, _ in found}))
            shown = {number: self._devices.name(number) for number in numbers[:_MOST_DEVICES]}
            samples = tuple(
                Sample(metric, value, (name,), uuid)
                for (number, metric), value in found.items()
                if (name := shown.get(number.decode())) is not None
            )
            kept = self._kept[path] = _Kept(content, samples, numbers)
        if len(kept.numbers) > _MOST_DEVICES:
            gaps.unread(path, f"more than {_MOST_DEVICES} devices: the others are left out")
        self._devices.used(kept.numbers[:_MOST_DEVICES])
        return kept.samples


def _lines(content: bytes, rows: Mapping[bytes, Metric]) -> Figures:
    """Return the figures of all devices in a file of either version. Raises `SourceMalformedError`.

    A line has words ``key=number`` in version 2 and ``key number`` in version 1. Unknown keys are skipped:
    kernels add some. Kernels of 5.10 print a device without figures before the next one, on the same line.
    """
    found: dict[tuple[bytes, Metric], int] = {}
    for line in content.splitlines():
        device, key = b"", b""
        for word in line.split():
            name, separator, number = word.partition(b"=")
            if separator:
                if name in rows:
                    found[device, rows[name]] = integer(number)
            elif _NUMBER.fullmatch(word):
                device = word
            elif key in rows and device:
                found[device, rows[key]] = integer(word)
            else:
                key = word
    if any(not device for device, _ in found):
        raise SourceMalformedError("figures without a device")
    return found
