"""How much of the daemon its clients may take, so that no client can keep another from being answered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of the web side."""

    requests: int = 40
    """Requests that are answered at the same time; the next one gets 503."""

    connections: int = 200
    """Open connections, those in their handshake included; for the next one the oldest without a request is
    cut off, and where each has one, it is closed itself."""

    handshake_seconds: float = 10.0
    """What a client has for the TLS handshake."""

    idle_seconds: float = 90.0
    """A connection that has not completed a request for so long is closed; longer than a scrape interval."""

    send_seconds: float = 30.0
    """A client that has not taken its reply after so long is cut off."""

    farewell_seconds: float = 0.3
    """What a client that has just connected gets to ask, when the application is exchanged."""

    shutdown_seconds: float = 1.5
    """What requests in flight get when the server closes; it takes at most twice as long."""
