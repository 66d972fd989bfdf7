"""The Prometheus of the fleet, configured by Ansible: the alerts that fire, the series that it has."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers

URL = "http://127.0.0.1:9090"
Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Monitoring:
    """A running Prometheus."""

    child: subprocess.Popen[bytes]
    log: Path

    def query(self, expression: str) -> dict[Labels, float]:
        """Return the value of an instant query for each series."""
        answer = self._get("query", query=expression)
        return {frozenset(series["metric"].items()): float(series["value"][1]) for series in answer["result"]}

    def firing(self) -> set[Labels]:
        """Return the labels of every alert that fires now, its name among them."""
        return {
            frozenset(alert["labels"].items())
            for alert in self._get("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def rules(self) -> set[str]:
        """Return the names of all alert rules; an unhealthy rule is an error."""
        found = set()
        for group in self._get("rules")["groups"]:
            for rule in group["rules"]:
                assert rule["health"] in {"ok", "unknown"}, rule
                if rule["type"] == "alerting":
                    found.add(rule["name"])
        return found

    def _get(self, what: str, **parameters: str) -> Any:
        address = f"{URL}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]


@contextmanager
def running(directory: Path, data: Path) -> Iterator[Monitoring]:
    """Run a Prometheus for the block, on the configuration that is in the directory."""
    command = (
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={urllib.parse.urlparse(URL).netloc}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )
    log = data.with_suffix(".log")
    child = spawn(command, log)
    try:
        until(lambda: answers(f"{URL}/-/ready"), 30.0, f"Prometheus, see {log}")
        yield Monitoring(child, log)
    finally:
        end(child)
