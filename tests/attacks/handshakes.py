"""Attacks that never come to a request: TLS connections that are idle, unfinished or broken off."""

import socket
import ssl
import struct
from collections import deque
from contextlib import suppress
from random import Random

from tests.attacks.crowd import Crowd
from tests.attacks.victim import Clock, Victim

OPEN_AT_A_TIME = 150


def idle_fast(victim: Victim, clock: Clock) -> None:
    """Connect as fast as it goes and say nothing."""
    _idle(victim, clock, 0.0, 1)


def idle_slow(victim: Victim, clock: Clock) -> None:
    """Do the same thirty times a second."""
    _idle(victim, clock, 1 / 30, 1)


def idle_of_many(victim: Victim, clock: Clock) -> None:
    """Do the same as fast as it goes, from many addresses."""
    _idle(victim, clock, 0.0, 400)


def _idle(victim: Victim, clock: Clock, pause: float, addresses: int) -> None:
    held: deque[socket.socket] = deque()
    try:
        for _ in clock:
            with suppress(OSError):
                held.append(victim.connect(clock.address(addresses)))
            if len(held) > OPEN_AT_A_TIME:
                held.popleft().close()
            clock.sleep(pause)
    finally:
        for client in held:
            client.close()


def _hello() -> bytes:
    """Return the first bytes of a TLS client."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


HELLO = _hello()


def _begun(victim: Victim, source: str) -> socket.socket:
    client = victim.connect(source)
    client.sendall(HELLO[:1])
    return client


def _next_byte(member: socket.socket, age: int) -> None:
    member.sendall(HELLO[age : age + 1] if age < len(HELLO) - 1 else b"")


byte_by_byte = Crowd(number=OPEN_AT_A_TIME, begin=_begun, tend=_next_byte)
"""Send a greeting one byte at a time."""

no_request = Crowd(number=OPEN_AT_A_TIME, begin=lambda victim, source: victim.open(source), addresses=50)
"""Complete the handshake and ask for nothing."""


def resets(victim: Victim, clock: Clock) -> None:
    """Break connections off in the middle of a handshake, with a reset."""
    for _ in clock:
        with suppress(OSError), victim.connect(clock.address()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(HELLO)


def garbage(victim: Victim, clock: Clock) -> None:
    """Send what is no TLS: a record with a right head and a wrong rest, plain HTTP, zeros."""
    beginnings = (b"\x16\x03\x01\x40\x00" + bytes(0x4000), b"GET / HTTP/1.1\r\n\r\n", bytes(65536))
    choice = Random(1)
    for _ in clock:
        with suppress(OSError), victim.connect(clock.address(50)) as client:
            client.sendall(choice.choice(beginnings))
            client.recv(1)
