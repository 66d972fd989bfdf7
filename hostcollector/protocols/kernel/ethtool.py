"""What a network driver counts beside the counters of every link, as `ethtool -S` shows it.

The kernel has no netlink message for these names and numbers (include/uapi/linux/ethtool.h). Each is an
ioctl, which needs no capability and takes the RTNL lock.
"""

import errno
import fcntl
import socket
import struct
from array import array
from collections.abc import Mapping

from hostcollector.base.errors import SourceUnavailableError

_SIOCETHTOOL = 0x8946
_GSTRINGS, _GSTATS, _GSSET_INFO = 0x1B, 0x1D, 0x37
_STATISTICS = 1
"""The number of the set of names (ETH_SS_STATS)."""

_NAME_BYTES = 32
_MOST = 8192
"""Numbers of a driver. The kernel writes as many as the driver has, so room for all is needed beforehand."""

_NOT_THERE = frozenset({errno.EOPNOTSUPP, errno.ENODEV, errno.EINVAL})


def statistics(netdev: str) -> Mapping[str, int]:
    """Return the driver's statistics by name; empty for a driver that has none, and for no such link.

    Raises `SourceUnavailableError` if the kernel does not answer.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as descriptor:
            return _read(descriptor, netdev.encode())
    except OSError as error:
        if error.errno in _NOT_THERE:
            return {}
        raise SourceUnavailableError(f"ethtool statistics of {netdev}: {error.strerror}") from error


def _read(descriptor: socket.socket, netdev: bytes) -> dict[str, int]:
    about = _asked(descriptor, netdev, struct.pack("=IIQI", _GSSET_INFO, 0, 1 << _STATISTICS, 0))
    (count,) = struct.unpack_from("=I", about, 16)
    if not 0 < count <= _MOST:
        return {}
    names = _asked(
        descriptor, netdev, struct.pack("=III", _GSTRINGS, _STATISTICS, count), _MOST * _NAME_BYTES
    )
    values = _asked(descriptor, netdev, struct.pack("=II", _GSTATS, count), _MOST * 8)
    (named,), (counted,) = struct.unpack_from("=I", names, 8), struct.unpack_from("=I", values, 4)
    if named != counted:  # the driver has changed between the two
        return {}
    texts = struct.unpack_from(f"={f'{_NAME_BYTES}s' * count}", names, 12)
    numbers = struct.unpack_from(f"={count}Q", values, 8)
    return {
        text.partition(b"\0")[0].decode("ascii", "replace"): number
        for text, number in zip(texts, numbers, strict=True)
    }


def _asked(descriptor: socket.socket, netdev: bytes, question: bytes, room: int = 0) -> "array[int]":
    """Send a command with so many bytes of room behind it, and return it with what the kernel wrote."""
    buffer = array("B", question)
    buffer.frombytes(bytes(room))
    address, _ = buffer.buffer_info()
    fcntl.ioctl(descriptor, _SIOCETHTOOL, struct.pack("16sP", netdev, address))
    return buffer
