"""The fleet's pages, its neighbours' and the Prometheus that scrapes them all, for the length of a block."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.simulator import neighbours, pages, prometheus
from tests.bench.simulator.fleet import SimulatedFleet
from tests.bench.simulator.host import SimulatedHost
from tests.bench.simulator.prometheus import Server, Target
from tests.ports import reserved_port

JOB = "hostcollector"
_PASSING_SECONDS = 2.0


@contextmanager
def simulation(
    fleet: SimulatedFleet,
    directory: Path,
    rules: Sequence[Path],
    *,
    pace: float = 1.0,
    alertmanager: str = "",
    store: str = "",
) -> Iterator[Server]:
    """Run the Prometheus for the block; its options are those of `prometheus.running`."""
    served = {f"/{JOB}/{host.name}": _page(host) for host in fleet.hosts} | dict(neighbours.pages(fleet))
    labels = {host.name: {"host": host.name, **host.labels} for host in fleet.hosts}
    targets = [
        Target(job, name, path, labels[name]) for path in served for job, name in [path.split("/")[1:]]
    ]
    with (
        reserved_port() as port,
        pages.served(served, port),
        prometheus.running(
            directory,
            f"127.0.0.1:{port}",
            targets,
            rules,
            pace=pace,
            alertmanager=alertmanager,
            store=store,
        ) as server,
    ):
        yield server


def _page(host: SimulatedHost) -> Callable[[float], str | None]:
    return lambda now: host.page(now) if host.answers else None


@contextmanager
def time_passes(fleet: SimulatedFleet) -> Iterator[None]:
    """Have guests come and go during the block."""
    ended = threading.Event()

    def pass_time() -> None:
        while not ended.wait(_PASSING_SECONDS):
            fleet.pass_time(time.time())

    thread = threading.Thread(target=pass_time, name="fleet", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
