"""What a thread of QEMU does.

Its name tells: libvirt has QEMU name its threads (``debug-threads=on``). A QEMU without that names all of
them like its program; then the control group tells in which libvirt put each vCPU and each I/O thread.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

_VCPU = re.compile(rb"CPU (\d+)/\w+")
_IOTHREAD = re.compile(rb"IO (.+)", re.DOTALL)
_VHOST = re.compile(rb"vhost-\d+")
_IN_GROUP = re.compile(rb"/(vcpu|iothread)([0-9]{1,9})$", re.MULTILINE)
# The kernel keeps 15 bytes of a thread's name (TASK_COMM_LEN).
_LONGEST_NAME = 15
# QEMU's own one, for the monitor; the others are those of the guest's definition.
_MONITOR = b"IO mon_iothread"


class Duty(StrEnum):
    """The kinds of threads that have series of their own; texts, whose hash costs no call."""

    VCPU = "vcpu"
    IOTHREAD = "iothread"
    VHOST = "vhost"


class Role(NamedTuple):
    """A thread's duty, and which of its kind it is: the vCPU's number or the I/O thread's name."""

    duty: Duty
    label: str


def role_of(comm: bytes) -> Role | None:
    """Return the role of a thread of this name; None for one without series of its own."""
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
    """Return the role with the I/O thread's whole name, of which the kernel may have kept the beginning only.

    `iothreads` are the ids of the definition, by which libvirt names them. None where it could be several.
    """
    if role.duty is not Duty.IOTHREAD or len(comm) < _LONGEST_NAME:
        return role
    kept = [name for name in map(iothread_name, iothreads) if b"IO " + name.encode()[:12] == comm]
    return Role(Duty.IOTHREAD, kept[0]) if len(kept) == 1 else None


def iothread_name(number: int) -> str:
    """Return libvirt's name of an I/O thread."""
    return f"iothread{number}"
