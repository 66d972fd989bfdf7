"""The cgroup source reads a guest's own group, in every layout that libvirt makes, and no other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.catalogue import cgroup
from hostcollector.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.model import Domain, Guest, Histogram, Metric
from hostcollector.qemu_processes import QemuProcesses
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.cgroup import Cgroup
from hostcollector.sources.cgroup.files import keyed_numbers, pressure_totals
from hostcollector.sources.cgroup.groups import GuestGroup, Mount, guest_groups, mounts_of
from tests.fakes.procfs import Procfs as ProcTree

HYBRID = Path(__file__).parent.parent / "fixtures/hosts/hybrid"
A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
B = "0f6f3c1c-07f6-4b2e-8d3f-1d3f0c9d5b22"

UNIFIED_MOUNT = "25 1 0:2 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
VERSION_1_MOUNTS = """30 1 0:5 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755
31 30 0:6 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:7 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
33 30 0:8 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
"""
SCOPE = "machine.slice/machine-qemu\\x2d3\\x2dweb.scope"
SOME = "some avg10=0.00 avg60=0.10 avg300=0.00 total={some}\n"
FULL = "full avg10=0.00 avg60=0.00 avg300=0.00 total={full}\n"

Series = Mapping[tuple[str, ...], float | Histogram]


class Host(ProcTree):
    """A host with control groups, and a source that reads it, each time after a new scan."""

    def __init__(self, root: Path, mounts: str = UNIFIED_MOUNT) -> None:
        super().__init__(root)
        self.write("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/vda1 rw\n" + mounts)
        self.source = Cgroup(QemuProcesses(root, count(step=20).__next__), ticks_per_second=100)

    def guest(self, pid: int, uuid: str, name: str, membership: str) -> None:
        """Add a guest's QEMU process with its /proc/PID/cgroup."""
        self.qemu(pid, uuid, name)
        self.write(f"proc/{pid}/cgroup", membership)

    def group(self, path: str, **files: str) -> None:
        """Write files of a group below /sys/fs/cgroup; their names have "_" for the first "."."""
        for file, content in files.items():
            self.write(f"sys/fs/cgroup/{path}/{file.replace('_', '.', 1)}", content)

    def read(self, **names: str) -> Reading:
        """Read the guests, given by the letters above."""
        uuids = {"a": A, "b": B}
        guests = {
            uuids[key]: Guest(domain=Domain(uuid=uuids[key], name=name)) for key, name in names.items()
        }
        return self.source.read(Request(guests=guests, deadline=0.0, taken_at=0.0))


def series(reading: Reading, metric: Metric, uuid: str = A) -> Series:
    """Return the values of one guest's series of a metric by their labels."""
    return {s.labels: s.value for s in reading.samples if s.metric is metric and s.uuid == uuid}


def values(reading: Reading, uuid: str = A) -> dict[str, float | Histogram]:
    """Return the values of one guest's series without labels by what follows the common part of their names."""
    return {
        s.metric.name.removeprefix("libvirt_domain_").removeprefix("cgroup_"): s.value
        for s in reading.samples
        if s.uuid == uuid and not s.labels
    }
