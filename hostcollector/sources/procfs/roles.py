"""What QEMU's threads do, and which threads a guest's definition promises.

libvirt has QEMU name its threads (``debug-threads=on``). Without that all threads have the name of the
program. libvirt still puts each vCPU and each I/O thread into a control group of its own.
"""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from hostcollector.base.definition import Domain

_VCPU = re.compile(rb"CPU (\d+)/\w+")
_IOTHREAD = re.compile(rb"IO (.+)", re.DOTALL)
_VHOST = re.compile(rb"vhost-\d+")
_IN_GROUP = re.compile(rb"/(vcpu|iothread)([0-9]{1,9})$", re.MULTILINE)
# The kernel keeps 15 bytes of a thread's name (TASK_COMM_LEN).
_LONGEST_NAME = 15
# QEMU's own I/O thread, for the monitor. All others are in the guest's definition.
_MONITOR = b"IO mon_iothread"


class Duty(StrEnum):
    """The kinds of threads that have series."""

    VCPU = "vcpu"
    IOTHREAD = "iothread"
    VHOST = "vhost"


class Role(NamedTuple):
    """A thread's duty and its label: the vCPU's number, the I/O thread's name or the vhost thread's id."""

    duty: Duty
    label: str


def role_of(comm: bytes) -> Role | None:
    """Return the role of a thread of this name; None for a thread without series."""
    if vcpu := _VCPU.fullmatch(comm):
        return Role(Duty.VCPU, vcpu[1].decode("ascii"))
    if comm != _MONITOR and (iothread := _IOTHREAD.fullmatch(comm)):
        return Role(Duty.IOTHREAD, iothread[1].decode("utf-8", "replace"))
    return Role(Duty.VHOST, "") if _VHOST.fullmatch(comm) else None


def role_in_group(cgroup: bytes) -> Role | None:
    """Return the role of a thread that is in these control groups (/proc/PID/task/TID/cgroup)."""
    found = _IN_GROUP.search(cgroup)
    if found is None:
        return None
    number = str(int(found[2]))
    return Role(Duty.VCPU, number) if found[1] == b"vcpu" else Role(Duty.IOTHREAD, iothread_name(int(number)))


def whole_role(role: Role, comm: bytes, iothreads: Iterable[int]) -> Role | None:
    """Return the role with the I/O thread's whole name: the kernel may have kept only the beginning.

    `iothreads` are the ids in the definition. None where several of them begin like that.
    """
    if role.duty is not Duty.IOTHREAD or len(comm) < _LONGEST_NAME:
        return role
    kept = [name for name in map(iothread_name, iothreads) if b"IO " + name.encode()[:12] == comm]
    return Role(Duty.IOTHREAD, kept[0]) if len(kept) == 1 else None


def iothread_name(number: int) -> str:
    """Return libvirt's name of an I/O thread."""
    return f"iothread{number}"


def lacking(domain: Domain, roles: Collection[Role], unplugged: int = 0) -> list[str]:
    """Return the names of the threads that the definition promises and that are not among `roles`.

    The definition promises a number of vCPUs, not which ones: some may be unplugged. `unplugged` is how many
    vCPUs have ended since: libvirt has no event for that, so the definition may be older.
    """
    vcpus = {role.label for role in roles if role.duty is Duty.VCPU}
    iothreads = {role.label for role in roles if role.duty is Duty.IOTHREAD}
    names = []
    few = (domain.vcpus or 0) - len(vcpus) - unplugged
    if few > 0:
        absent = (str(number) for number in range(len(vcpus) + few))
        names = [f"vCPU {number}" for number in absent if number not in vcpus][:few]
    return names + [name for name in map(iothread_name, domain.iothreads) if name not in iothreads]
