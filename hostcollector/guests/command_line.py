"""Whose QEMU a process says that it is: the two arguments of its command line that libvirt always gives."""

import re
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


def _value(arguments: list[bytes], option: bytes) -> bytes:
    try:
        return arguments[arguments.index(option) + 1]
    except (ValueError, IndexError):
        return b""
