"""One notation for InfiniBand's GUIDs and P_Keys, which tools write in several ways.

The highest bit of a P_Key means full membership and is not part of the partition's number (InfiniBand
Architecture Specification, volume 1, 10.9.1.1): P_Keys are compared without it.
"""

import re

PARTITION_BITS = 0x7FFF

_PAIRS = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){7}")
_FOURS = re.compile(r"[0-9a-f]{4}(?::[0-9a-f]{4}){3}")
_PLAIN = re.compile(r"(?:0x)?[0-9a-f]{16}")
_PKEY = re.compile(r"0x[0-9a-fA-F]{1,4}")


def guid(text: str) -> str:
    """Return a GUID as ``0c:42:a1:03:00:ab:cd:ef``; empty for any other text, and for zeros (unset)."""
    lower = text.lower()
    if not (_PAIRS.fullmatch(lower) or _FOURS.fullmatch(lower) or _PLAIN.fullmatch(lower)):
        return ""
    octets = bytes.fromhex(lower.removeprefix("0x").replace(":", ""))
    return octets.hex(":") if any(octets) else ""


def partition(pkey: str) -> int | None:
    """Return the partition of a P_Key such as ``0x8001``, from 1 to 0x7fff; None for any other text."""
    return int(pkey, 16) & PARTITION_BITS or None if _PKEY.fullmatch(pkey) else None


def pkey(partition: int) -> str:
    """Return a partition's P_Key in the page's notation: ``0x0001``, without the membership bit."""
    return f"0x{partition:04x}"
