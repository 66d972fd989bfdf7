"""Scrapes of a host's collector over TLS, with a client's certificate or without."""

import ssl
import urllib.request

from tests.fleet.fleet import PORT, Fleet
from tests.fleet.host import Host
from tests.lab.served import Page, parse


def scrape(fleet: Fleet, host: Host, client: str | None = "prometheus") -> Page:
    """Return the host's page; `ssl.SSLError` or `OSError` when the handshake is refused."""
    context = ssl.create_default_context(cafile=fleet.certificates / "authority.pem")
    if client is not None:
        context.load_cert_chain(fleet.certificates / f"{client}.pem", fleet.certificates / f"{client}.key")
    address = f"https://{host.address}:{PORT}/metrics"
    with urllib.request.urlopen(address, timeout=10, context=context) as answer:
        return parse(answer.read().decode())
