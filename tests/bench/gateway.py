"""The gateway beside the store itself and vmauth: requests in a second, latency, CPU; and hostile queries.

``python -m tests.bench.gateway`` prints both tables. The store has an hour of 10 VMs at 60 s for each of 100
tenants; 8 connections send the same query, one after the other, to each of the three in turn.
"""

import asyncio
import os
import statistics
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.gateway.served import PROMETHEUS, served
from tests.gateway.stores import Sample, victoria_metrics
from tests.lab.process import Process, end, spawn, until
from tests.lab.prometheus import answers
from tests.ports import reserved_port

TENANTS, VMS, MINUTES = 100, 10, 60
CONNECTIONS = 8
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the store: its address, what a request needs, and the processes that are its cost."""

    name: str
    url: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a round gave: requests in a second, times in milliseconds, and CPU in each request."""

    rate: float
    median: float
    slowest: float
    cpu: float


def samples(end_at: int) -> Iterator[Sample]:
    """Yield the series of all tenants."""
    for tenant in range(TENANTS):
        for vm in range(VMS):
            labels = (("tenant", f"t{tenant}" if tenant else "a"), ("vm", f"vm-{vm}"))
            for minute in range(MINUTES):
                yield Sample("vm_cpu_seconds_total", labels, minute * 30.0 + vm, end_at - minute * 60)


async def measured(way: Way) -> Figures:
    """Send requests for a while, and return the figures."""
    times: list[float] = []
    ends_at = time.monotonic() + SECONDS
    before = sum(_cpu(pid) for pid in way.pids)

    async def client(session: aiohttp.ClientSession) -> None:
        while time.monotonic() < ends_at:
            began = time.perf_counter()
            async with session.get(way.url, params=way.parameters, headers=way.headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            times.append(time.perf_counter() - began)

    began = time.monotonic()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(client(session) for _ in range(CONNECTIONS)))
    spent = time.monotonic() - began
    cpu = (sum(_cpu(pid) for pid in way.pids) - before) / len(times)
    slowest = statistics.quantiles(times, n=100)[98]
    return Figures(len(times) / spent, statistics.median(times) * 1000, slowest * 1000, cpu * 1000)


def _cpu(pid: int) -> float:
    """Return the seconds of CPU of a process and its children that live."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return ticks / os.sysconf("SC_CLK_TCK") + sum(_cpu(int(child)) for child in children)


@contextmanager
def vmauth(store: str, directory: Path) -> Iterator[tuple[str, int]]:
    """Give vmauth's address and process: a user of tenant a, with the store's lock."""
    (directory / "auth.yml").write_text(
        f"users: [{{username: a, password: a, url_prefix: '{store}/?extra_label=tenant=a'}}]\n"
    )
    with reserved_port() as port:
        command = ["vmauth", f"-auth.config={directory}/auth.yml", f"-httpListenAddr=127.0.0.1:{port}"]
        child = spawn(command, directory / "vmauth.log")
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/health"), 30.0, "vmauth")
            yield f"http://127.0.0.1:{port}", Process.of(child.pid).pid
        finally:
            end(child)


def main() -> None:
    """Measure and print."""
    now = int(time.time()) // 60 * 60
    query = {"query": "sum by (vm) (rate(vm_cpu_seconds_total[5m]))", "start": str(now - 3600)}
    query |= {"end": str(now), "step": "60", "nocache": "1"}
    with tempfile.TemporaryDirectory() as name, victoria_metrics(list(samples(now))) as store:
        directory = Path(name)
        (directory / "plans.yml").write_text("plans: {detailed: {requests_per_minute: 1000000}}\n")
        with vmauth(store, directory) as (proxy, proxy_pid), _gateway(store, directory) as (url, token, pid):
            basic = "Basic " + b64encode(b"a:a").decode()
            bearer = {"Authorization": f"Bearer {token}"}
            ways = [
                Way("store", f"{store}/api/v1/query_range", {}, {**query, "extra_label": "tenant=a"}, ()),
                Way("vmauth", f"{proxy}/api/v1/query_range", {"Authorization": basic}, query, (proxy_pid,)),
                Way("gateway", f"{url}{PROMETHEUS}query_range", bearer, query, (pid,)),
            ]
            found: dict[str, list[Figures]] = {way.name: [] for way in ways}
            for _ in range(ROUNDS):
                for way in ways:
                    found[way.name].append(asyncio.run(measured(way)))
            _print(found)
            workers = _workers(pid)
            asyncio.run(_hostile(ways[-1]))
            print(f"\nthe workers are {'the same' if _workers(pid) == workers else 'others'} afterwards")


@contextmanager
def _gateway(store: str, directory: Path) -> Iterator[tuple[str, str, int]]:
    home = directory / "gateway"
    home.mkdir()
    (home / "plans.yml").write_text((directory / "plans.yml").read_text())
    with served(store, home, plans=f"{home}/plans.yml") as gateway:
        yield f"http://127.0.0.1:{gateway.port}", gateway.token, gateway.process.pid


def _workers(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def _print(found: Mapping[str, list[Figures]]) -> None:
    print("| way | requests/s | p50 ms | p99 ms | CPU ms a request |\n|---|---|---|---|---|")
    for name, rounds in found.items():
        middle = sorted(rounds, key=lambda one: one.rate)[len(rounds) // 2]
        print(
            f"| {name} | {middle.rate:.0f} | {middle.median:.1f} | {middle.slowest:.1f} | {middle.cpu:.2f} |"
        )


HOSTILE = {
    "terms": "+".join(["x"] * 2000),
    "terms within the bounds": "+".join(["x"] * 100),
    "signs": "-" * 4000 + "x",
    "brackets": "(" * 5000 + "x" + ")" * 5000,
    "brackets within the bounds": "(" * 90 + "x" + ")" * 90,
    "subqueries": "x" + "[1m:1m]" * 1000,
    "nested subqueries": "max_over_time(" * 45 + "x" + "[1m:1m])" * 45,
    "words": "x" + " and x" * 1000,
    "matchers": "x{" + ",".join(['a=""'] * 1600) + "}",
    "a long string": 'x{a="' + "y" * 8000 + '"}',
    "a string of a MB": 'x{a="' + "y" * 1_000_000 + '"}',
    "escapes": 'x{a="' + "\\\\" * 4000 + '"}',
    "digits": "1" * 8000,
    "durations": "x[" + "1s" * 4000 + "]",
    "labels": "sum by (" + ",".join(["a"] * 4000) + ") (x)",
    "arguments": "label_join(x," + ",".join(['"a"'] * 2000) + ")",
    "classes of letters": '{vm=~"\\\\w{200}"}',
    "a regular expression": '{vm=~"' + "(a{1,1000}){1,1000}" * 5 + '"}',
    "alternatives": '{vm=~"' + "|".join(["a.*b"] * 1500) + '"}',
    "comments": "x #" + "(" * 8000,
    "instants": "x @ " + "9" * 4000,
}


async def _hostile(way: Way) -> None:
    """Print what each hostile query takes."""
    print("\n| query | bytes | answer | ms |\n|---|---|---|---|")
    async with aiohttp.ClientSession() as session:
        for name, text in HOSTILE.items():
            began = time.perf_counter()
            url = way.url.replace("query_range", "query")
            try:
                async with session.post(url, data={"query": text}, headers=way.headers) as answer:
                    status = f"{answer.status} {(await answer.text())[:60]}"
            except aiohttp.ClientError as error:
                status = type(error).__name__
            print(f"| {name} | {len(text)} | {status} | {(time.perf_counter() - began) * 1000:.1f} |")


if __name__ == "__main__":
    main()
