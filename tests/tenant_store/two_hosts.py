"""Two hypervisors with guests, vmagent as the role sets it up, and as stores VictoriaMetrics and Prometheus.

An interval of 5 s is one of 60 s; all other times of the way are shortened alike.
"""

import json
import random
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from hostcollector.outputs.tenant_page import PATH
from tests.lab.guest import MIB, Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.metadata import own_tenant
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.lab.served import Served, parse
from tests.lab.tenant_hosts import side, vcpu_seconds
from tests.lab.workload import Workload
from tests.ports import reserved_port
from tests.tenant_store.page import Page, served
from tests.tenant_store.region import Region, rendered

INTERVAL = 5.0
"""Seconds between two scrapes of a tenant page."""

SHORTER = 60.0 / INTERVAL
OPERATORS_INTERVAL = 15.0 / SHORTER
OLDEST = OPERATORS_INTERVAL
"""How old the collection may be that a tenant page is made of: `tenants.maximum_age_seconds`."""

LOOK_BACK = 300.0 / SHORTER
"""How long Prometheus shows a sample."""

LOAD = Workload(memory_bytes=24 * MIB, write_bytes=1 * MIB, cpu_seconds=0.1, period_seconds=0.4)
COUNTER, INFO, START = "vm_cpu_seconds_total", "vm_info", "vm_start_time_seconds"

Line = list[tuple[float, float]]
"""Unix times and values."""


@dataclass(slots=True)
class HostPage(Page):
    """A collector's tenant page over TLS. `carried` has each scrape, with the tenant of one VM on it."""

    collector: Served | None = None
    vm: str = ""
    carried: list[tuple[float, str]] = field(default_factory=list)

    def text(self) -> str | None:
        """Return the collector's page; None while nothing gets through."""
        if self.cut_off or self.collector is None:
            self.missed += 1
            return None
        text = self.collector.text(10, PATH)
        tenants = {
            dict(labels)["tenant"]
            for name, labels in parse(text).series
            if name == START and ("vm", self.vm) in labels
        }
        self.scrapes += 1
        self.carried.append((time.time(), next(iter(tenants), "")))
        return text


@dataclass(slots=True)
class Truth:
    """The CPU time that the kernel counted for all QEMUs of a guest, read twice a second."""

    uuid: str
    line: Line = field(default_factory=list)
    _first: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        """Read once."""
        for process, seconds in vcpu_seconds(self.uuid).items():
            self._first.setdefault(process, seconds if not self.line else 0.0)
            self._last[process] = seconds
        self.line.append((time.time(), sum(self._last.values()) - sum(self._first.values())))

    def at(self, moment: float) -> float:
        """Return the CPU time at a moment, on a straight line between two looks."""
        for (before, low), (after, high) in pairwise(self.line):
            if before <= moment <= after:
                return low + (high - low) * (moment - before) / (after - before)
        return self.line[0][1] if moment < self.line[0][0] else self.line[-1][1]


@dataclass(frozen=True, slots=True)
class Store:
    """A store by its address, below which it has Prometheus' API."""

    name: str
    url: str

    def range(self, query: str, start: float, end: float, step: float = 1.0) -> Mapping[str, Line]:
        """Return a query's values over time, by the label `tenant`."""
        parameters = {"query": query, "start": start, "end": end, "step": step, "nocache": 1}
        return {
            one["metric"].get("tenant", ""): [(float(at), float(value)) for at, value in one["values"]]
            for one in self._ask("query_range", parameters)
        }

    def instant(self, query: str, at: float) -> list[Any]:
        """Return the result of a query at a moment."""
        return list(self._ask("query", {"query": query, "time": at}))

    def samples(self, selector: str, start: float, end: float) -> Mapping[str, Line]:
        """Return what is stored of the series of a selector, by the label `tenant`."""
        parameters = {"query": f"{selector}[{round(end - start)}s]", "time": end}
        return {
            one["metric"].get("tenant", ""): [(float(at), float(value)) for at, value in one["values"]]
            for one in self._ask("query", parameters)
        }

    def _ask(self, what: str, parameters: Mapping[str, object]) -> Any:
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.load(answer)["data"]["result"]


