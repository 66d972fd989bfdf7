"""A Prometheus of our own that scrapes one target, and what it answers."""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """global:
  scrape_interval: 2s
  scrape_timeout: 2s
scrape_configs:
  - job_name: hostcollector
    static_configs:
      - targets: ["{target}"]
"""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server on a local port, with its configuration and data in one directory."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        """Return the address of its page."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, target: str) -> list[str]:
        """Write the configuration and return the command that starts the server."""
        self.directory.mkdir()
        configuration = self.directory / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(target=target))
        return [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def by_label(self, query: str, label: str) -> dict[str, float]:
        """Return the value of an instant query for each value of one label; nothing while it is not ready."""
        parameters = urllib.parse.urlencode({"query": query})
        with suppress(urllib.error.URLError):
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{parameters}", timeout=5) as answer:
                found = json.load(answer)["data"]["result"]
            return {series["metric"].get(label, ""): float(series["value"][1]) for series in found}
        return {}


def answers(url: str) -> bool:
    """Tell whether a GET of the address succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port(wanted: int) -> int:
    """Return the wanted port of the loopback address, or another one when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("there is no free port on 127.0.0.1")
