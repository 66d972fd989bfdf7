"""Attacks by clients that ask and do not take the answers, or hardly."""

import socket

from tests.attacks.crowd import Begin, Crowd, stuff
from tests.attacks.victim import Victim

WHOLE_DAEMON = 200
"""As many connections as a daemon takes by default."""

ALL_SLOTS = 40
"""As many requests as it answers at the same time by default."""

SMALL_BUFFER = 2048
PAGES = 20
LITTLE = 4096
SOON = 4


def _asking(path: str, method: str = "GET", times: int = 1, *, stuffed: bool = False) -> Begin:
    """Return what opens a connection and asks so many times, or for as long as the daemon takes requests."""

    def begin(victim: Victim, source: str) -> socket.socket:
        client = victim.open(source, buffer=SMALL_BUFFER)
        requests = victim.request(path, method=method) * times
        try:
            if stuffed:
                stuff(client, requests)
            else:
                client.sendall(requests)
        except OSError:
            client.close()
            raise
        return client

    return begin


def _take_a_little(member: socket.socket, _age: int) -> None:
    if not member.recv(LITTLE):
        raise ConnectionResetError


_probes = _asking("/-/healthy", times=200, stuffed=True)
_pages = _asking("/metrics", times=PAGES)

unread_probes = Crowd(number=WHOLE_DAEMON, begin=_probes)
"""Ask for the probe again and again, and read none of the answers."""

unread_probes_of_many = Crowd(number=WHOLE_DAEMON, begin=_probes, addresses=WHOLE_DAEMON)
"""The same from an address each."""

unread_heads = Crowd(number=ALL_SLOTS, begin=_asking("/metrics", "HEAD", 200, stuffed=True))
"""Ask for the page's head again and again, and read none of the answers."""

unread_pages = Crowd(number=ALL_SLOTS, begin=_pages)
"""Ask for twenty pages at once and read none of them."""

unread_pages_of_many = Crowd(number=WHOLE_DAEMON, begin=_pages, addresses=WHOLE_DAEMON)
"""The same, as many as there is room for, from an address each."""


def _come_again(_member: socket.socket, age: int) -> None:
    if age > SOON:
        raise ConnectionResetError


unread_pages_again = Crowd(
    number=2 * ALL_SLOTS, begin=_pages, tend=_come_again, addresses=WHOLE_DAEMON, pause=0.2
)
"""The same, each given up after a second for a new one: no reply lies there for long."""

slow_pages = Crowd(number=ALL_SLOTS, begin=_pages, tend=_take_a_little, addresses=ALL_SLOTS, pause=1.0)
"""Read four kilobytes a second of twenty pages: each write makes progress, and none comes to its end."""


def _half_closed(victim: Victim, source: str) -> socket.socket:
    client = victim.connect(source, buffer=SMALL_BUFFER)
    client.sendall(victim.request("/metrics") * PAGES)
    client.shutdown(socket.SHUT_WR)
    return client


half_closed = Crowd(number=WHOLE_DAEMON, begin=_half_closed, addresses=50)
"""Ask, close the sending side, read nothing and stay."""
