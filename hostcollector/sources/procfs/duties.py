"""What a thread of QEMU does, which its name tells: libvirt has QEMU name them (``debug-threads=on``)."""

import re
from enum import Enum
from typing import NamedTuple

_VCPU = re.compile(rb"CPU (\d+)/\w+")
_IOTHREAD = re.compile(rb"IO (.+)", re.DOTALL)
_VHOST = re.compile(rb"vhost-\d+")
# QEMU's own one, for the monitor; the others are those of the guest's definition.
_MONITOR = b"IO mon_iothread"


class Duty(Enum):
    """The kinds of threads that have series of their own."""

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
