"""What is attacked, as the attacker knows it: where the page is, and what he needs to be let in."""

import base64
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Self

IP_BIND_ADDRESS_NO_PORT = 24
"""ip(7); the module socket names it from Python 3.12 on."""


@dataclass(frozen=True)
class Victim:
    """A daemon on 127.0.0.1; all of it can be written as JSON."""

    port: int
    pid: int
    authority: str = ""
    """The file that the certificate is checked against; empty for a page without TLS."""

    certificate: str = ""
    key: str = ""
    """A client's own, where one is required."""

    user: str = ""
    password: str = ""
    token: str = ""
    """A token in place of a user and a password."""

    paths: Mapping[str, str] = field(default_factory=dict)
    """What other programs have in place of the daemon's paths."""

    @property
    def credentials(self) -> Mapping[str, str]:
        """The header of those who know a password or a token."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if not self.user:
            return {}
        known = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {known}"}

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """What a client trusts and shows; None without TLS."""
        if not self.authority:
            return None
        context = ssl.create_default_context(cafile=self.authority)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def connect(self, source: str = "127.0.0.1", timeout: float = 5.0, buffer: int = 0) -> socket.socket:
        """Return a TCP connection from an address of the loopback, with a receive buffer of so many bytes."""
        client = socket.socket()
        try:
            if buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            client.settimeout(timeout)
            # Many addresses may have the same port, and no port is kept from those who would listen on it.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            client.bind((source, 0))
            client.connect(("127.0.0.1", self.port))
        except OSError:
            client.close()
            raise
        return client

    def open(self, source: str = "127.0.0.1", timeout: float = 5.0, buffer: int = 0) -> socket.socket:
        """Return the same, under TLS where the page is."""
        client = self.connect(source, timeout, buffer)
        if self.context is None:
            return client
        try:
            return self.context.wrap_socket(client, server_hostname="127.0.0.1")
        except OSError:
            client.close()
            raise

    def path(self, path: str) -> str:
        """Return what the program has in place of a path of the daemon's."""
        return self.paths.get(path, path)

    def request(self, path: str, *headers: str, method: str = "GET") -> bytes:
        """Return a request with the right password."""
        known = [f"{name}: {value}" for name, value in self.credentials.items()]
        return "\r\n".join(
            [f"{method} {self.path(path)} HTTP/1.1", "Host: 127.0.0.1", *known, *headers, "", ""]
        ).encode()


class Clock:
    """The time that an attack has, and addresses of the loopback to attack from."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._random = Random(1)

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return self._end - time.monotonic()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> None:
        if self.left <= 0:
            raise StopIteration

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until the time is over."""
        time.sleep(max(0.0, min(seconds, self.left)))

    def address(self, of: int = 1) -> str:
        """Return one of so many addresses; the good clients' is never among them."""
        number = self._random.randrange(of)
        return f"127.66.{number // 200}.{number % 200 + 1}"
