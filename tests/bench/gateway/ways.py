"""The same query by three ways to one store: directly, through vmauth, and through the gateway."""

import os
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from hostcollector.gateway.promql.reach import Window
from hostcollector.gateway.promql.rewriting import Draft, rewrite
from tests.bench.gateway.processes import cpu_seconds
from tests.bench.gateway.world import store
from tests.bench.gateway.wrk import Figures, wrk
from tests.gateway.served import PROMETHEUS, served
from tests.lab.process import end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

TENANTS = 100
CONNECTIONS = 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = 5
TEXT = "sum by (vm) (rate(vm_cpu_seconds_total[5m]))"
ANY_NUMBER = "plans: {detailed: {requests_per_minute: 1000000}}\n"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the store: the address with the query, what a request needs, and the process that it costs."""

    name: str
    url: str
    headers: Mapping[str, str]
    pid: int | None


@contextmanager
def ways(directory: Path) -> Iterator[Sequence[Way]]:
    """Give the three ways for the block."""
    now = int(time.time()) // 60 * 60
    span = {"start": str(now - 3600), "end": str(now), "step": "60", "nocache": "1"}
    asked = urlencode({"query": TEXT, **span})
    (directory / "plans.yml").write_text(ANY_NUMBER)
    with (
        store(TENANTS, now) as url,
        vmauth(url, directory) as (proxy, proxy_pid),
        served(url, directory / "gateway", plans=f"{directory}/plans.yml") as gateway,
    ):
        basic = "Basic " + b64encode(b"a:a").decode()
        bearer = f"Bearer {gateway.token}"
        yield (
            Way("store", f"{url}/api/v1/query_range?{asked}&extra_label=tenant%3Da", {}, None),
            Way("vmauth", f"{proxy}/api/v1/query_range?{asked}", {"Authorization": basic}, proxy_pid),
            Way(
                "gateway",
                f"http://127.0.0.1:{gateway.port}{PROMETHEUS}query_range?{asked}",
                {"Authorization": bearer},
                gateway.process.pid,
            ),
        )


@contextmanager
def vmauth(url: str, directory: Path) -> Iterator[tuple[str, int]]:
    """Give vmauth's address and process: a user of tenant a, with the store's lock."""
    (directory / "auth.yml").write_text(
        f"users: [{{username: a, password: a, url_prefix: '{url}/?extra_label=tenant=a'}}]\n"
    )
    with reserved_port() as port:
        command = ["vmauth", f"-auth.config={directory}/auth.yml", f"-httpListenAddr=127.0.0.1:{port}"]
        child = spawn(command, directory / "vmauth.log")
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/health"), 30.0, "vmauth")
            yield f"http://127.0.0.1:{port}", child.pid
        finally:
            end(child)


def main() -> None:
    """Measure the ways in turn, and the rewriting alone, and print the middle of the rounds."""
    found: dict[str, list[tuple[Figures, float]]] = {}
    with tempfile.TemporaryDirectory() as name, ways(Path(name)) as measured:
        for way in measured:
            wrk(way.url, way.headers, connections=CONNECTIONS, seconds=1)
        for _ in range(ROUNDS):
            for way in measured:
                before = cpu_seconds(way.pid)
                figures = wrk(way.url, way.headers, connections=CONNECTIONS, seconds=SECONDS)
                cost = (cpu_seconds(way.pid) - before) / figures.requests * 1000
                found.setdefault(way.name, []).append((figures, cost))
    print(f"{CONNECTIONS} connections, an hour of ten VMs at 60 s, the middle of {ROUNDS} rounds:\n")
    print("| way | requests/s | p50 ms | p99 ms | CPU ms a request |\n|---|---|---|---|---|")
    middles = {}
    for name, rounds in found.items():
        middle = middles[name] = Figures(
            0,
            *(
                statistics.median(getattr(one, field) for one, _ in rounds)
                for field in ("rate", "median", "slowest")
            ),
        )
        cpu = statistics.median(cost for _, cost in rounds)
        shown = f"{cpu:.2f}" if cpu else ""
        print(f"| {name} | {middle.rate:.0f} | {middle.median:.1f} | {middle.slowest:.1f} | {shown} |")
    rates = middles["gateway"].rate / middles["vmauth"].rate
    times = middles["gateway"].slowest / middles["vmauth"].slowest
    print(f"\nThe gateway against vmauth: {rates:.2f} of the requests, {times:.2f} of the p99.")
    print(f"Rewriting alone: {_rewriting() * 1e6:.0f} µs (p50).")


def _rewriting() -> float:
    """Return the seconds that the rewriting of a dashboard's query takes."""
    now = time.time()
    texts = [f"sum by (vm) (rate(vm_cpu_seconds_total[{seconds}s]))" for seconds in range(300, 1300)]
    times = []
    for text in texts:
        draft = Draft(tenant="a", text=text, window=Window.of(now - 3600, now), oldest=now - 86_400)
        began = time.perf_counter()
        rewrite(draft)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
