"""The attacks, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.attacks import handshakes, readers, reloads, requests
from tests.attacks.victim import Clock, Victim


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack and the kind of page that it is for."""

    name: str
    run: Callable[[Victim, Clock], None]
    page: str = "plain"
    """``plain``, ``tls`` (with users), or ``mutual`` (client certificates are required)."""

    brief: bool = False
    """Whether CI runs it too; the others are variants, or show only after a while."""


ATTACKS: Sequence[Attack] = (
    Attack("idle connections, fast", handshakes.idle_fast, "tls"),
    Attack("idle connections, 30 a second", handshakes.idle_slow, "mutual"),
    Attack("idle connections of 400 addresses", handshakes.idle_of_many, "mutual", brief=True),
    Attack("handshakes byte by byte", handshakes.byte_by_byte, "mutual"),
    Attack("handshakes and no request", handshakes.no_request, "tls", brief=True),
    Attack("connect and reset", handshakes.resets, "tls", brief=True),
    Attack("garbage", handshakes.garbage, "tls"),
    Attack("unread probes", readers.unread_probes, brief=True),
    Attack("unread probes under TLS", readers.unread_probes, "tls"),
    Attack("unread probes of 200 addresses", readers.unread_probes_of_many, "tls", brief=True),
    Attack("unread pages", readers.unread_pages, brief=True),
    Attack("unread pages of 200 addresses", readers.unread_pages_of_many, brief=True),
    Attack("unread pages that come again", readers.unread_pages_again),
    Attack("pages read a little at a time", readers.slow_pages, brief=True),
    Attack("unread heads", readers.unread_heads),
    Attack("half-closed connections", readers.half_closed, brief=True),
    Attack("tiny deadlines", requests.tiny_deadlines, brief=True),
    Attack("gzip bodies", requests.gzip_bodies, brief=True),
    Attack("bodies announced", requests.announced_bodies, brief=True),
    Attack("headers without end", requests.endless_headers, brief=True),
    Attack("busy clients", requests.busy, brief=True),
    Attack("busy clients with random selections", requests.random_selections, brief=True),
    Attack("connections that are never idle", requests.never_idle),
    Attack("wrong passwords of 200 addresses", requests.wrong_passwords, "tls", brief=True),
    Attack("reloads", reloads.reloads),
)
"""All of them."""


def named(name: str) -> Attack:
    """Return an attack by its name."""
    return next(attack for attack in ATTACKS if attack.name == name)
