"""A real Prometheus on the fleet, with the shipped rules, and what it says of its own work."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.simulator.pace import shorter
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

SCRAPE_SECONDS = 15
_READY_SECONDS = 60.0
_ANSWER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """A page to scrape: of which job and host, and where."""

    job: str
    instance: str
    path: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query cost: seconds until the whole answer was here, series of it, samples.

    `read` are all samples that the query touched, `peak` those that it held at one time: `query.max-samples`
    limits the latter. Both are 0 for the values of a label, which have no samples.
    """

    seconds: float
    series: int
    read: int = 0
    peak: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus."""

    url: str
    pid: int
    data: Path

    def get(self, path: str, **parameters: str) -> bytes:
        """Return what the API answers, an error's body too."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        request = urllib.request.Request(address)
        opener = urllib.request.build_opener(_Errors())
        with opener.open(request, timeout=_ANSWER_SECONDS) as answer:
            body: bytes = answer.read()
        return body

    def value(self, query: str) -> float:
        """Return the value of an instant query with one series; 0 where it has none."""
        found = json.loads(self.get("query", query=query))["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def rule_groups(self) -> list[dict[str, Any]]:
        """Return the groups of rules: `name`, `interval`, `evaluationTime`, `rules`."""
        groups: list[dict[str, Any]] = json.loads(self.get("rules"))["data"]["groups"]
        return groups

    def head(self) -> dict[str, Any]:
        """Return what it says of its head block: `numSeries` and others."""
        head: dict[str, Any] = json.loads(self.get("status/tsdb"))["data"]["headStats"]
        return head

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        return resident_memory(self.pid)

    def snapshot(self) -> Path:
        """Write all that it has as blocks, and return their directory."""
        request = urllib.request.Request(f"{self.url}/api/v1/admin/tsdb/snapshot", method="POST")
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            name: str = json.load(answer)["data"]["name"]
        return self.data / "snapshots" / name


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


class _Errors(urllib.request.HTTPErrorProcessor):
    """Takes an answer with an error's status as an answer: its body says why."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


@contextmanager
def running(
    directory: Path,
    address: str,
    targets: Iterable[Target],
    rules: Sequence[Path],
    *,
    pace: float = 1.0,
    alertmanager: str = "",
    store: str = "",
) -> Iterator[Server]:
    """Run the server for the block.

    `address` is where the pages are. With a `pace` it scrapes and evaluates so many times as often.
    `alertmanager` is HOST:PORT, `store` the address to which it writes every sample as well.
    """
    configuration = directory / "prometheus.yml"
    configuration.write_text(json.dumps(_configuration(address, targets, rules, pace, alertmanager, store)))
    log, data = directory / "prometheus.log", directory / "data"
    with reserved_port() as port:
        command = [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--query.lookback-delta={shorter('5m', pace)}",
            f"--rules.alert.resend-delay={shorter('1m', pace)}",
            "--web.enable-admin-api",
            "--log.level=warn",
        ]
        child = spawn(command, log)
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: answers(f"{url}/-/ready"), _READY_SECONDS, f"Prometheus, see {log}")
            yield Server(url, child.pid, data)
        finally:
            end(child, grace=60.0)


def _configuration(
    address: str, targets: Iterable[Target], rules: Sequence[Path], pace: float, alertmanager: str, store: str
) -> dict[str, Any]:
    """Return the configuration. JSON is YAML."""
    jobs: dict[str, list[dict[str, Any]]] = {}
    for target in targets:
        labels = {"__metrics_path__": target.path, "instance": target.instance, **target.labels}
        jobs.setdefault(target.job, []).append({"targets": [address], "labels": labels})
    alerting = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]} if alertmanager else {}
    interval = shorter(f"{SCRAPE_SECONDS}s", pace)
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(path) for path in rules],
        "alerting": alerting,
        "remote_write": [{"url": store}] if store else [],
        "scrape_configs": [{"job_name": job, "static_configs": configs} for job, configs in jobs.items()],
    }
