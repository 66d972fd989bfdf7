"""The control groups that libvirt made for a guest, to remove what a libvirtd that died could not."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.lab.process import Process


def groups_of(process: Process) -> list[Path]:
    """Return the guest's group in every hierarchy; none on a machine where libvirt uses no groups."""
    with suppress(OSError):
        names = set(re.findall(r":(/.*\.libvirt-qemu)", Path(f"/proc/{process.pid}/cgroup").read_text()))
        mounts = re.findall(r"^\S+ (\S+) cgroup2? ", Path("/proc/self/mounts").read_text(), re.MULTILINE)
        return [group for mount in mounts for name in names if (group := Path(mount + name)).is_dir()]
    return []


def remove(groups: Iterable[Path]) -> None:
    """Remove the groups with their parts; one that still holds a process stays."""
    for group in groups:
        for directory in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):
                directory.rmdir()
        with suppress(OSError):
            group.rmdir()
