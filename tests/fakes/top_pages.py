"""Makes the pages that the tests of `top` read, and serves them over real HTTP."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hostcollector.base.model import Family, Metric, Snapshot
from hostcollector.catalogue import block, collection, cpu, guest, interface, memory
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format

Labels = tuple[str, ...]
Entry = tuple[Metric, Labels, float]

WEB = ("acme", "web", "u-web")
DB = ("globex", "db", "u-db")


def collected(at: float, entries: Iterable[Entry], *, sources: Iterable[str] = ()) -> Snapshot:
    """Return the snapshot of a collection at `at` in which `sources` answered."""
    families: dict[Metric, dict[Labels, float]] = {}
    for metric, labels, value in [*entries, *_own(at, sources)]:
        families.setdefault(metric, {})[labels] = value
    return Snapshot(taken_at=at, families=tuple(Family(row, series) for row, series in families.items()))


def _own(at: float, sources: Iterable[str]) -> Iterator[Entry]:
    yield collection.LIBVIRT_UP, (), 1
    for source in sources:
        yield collection.SOURCE_UP, (source,), 1
        yield collection.SOURCE_LAST_SUCCESS, (source,), at


def busy(identity: Labels, seconds: float) -> list[Entry]:
    """Return a guest's series after `seconds` of steady work on two vCPUs, one of them half busy."""
    disk, nic = (*identity, "vda"), (*identity, "tap0")
    return [
        (guest.STATE_REASON, (*identity, "running", "booted"), 1),
        (cpu.VCPU_TIME, (*identity, "0"), 10 + seconds),
        (cpu.VCPU_TIME, (*identity, "1"), 20 + seconds / 2),
        (cpu.VCPU_DELAY, (*identity, "0"), seconds / 32),
        (cpu.VCPU_DELAY, (*identity, "1"), seconds / 32),
        (memory.RSS, identity, 2**31),
        (memory.USED_PERCENT, identity, 62.5),
        (block.READ_BYTES, disk, seconds * 2048),
        (block.WRITE_BYTES, disk, seconds * 4096),
        (block.READ_REQUESTS, disk, seconds * 4),
        (block.WRITE_REQUESTS, disk, seconds * 8),
        (interface.RECEIVE_BYTES, nic, seconds * 1000),
        (interface.TRANSMIT_BYTES, nic, seconds * 500),
        (collection.MONITOR_BLOCKED, identity, 0),
        (collection.TIMED_OUT, identity, 0),
    ]


def text_of(snapshot: Snapshot) -> bytes:
    """Return the snapshot's page as the collector serves it."""
    return Encoder().encode(snapshot, Format.TEXT)


@dataclass(slots=True)
class Served:
    """A server's address, what it answers in turn (the last one for ever) and what it was asked."""

    answers: list[tuple[int, bytes]]
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def next(self) -> tuple[int, bytes]:
        """Return the next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(*answers: tuple[int, bytes]) -> Iterator[Served]:
    """Serve `answers` on a port of the loopback interface."""
    served = Served(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, self.headers["Accept"]))
            status, body = served.next()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