@dataclass(slots=True)
class TwoHosts:
    """Two hypervisors whose pages vmagent scrapes. The guest `moving` starts on the first, others stay."""

    hypervisors: tuple[PrivateHypervisor, PrivateHypervisor]
    collectors: tuple[Served, Served]
    pages: tuple[HostPage, HostPage]
    moving: Guest
    staying: Guest
    truth: Truth
    region: Region
    stores: tuple[Store, Store]

    def wait_for(self, scrapes: int) -> None:
        """Wait until both hosts were scraped so many times more."""
        goals = [len(page.carried) + scrapes for page in self.pages]

        def met() -> bool:
            return all(len(page.carried) >= goal for page, goal in zip(self.pages, goals, strict=True))

        until(met, 30.0 + 3 * INTERVAL * scrapes, f"{scrapes} more scrapes")


@contextmanager
def two_hosts(image: GuestImage, directory: Path) -> Iterator[TwoHosts]:
    """Start all of it for the block; a busy guest of tenant acme is the one to move."""
    with ExitStack() as stack:
        hypervisors = (
            stack.enter_context(PrivateHypervisor.start()),
            stack.enter_context(PrivateHypervisor.start()),
        )
        moving, staying = _busy("store-mover"), _busy("store-stayer")
        hypervisors[0].boot(moving, image).account("ready")
        hypervisors[1].boot(staying, image).account("ready")
        collectors = tuple(
            stack.enter_context(side(each, directory / f"host-{number}", OLDEST))
            for number, each in enumerate(hypervisors)
        )
        region, pages = stack.enter_context(_scraped(collectors, directory / "region", moving.uuid))
        truth = Truth(moving.uuid)
        stack.enter_context(_repeated(truth.look, lambda: 0.5))
        drawn = random.Random(0)
        for collector in collectors:
            # As several dashboards and a Prometheus would: collections are of any age when vmagent comes.
            stack.enter_context(
                _repeated(collector.text, lambda: OPERATORS_INTERVAL * drawn.uniform(0.3, 1.5))
            )
        prometheus = stack.enter_context(_prometheus(directory / "prometheus"))
        region.start("tenant-store")
        region.start_front()
        allow_list = f"-remoteWrite.urlRelabelConfig={region.directory}/etc/allow-list.yml"
        region.start("tenant-agent", f"-remoteWrite.url={prometheus}/api/v1/write", allow_list)
        stores = Store("VictoriaMetrics", f"http://127.0.0.1:{region.store}"), Store("Prometheus", prometheus)
        yield TwoHosts(
            hypervisors, (collectors[0], collectors[1]), pages, moving, staying, truth, region, stores
        )


def _busy(name: str) -> Guest:
    return Guest(
        name=name, memory_mib=96, nics=0, disks=(Disk(),), workload=LOAD, metadata=own_tenant("acme")
    )


@contextmanager
def _scraped(
    collectors: tuple[Served, ...], directory: Path, vm: str
) -> Iterator[tuple[Region, tuple[HostPage, HostPage]]]:
    """Give the region's machine with both pages as its targets; nothing of it runs yet."""
    times = {
        "tenant_store_scrape_interval": f"{INTERVAL:g}s",
        "tenant_store_scrape_timeout": f"{INTERVAL:g}s",
        "tenant_store_latency_offset": "0s",
        "tenant_store_staleness": f"{150 / SHORTER:g}s",
    }
    hosts = {f"hv-{number}": f"127.0.0.{number}" for number in (1, 2)}
    with rendered(directory, hosts, **times) as region, ExitStack() as stack:
        pages = [HostPage(collector=collector, vm=vm) for collector in collectors]
        for page in pages:
            stack.enter_context(served(region.pki, page))
        targets = [
            {"targets": [f"127.0.0.1:{page.port}"], "labels": {"instance": name}}
            for page, name in zip(pages, hosts, strict=True)
        ]
        (directory / "etc/targets.yml").write_text(json.dumps(targets))
        yield region, (pages[0], pages[1])


@contextmanager
def _prometheus(directory: Path) -> Iterator[str]:
    """Run a Prometheus that takes remote write."""
    directory.mkdir()
    (directory / "prometheus.yml").write_text("global: {}\n")
    with reserved_port() as port:
        command = [
            "prometheus",
            f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            f"--query.lookback-delta={LOOK_BACK:g}s",
        ]
        child = spawn(command, directory / "log")
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), 30.0, "Prometheus")
            yield f"http://127.0.0.1:{port}"
        finally:
            end(child)


@contextmanager
def _repeated(action: Callable[[], object], pause: Callable[[], float]) -> Iterator[None]:
    """Do something again and again during the block; a failure is left to the next time."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(pause()):
            try:
                action()
            except OSError:
                continue

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
