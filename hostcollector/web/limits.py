"""How much of the daemon its clients may take, so that no client can keep another from being answered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of the web side. An address is an IPv4 address, or the /64 network of an IPv6 one."""

    connections: int = 256
    """Open connections, silent ones and handshakes included; for the next one another gives way: the one that
    has asked for nothing for longest, of the address that has most of them."""

    connections_per_address: int = 64
    """How many of them one address may have; enough for a proxy or a NAT in front of many scrapers."""

    handshakes: int = 64
    """TLS handshakes at the same time; for the next one the oldest of the busiest address is cut off."""

    requests: int = 40
    """Requests that are answered at the same time; the next one waits a little, and gets 503 then."""

    requests_per_address: int = 10
    """How many of them one address may have; a client that is slow to take its page gives way to the next."""

    silent_seconds: float = 10.0
    """A client that has sent nothing for so long after it connected, or has not ended its TLS handshake, is
    cut off."""

    idle_seconds: float = 90.0
    """A connection that has not completed a request for so long is closed; longer than a scrape interval."""

    send_seconds: float = 30.0
    """A client that has not taken its reply after so long is cut off, and so is one that does not take any
    other byte: the rest of a probe's answer, the end of TLS."""

    patience_seconds: float = 2.0
    """A client that has not taken any of its reply for so long gives way to another one of its address; and
    one for which there is no place at all waits for so long."""

    crowded_seconds: float = 0.25
    """The same where all places are taken, of whatever address: a scraper that reads keeps up."""

    shutdown_seconds: float = 1.5
    """What requests in flight get when the server closes; it takes at most twice as long."""
