"""Real stores with known series: one tenant alone, or with another one and the infrastructure's."""

import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

PATIENCE = 30.0
ROOT = os.environ.get("STORE_ROOT", "")
"""The root tree of another Debian release whose VictoriaMetrics is tested; empty for this machine's."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of a series; `at` is in Unix seconds."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    at: int

    def line(self, *, milliseconds: bool) -> str:
        """Return it as a line of the text format."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{labels}}} {self.value!r} {self.at * 1000 if milliseconds else self.at}"


@contextmanager
def victoria_metrics(samples: Sequence[Sample], *flags: str) -> Iterator[str]:
    """Give the address of a VictoriaMetrics with the samples."""
    within = f"{ROOT}/tmp" if ROOT else None
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-store-", dir=within) as directory,
        reserved_port() as port,
    ):
        command = [
            *(("chroot", ROOT) if ROOT else ()),
            "victoria-metrics",
            f"-storageDataPath={directory.removeprefix(ROOT)}/data",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=3",
            "-search.latencyOffset=0s",
            "-memory.allowedBytes=100MB",
            "-search.disableCache",
            *flags,
        ]
        child = spawn(command, Path(directory) / "log")
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: answers(f"{url}/health"), PATIENCE, "VictoriaMetrics")
            text = "\n".join(sample.line(milliseconds=True) for sample in samples) + "\n"
            _post(f"{url}/api/v1/import/prometheus", text.encode())
            _post(f"{url}/internal/force_flush", b"")
            yield url
        finally:
            end(child)


@contextmanager
def prometheus(samples: Sequence[Sample]) -> Iterator[str]:
    """Give the address of a Prometheus with the samples."""
    with tempfile.TemporaryDirectory(prefix="hostcollector-store-") as directory, reserved_port() as port:
        root = Path(directory)
        by_family = sorted(samples, key=lambda sample: (sample.name, sample.labels, sample.at))
        text = "\n".join(sample.line(milliseconds=False) for sample in by_family) + "\n# EOF\n"
        (root / "samples").write_text(text)
        (root / "prometheus.yml").write_text("global: {}\n")
        made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", f"{root}/samples", f"{root}/data"]
        subprocess.run(made, check=True, capture_output=True)
        command = [
            "prometheus",
            f"--config.file={root}/prometheus.yml",
            f"--storage.tsdb.path={root}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--storage.tsdb.retention.time=90d",
        ]
        child = spawn(command, root / "log")
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: answers(f"{url}/-/ready"), PATIENCE, "Prometheus")
            yield url
        finally:
            end(child)


def _post(url: str, content: bytes) -> None:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content), timeout=60) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read()!r}") from error
