"""Attacks by what is asked: deadlines, bodies, headers, many requests at a time."""

import base64
import gzip
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from random import Random

from tests.attacks.crowd import Crowd, Tend
from tests.attacks.victim import Clock, Victim

BUSY_CLIENTS = 60
SOURCES = (
    "collector",
    "definition",
    "events",
    "host",
    "libvirt_state",
    "libvirt_monitor",
    "process",
    "procfs",
)
HEADER_BYTES = 7000
BODY_BYTES = 10**9
MUCH = 200 * 2**20


def tiny_deadlines(victim: Victim, clock: Clock) -> None:
    """Ask again and again, so that whenever a new page is due it is asked for by a client without time."""
    hurried = victim.request("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.000000001")
    for _ in clock:
        with suppress(OSError):
            _ask(victim, clock, hurried)
        clock.sleep(0.1)


def _open(victim: Victim, source: str) -> socket.socket:
    return victim.open(source)


def gzip_bodies(victim: Victim, clock: Clock) -> None:
    """Send bodies that grow a thousandfold when they are unpacked."""
    body = gzip.compress(bytes(MUCH))
    head = (
        f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    Crowd(number=150, begin=_open, tend=lambda member, _age: member.sendall(request), addresses=50)(
        victim, clock
    )


def _announced(victim: Victim, source: str) -> socket.socket:
    client = victim.open(source)
    headers = ("Expect: 100-continue", f"Content-Length: {BODY_BYTES}")
    client.sendall(victim.request("/metrics", *headers))
    return client


def _sends(*parts: bytes) -> Tend:
    """Return what sends one of the parts in each round, in turn."""
    return lambda member, age: member.sendall(parts[age % len(parts)])


announced_bodies = Crowd(number=200, begin=_announced, tend=_sends(bytes(1000)), addresses=50)
"""Announce a gigabyte, ask for leave to send it, and send a little of it now and then."""


def _headless(victim: Victim, source: str) -> socket.socket:
    client = victim.open(source)
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
    return client


endless_headers = Crowd(
    number=200,
    begin=_headless,
    tend=lambda member, age: member.sendall(b"X-%d: %s\r\n" % (age, b"x" * HEADER_BYTES)),
    addresses=50,
)
"""Send one header after the other, each as long as is allowed."""


def _probe_again(member: socket.socket, _age: int) -> None:
    member.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if not member.recv(4096):
        raise ConnectionResetError


never_idle = Crowd(number=200, begin=_open, tend=_probe_again, addresses=200)
"""Hold all connections that there are, and ask for the probe on each again and again."""


def _busy(victim: Victim, clock: Clock, request: Callable[[Random], bytes], addresses: int) -> None:
    def work(number: int) -> None:
        choice = Random(number)
        for _ in clock:
            try:
                _ask(victim, clock, request(choice), addresses)
            except OSError:
                clock.sleep(0.05)

    with ThreadPoolExecutor(BUSY_CLIENTS) as pool:
        list(pool.map(work, range(BUSY_CLIENTS)))


def busy(victim: Victim, clock: Clock) -> None:
    """Ask for the status page, sixty clients of one address at a time."""
    _busy(victim, clock, lambda _choice: victim.request("/"), 1)


def random_selections(victim: Victim, clock: Clock) -> None:
    """Ask for pages of some sources only, each time of others."""

    def request(choice: Random) -> bytes:
        names = choice.sample(SOURCES, choice.randrange(1, len(SOURCES)))
        return victim.request("/metrics?" + "&".join(f"collect[]={name}" for name in names))

    _busy(victim, clock, request, 1)


def wrong_passwords(victim: Victim, clock: Clock) -> None:
    """Guess passwords of a user that exists, from many addresses."""

    def request(choice: Random) -> bytes:
        guess = base64.b64encode(f"{victim.user}:{choice.random()}".encode()).decode()
        return f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {guess}\r\n\r\n".encode()

    _busy(victim, clock, request, 200)


def _ask(victim: Victim, clock: Clock, request: bytes, addresses: int = 1) -> None:
    """Ask once on a connection of its own, and read what comes for as long as there is time."""
    with victim.open(clock.address(addresses), timeout=max(0.1, min(10.0, clock.left))) as client:
        client.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        for _ in iter(partial(client.recv, 65536), b""):
            if clock.left <= 0:
                return
