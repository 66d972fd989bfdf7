"""Whether the libvirt behind a connection runs on this host.

A URI names a unix socket, and ssh or socat can forward a socket to another host. That host's guests would be
shown with the processes, interfaces and devices of this one.

The host's CPU times decide. virNodeGetCPUStats makes libvirt read /proc/stat, of which a kernel has one for
all namespaces. On this host the answer lies between two readings of the file; another host's does not.
What else libvirt reports about its host cannot decide:

* the UUID: `host_uuid` in libvirtd.conf replaces it, only root may read the DMI's, and the capabilities that
  contain it take seconds while libvirt starts each QEMU binary;
* the host name: it belongs to a namespace, and libvirt asks DNS for it;
* memory and processors: hosts of one model have the same, and libvirt counts memory in another way.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libvirt

from hostcollector.base.errors import SourceUnavailableError

PROC_STAT = Path("/proc/stat")

ELSEWHERE = (
    "this libvirt runs on another host, or in a container with its own /proc/stat: its CPU times are not "
    "those of this host. Set libvirt.uri to this host's libvirt, such as qemu:///system, without a forwarded "
    "socket; or run the collector where that libvirt runs"
)

# CPU times are exact to a clock tick. A fresh boot of two equal hosts differs by more.
_TOLERANCE_SECONDS = 1.0
# The idle time of a CPU that goes offline or comes back may jump.
_ATTEMPTS = 3


def ensure_this_host(connection: Any, proc_stat: Path = PROC_STAT) -> None:
    """Raise `SourceUnavailableError` if the connection's libvirt runs on another kernel than this process.

    Costs one call that needs no guest and no QEMU. If libvirt or this host does not give CPU times, the
    answer is not known, and the connection is taken.
    """
    for _ in range(_ATTEMPTS):
        earlier = _cpu_seconds(proc_stat)
        try:
            answer = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)
        except libvirt.libvirtError:
            return
        later = _cpu_seconds(proc_stat)
        if not (earlier and later and answer.keys() >= earlier.keys()):
            return
        if all(_is_between(earlier[key], answer[key] / 1e9, later[key]) for key in earlier):
            return
    raise SourceUnavailableError(ELSEWHERE)


def _is_between(earlier: float, seconds: float, later: float) -> bool:
    return earlier - _TOLERANCE_SECONDS <= seconds <= later + _TOLERANCE_SECONDS


def _cpu_seconds(proc_stat: Path) -> Mapping[str, float]:
    """Return the times of all CPUs since boot, summed up as libvirt does; nothing if they cannot be read.

    The time that CPUs waited for I/O is left out: it may go back (proc_stat(5)).
    """
    try:
        with proc_stat.open("rb") as file:
            name, *fields = file.readline().split()
        user, nice, system, idle, _iowait, irq, softirq = map(int, fields[:7])
    except (OSError, ValueError):
        return {}
    ticks = {"user": user + nice, "kernel": system + irq + softirq, "idle": idle}
    return {key: count / os.sysconf("SC_CLK_TCK") for key, count in ticks.items()} if name == b"cpu" else {}
