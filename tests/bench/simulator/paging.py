"""A real Alertmanager, and a receiver of webhooks that keeps what it sends."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.bench.simulator.pace import hurried
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port


@dataclass(frozen=True, slots=True)
class Notification:
    """What one receiver got at one time: of a group that fires, or that is resolved."""

    at: float
    receiver: str
    firing: bool
    alerts: tuple[Mapping[str, str], ...]
    """The labels of the alerts that fire."""

    @property
    def names(self) -> frozenset[str]:
        """The names of the alerts in it."""
        return frozenset(labels["alertname"] for labels in self.alerts)


@dataclass(slots=True)
class Inbox:
    """Where notifications arrive."""

    address: str = ""
    notifications: list[Notification] = field(default_factory=list)

    def firing(self, since: float) -> list[Notification]:
        """Return those of alerts that fire, from this time on."""
        return [one for one in list(self.notifications) if one.firing and one.at >= since]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Receive webhooks for the block."""
    kept = Inbox()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.notifications.append(_notification(message))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    kept.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _notification(message: Mapping[str, Any]) -> Notification:
    firing = tuple(alert["labels"] for alert in message["alerts"] if alert["status"] == "firing")
    return Notification(time.time(), message["receiver"], message["status"] == "firing", firing)


@contextmanager
def alertmanager(
    directory: Path, configuration: Mapping[str, Any], target: Inbox, pace: float
) -> Iterator[str]:
    """Run Alertmanager for the block and yield HOST:PORT; each receiver of the configuration is the inbox."""
    receivers = [
        {"name": receiver["name"], "webhook_configs": [{"url": target.address, "max_alerts": 0}]}
        for receiver in configuration["receivers"]
    ]
    file, log = directory / "alertmanager.yml", directory / "alertmanager.log"
    file.write_text(json.dumps({**hurried(configuration, pace), "receivers": receivers}))
    with reserved_port() as port:
        address = f"127.0.0.1:{port}"
        command: Sequence[str] = [
            "prometheus-alertmanager",
            f"--config.file={file}",
            f"--storage.path={directory / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ]
        child = spawn(command, log)
        try:
            until(lambda: answers(f"http://{address}/-/ready"), 60.0, f"Alertmanager, see {log}")
            yield address
        finally:
            end(child)
