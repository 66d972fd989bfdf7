"""rtnetlink's messages about traffic control, written byte by byte as the kernel writes them.

Layouts: tc_fill_qdisc(), tc_fill_tclass(), tcf_fill_node() and tcf_police_dump() (Linux 6.12).
"""

import struct

from tests.fakes.link_messages import NLM_F_MULTI, attribute

NEWQDISC, NEWTCLASS, NEWTFILTER = 36, 40, 44
KIND, OPTIONS, STATS, STATS2 = 1, 2, 3, 7
_OLD_POLICE = {"u32": 6, "basic": 4, "fw": 2}
_ACTIONS = {"u32": 7, "matchall": 2, "basic": 3, "fw": 4, "flower": 3}

Held = tuple[int, int]
"""Drops and overlimits."""


def qdisc_message(
    link: int, parent: int, kind: str, options: bytes = b"", held: Held | None = None, sequence: int = 1
) -> bytes:
    """Return an RTM_NEWQDISC."""
    statistics = attribute(STATS2, _statistics(held)) if held else b""
    payload = attribute(KIND, kind.encode() + b"\0") + attribute(OPTIONS, options) + statistics
    return _message(NEWQDISC, link, 0x10000, parent, payload, sequence)


def class_message(
    link: int, handle: int, parent: int, options: bytes, kind: str = "htb", sequence: int = 1
) -> bytes:
    """Return an RTM_NEWTCLASS."""
    payload = attribute(KIND, kind.encode() + b"\0") + attribute(OPTIONS, options)
    return _message(NEWTCLASS, link, handle, parent, payload, sequence)


def action_filter(
    link: int, kind: str, action: str, options: bytes, held: Held | None = None, sequence: int = 1
) -> bytes:
    """Return an RTM_NEWTFILTER with an action."""
    about = attribute(1, action.encode() + b"\0") + attribute(2, options)
    about += attribute(4, _statistics(held)) if held else b""
    actions = attribute(_ACTIONS[kind], attribute(1, about))
    payload = attribute(KIND, kind.encode() + b"\0") + attribute(OPTIONS, actions)
    return _message(NEWTFILTER, link, 0x80000800, 0xFFFF0000, payload, sequence)


def old_filter(link: int, kind: str, options: bytes, held: Held, sequence: int = 1) -> bytes:
    """Return an RTM_NEWTFILTER with a policer in the form that was before actions."""
    statistics = struct.pack("=QIIIIIII", 99, 3, *held, 0, 0, 0, 0) + bytes(4)
    payload = attribute(KIND, kind.encode() + b"\0")
    payload += attribute(OPTIONS, attribute(_OLD_POLICE[kind], options)) + attribute(STATS, statistics)
    return _message(NEWTFILTER, link, 0x80000800, 0xFFFF0000, payload, sequence)


def rates(rate: int, wide: tuple[int, int] | None = None) -> bytes:
    """Return the options of an HTB's class or of a TBF; `wide` is a 64-bit rate with its attribute's type."""
    parameters = _rate(rate) + _rate(rate) + struct.pack("=IIIII", 64, 64, 1000, 0, 0)
    return attribute(1, parameters) + (attribute(wide[0], struct.pack("=Q", wide[1])) if wide else b"")


def police(number: int, rate: int) -> bytes:
    """Return a policer's options."""
    parameters = struct.pack("=IiIII", number, 2, 0, 65536, 65536) + _rate(rate) + _rate(0)
    return attribute(1, parameters + struct.pack("=iiI", 1, 1, 0)) + attribute(5, struct.pack("=I", 0))


def _rate(rate: int) -> bytes:
    return struct.pack("=BBHhHI", 0, 1, 0, -1, 0, rate)


def _statistics(held: Held) -> bytes:
    basic = attribute(1, struct.pack("=QI", 99, 3) + bytes(4))
    return basic + attribute(3, struct.pack("=IIIII", 0, 0, held[0], 0, held[1]))


def _message(kind: int, link: int, handle: int, parent: int, payload: bytes, sequence: int) -> bytes:
    body = struct.pack("=BxxxiIII", 0, link, handle, parent, 2) + payload
    return struct.pack("=IHHII", len(body) + 16, kind, NLM_F_MULTI, sequence, 0) + body
