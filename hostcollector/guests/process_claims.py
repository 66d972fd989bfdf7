"""The guest that a process's command line names, and which of several such processes is the guest's QEMU."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# In an option's value libvirt doubles each comma of the name.
_NAME = re.compile(rb"(?:guest=)?((?:[^,]|,,)*)")


class Identity(NamedTuple):
    """The guest that a command line names."""

    uuid: str
    name: str


def identity_of(command_line: bytes) -> Identity | None:
    """Return the guest that /proc/PID/cmdline names, or None when it names none."""
    arguments = command_line.split(b"\0")
    uuid = _value(arguments, b"-uuid").lower()
    name = _NAME.match(_value(arguments, b"-name"))
    if name is None or not name[1] or not _UUID.fullmatch(uuid):
        return None
    return Identity(uuid.decode("ascii"), name[1].replace(b",,", b",").decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A process whose command line names a guest; `start_ticks` differs for a later owner of the PID."""

    pid: int
    start_ticks: int
    uuid: str
    name: str


def proven(claims: Sequence[Claim], name: str, pid_files: Path) -> Claim | None:
    """Return the guest's one process among those that claim its UUID, or None when none is provable.

    A process with another name was not started by libvirt. If several have the guest's name, such as a copy
    that QEMU made of itself or a forgery, libvirt's PID file decides.
    """
    named = [claim for claim in claims if claim.name == name]
    if len(named) == 1:
        return named[0]
    pid = _pid_in(pid_files, name) if named else None
    return next((claim for claim in named if claim.pid == pid), None)


def _value(arguments: list[bytes], option: bytes) -> bytes:
    try:
        return arguments[arguments.index(option) + 1]
    except (ValueError, IndexError):
        return b""


def _pid_in(pid_files: Path, name: str) -> int | None:
    """Return the PID in libvirt's PID file of the guest, None if this account cannot read one."""
    if "/" in name or "\0" in name:
        return None
    try:
        return int((pid_files / f"{name}.pid").read_bytes())
    except (OSError, ValueError):
        return None
