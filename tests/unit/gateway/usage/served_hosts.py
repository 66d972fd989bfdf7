"""Hosts' usage endpoints over HTTP or TLS, each with a ledger that a test fills, and with faults."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hostcollector.catalogue.usage import HourClosed, UsageRecord
from tests.unit.gateway.usage.records import content, ledger_name

Fault = Callable[[BaseHTTPRequestHandler], None]


@dataclass(slots=True)
class Endpoint:
    """One host: what it has, and how it fails. `asked` are the cursors that it was asked for."""

    target: str = ""
    ledger: int = 1
    lines: list[UsageRecord | HourClosed] = field(default_factory=list)
    fault: Fault | None = None
    asked: list[int] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer as the daemon does."""
        parts = urlsplit(handler.path)
        query = parse_qs(parts.query)
        after, limit = int(query["after"][0]), int(query["limit"][0])
        self.asked.append(after)
        if self.fault is not None:
            self.fault(handler)
        elif parts.path != "/tenants/usage":
            reply(handler, b"page not found\n", 404)
        elif after > len(self.lines):
            reply(handler, b"the ledger is shorter\n", 409, None)
        else:
            reply(handler, content(self.lines[after : after + limit]), 200, self.ledger)


def reply(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, ledger: int | None = 1) -> None:
    """Send an answer with the header of a ledger, as the daemon does with 200 only."""
    handler.send_response(status)
    if ledger is not None:
        handler.send_header("Hostcollector-Ledger", ledger_name(ledger))
    handler.send_header("Content-Type", "application/x-ndjson")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def endpoint(
    tls: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[Endpoint]:
    """Give a host that listens."""
    host = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(address, Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        host.target = f"{address[0]}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()


def write_list(file: Path, targets: Sequence[str]) -> Path:
    """Write a list of hosts as file_sd has it."""
    file.write_text(json.dumps([{"targets": list(targets), "labels": {"job": "hostcollector"}}]))
    return file
