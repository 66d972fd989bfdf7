"""What is measured: the collector, and the peers that Debian ships."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.packages import unpack
from tests.lab.image import CACHE
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers, free_port
from tests.lab.served import serving

PEER = "prometheus-libvirt-exporter"
OURS = "hostcollector"
COLLECTD = "collectd"
# How often collectd reads by itself; it serves what it read last.
COLLECTD_INTERVAL = 1

_COLLECTD_CONF = """
Interval {interval}
PluginDir "{tree}/usr/lib/collectd"
BaseDir "{directory}"
TypesDB "{tree}/usr/share/collectd/types.db"
LoadPlugin virt
LoadPlugin write_prometheus
<Plugin virt>
  Connection "{uri}"
  RefreshInterval 60
  Instances 4
  ExtraStats "disk domain_state memory vcpu"
</Plugin>
<Plugin write_prometheus>
  Host "127.0.0.1"
  Port "{port}"
</Plugin>
"""


@dataclass(frozen=True, slots=True)
class Running:
    """An exporter that can be scraped."""

    name: str
    pid: int
    url: str


@contextmanager
def ours(uri: str, *, maximum_age: float = 1.0, within: Sequence[str] = ()) -> Iterator[Running]:
    """Run the collector; `maximum_age` in seconds is for how long it serves a page again.

    `within` is what its command begins with.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        configuration = directory / "config.yml"
        configuration.write_text(f"collection: {{maximum_age_seconds: {maximum_age}}}\n")
        with serving(uri, directory, f"--config.file={configuration}", within=within) as served:
            yield Running(OURS, served.child.pid, f"{served.url}/metrics")


@contextmanager
def peer(uri: str) -> Iterator[Running]:
    """Run Debian's prometheus-libvirt-exporter, which reads at scrape time."""
    program = unpack(CACHE / "peer", [PEER]) / "usr/bin" / PEER
    port = free_port(0)
    command: list[str | Path] = [program, f"--web.listen-address=127.0.0.1:{port}", f"--libvirt.uri={uri}"]
    with _running(PEER, command, port) as running:
        yield running


@contextmanager
def collectd(uri: str) -> Iterator[Running]:
    """Run collectd's virt plugin with write_prometheus, which reads at its own interval."""
    libraries = (["libmicrohttpd12", "libmicrohttpd12t64"], ["libprotobuf-c1"])
    tree = unpack(CACHE / "collectd", ["collectd-core"], *libraries)
    port = free_port(0)
    with tempfile.TemporaryDirectory() as directory:
        configuration = Path(directory) / "collectd.conf"
        configuration.write_text(
            _COLLECTD_CONF.format(
                interval=COLLECTD_INTERVAL, tree=tree, directory=directory, uri=uri, port=port
            )
        )
        (path,) = {library.parent for library in tree.glob("usr/lib/*/libmicrohttpd.so*")}
        environment = {**os.environ, "LD_LIBRARY_PATH": str(path)}
        command: list[str | Path] = [tree / "usr/sbin/collectd", "-f", "-C", configuration]
        with _running(COLLECTD, command, port, environment) as running:
            yield running


@contextmanager
def _running(
    name: str, command: Sequence[str | Path], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    url = f"http://127.0.0.1:{port}/metrics"
    with tempfile.TemporaryDirectory() as directory:
        child = spawn(command, Path(directory) / "log", environment)
        try:
            until(lambda: answers(url), 30, name)
            yield Running(name, child.pid, url)
        finally:
            end(child)
