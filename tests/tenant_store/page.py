"""A tenant page over TLS whose only counter says which scrape it is: a lost sample has a number."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SERIES = "vm_cpu_seconds_total"
LABELS = '{tenant="a",vm="4be0c2a8-6d35-4b3f-8a53-0d1c9f5b0d11",vcpu="0"}'


@dataclass(slots=True)
class Page:
    """What is served: the number of the scrape, or nothing while the host is cut off."""

    port: int = 0
    scrapes: int = 0
    cut_off: bool = False
    missed: int = 0
    more: str = ""
    """Lines that are on the page beside the counter."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def text(self) -> str | None:
        """Return the page of the next scrape; None while nothing gets through."""
        with self.lock:
            if self.cut_off:
                self.missed += 1
                return None
            self.scrapes += 1
            return f"# TYPE {SERIES} counter\n{SERIES}{LABELS} {self.scrapes}\n{self.more}"


@contextmanager
def served(pki: Path, page: Page | None = None) -> Iterator[Page]:
    """Serve a page on a free port of the loopback address for the block, by default a new one."""
    shown = page or Page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = shown.text() if self.path == "/tenants/metrics" else None
            if text is None:
                self.close_connection = True
                return
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "authority.pem")
    context.load_cert_chain(pki / "front.pem", pki / "front.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        shown.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()
