"""Serves targets for Prometheus's http_sd_configs."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hostcollector.app.cli.discovery import InventoryError, Wanted, document, read, targets
from hostcollector.config.address import Address

SECONDS_FOR_A_REQUEST = 10.0
"""After these a connection that has not sent its request is closed."""


def server(address: Address, inventory: Path, wanted: Wanted) -> ThreadingHTTPServer:
    """Return a server of the targets, which reads the inventory for each request.

    It answers 503 while the inventory cannot be used; Prometheus then keeps the targets that it has. Raises
    `OSError` for an address in use.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS_FOR_A_REQUEST

        def do_GET(self) -> None:
            try:
                status, kind, body = 200, "application/json", document(targets(read(inventory), wanted))
            except InventoryError as error:
                status, kind, body = 503, "text/plain; charset=utf-8", f"{error}\n".encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer((address.host, address.port), Handler)
