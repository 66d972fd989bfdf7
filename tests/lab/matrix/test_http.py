"""What clients do to the web server costs those who scrape properly nothing."""

import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.lab.matrix.harm import NO_HARM
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene
from tests.lab.served import Served

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SLOW_CLIENTS, IDLE_CONNECTIONS = 50, 500
TOO_LONG = "x" * 100_000
BAD = (
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET /" + b"z" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\0" * 4096,
)
HEADERS = (
    {"Accept": "application/openmetrics-text;q=;version=,,;;,*/*;q=2;q=nan"},
    {"Accept": "\\x00;" * 1000},
    {"Accept-Encoding": "gzip;q=0.0000000000001, br;;, *;q=-1"},
    {"X-Prometheus-Scrape-Timeout-Seconds": "1e309"},
    {"X-Prometheus-Scrape-Timeout-Seconds": "-1"},
    {"X-Huge": TOO_LONG},
    {f"X-{number}": "y" * 100 for number in range(500)},
)
QUERIES = (
    "collect[]=",
    "collect[]=%00",
    "collect[]=procfs&collect[]=%ff",
    "collect%5B%5D=" + TOO_LONG,
    "collect[]=procfs&" * 1000,
    "%",
    "&&&=",
)


def _address(served: Served) -> tuple[str, int]:
    host, _, port = served.url.removeprefix("http://").rpartition(":")
    return host, int(port)


@contextmanager
def _connections(served: Served, number: int, beginning: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections that say no more than the beginning; the server may cut them off."""
    with ExitStack() as all_of_them:
        opened = []
        for _ in range(number):
            with suppress(OSError):
                client = socket.create_connection(_address(served), timeout=10)
                opened.append(all_of_them.enter_context(client))
                client.sendall(beginning)
        yield opened


def _status(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> int:
    """Return the status of a request; 0 when the server hangs up, which is its right."""
    try:
        request = urllib.request.Request(url, headers=headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=15) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.full  # `tests/attacks` has the same in CI
def test_clients_that_never_finish_keep_no_client_out(on_stage: Scene, begin: Begin) -> None:
    """Slow requests and hundreds of idle connections leave room for those who scrape."""
    served = on_stage.watched.served
    with begin(f"slow-loris, {IDLE_CONNECTIONS} idle connections", on_stage.watched) as row:
        for _ in row.each_round():
            slow = _connections(served, SLOW_CLIENTS, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
            with row.fault(NO_HARM), slow as clients, _connections(served, IDLE_CONNECTIONS):
                for _ in range(5):
                    for client in clients:
                        with suppress(OSError):
                            client.sendall(b"X-Slow: 1\r\n")
                    row.keep_scraping(1)


@pytest.mark.full
def test_bad_requests_are_refused(on_stage: Scene, begin: Begin) -> None:
    """What is not HTTP, huge or not allowed is refused with a client's error, and no more comes of it."""
    served = on_stage.watched.served
    with begin("bad requests, huge headers, other methods", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(NO_HARM):
                for bytes_of_it in BAD:
                    with _connections(served, 1, bytes_of_it) as (client,), suppress(OSError):
                        assert client.recv(9) in (b"", b"HTTP/1.0 ", b"HTTP/1.1 ")
                for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
                    assert _status(f"{served.url}/metrics", method) in (0, 400, 404, 405), method
                assert _status(f"{served.url}/metrics", "HEAD") == 200
                for headers in HEADERS:
                    assert _status(f"{served.url}/metrics", headers=headers) in (0, 200, 400), headers
                for query in QUERIES:
                    assert _status(f"{served.url}/metrics?{query}") in (0, 200, 400), query
                row.keep_scraping()


@pytest.mark.full
def test_ten_scrapers_at_once_cost_one_collection(on_stage: Scene, begin: Begin) -> None:
    """They get the same page: how long its collection took distinguishes one from another."""
    served = on_stage.watched.served
    with begin("ten scrapers at once", on_stage.watched) as row, ThreadPoolExecutor(10) as pool:
        for _ in row.each_round():
            with row.fault(NO_HARM):
                began = time.monotonic()
                pages = list(pool.map(lambda _number: served.page(), range(10)))
                # One may have been made between two of the ten, and one more in each second that they took.
                most = 2 + int(time.monotonic() - began)
                assert len({page.one("hostcollector_collection_duration_seconds") for page in pages}) <= most


@pytest.mark.full
def test_clients_leave_in_the_middle_of_their_reply(on_stage: Scene, begin: Begin) -> None:
    """Connections that are reset while the page is sent leave nothing behind."""
    served = on_stage.watched.served
    with begin("clients gone in mid-reply", on_stage.watched) as row:
        for _ in row.each_round():
            with row.fault(NO_HARM):
                for _ in range(20):
                    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    with _connections(served, 3, request) as clients:
                        for client in clients:
                            # Closed with a reset instead of politely.
                            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            with suppress(OSError):
                                client.recv(100)
                row.keep_scraping()
