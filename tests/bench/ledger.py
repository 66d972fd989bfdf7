"""What the usage ledger can take: an hour of 2,000 simulated hosts over HTTP, and months of a hundred VMs.

`python -m tests.bench.ledger` prints the table of `docs/benchmarks.md`. LEDGER_HOSTS=200 is enough while you
change code.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web
from sqlalchemy import Engine, text

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, HourClosed, UsageRecord
from hostcollector.gateway.database import connect
from hostcollector.gateway.settings import IntakeSettings, LedgerSettings
from hostcollector.gateway.usage.answers import MOST_LINES, Place, read_answer
from hostcollector.gateway.usage.database import upgrade
from hostcollector.gateway.usage.intake import Intake
from hostcollector.gateway.usage.intake_metrics import IntakeCounters
from hostcollector.gateway.usage.ledger import Ledger
from hostcollector.gateway.usage.months import By, Span, usage_of
from hostcollector.gateway.usage.reading import LedgerReader
from tests.gateway.postgres import postgres
from tests.unit.gateway.usage.records import START, clock, closed, content, ledger_name, usage
from tests.unit.gateway.usage.served_hosts import write_list

HOSTS = int(os.environ.get("LEDGER_HOSTS", "2000"))
VMS = 30
HOURS = 720
TENANTS, OWN_VMS = 2, 100
ASKED = 20
METERS = {
    "disk_reads": 123_456,
    "disk_writes": 234_567,
    "disk_provisioned_byte_seconds": 200 * 2**30 * 3600,
    "network_transmitted_bytes": 987_654_321_012,
    "network_received_packets": 876_543_210,
    "network_transmitted_packets": 765_432_109,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one database."""

    name: str
    round_seconds: float
    records_per_second: float
    bulk_per_second: float
    bytes_per_vm_month: float
    query_p95: dict[By, float]

    def line(self) -> str:
        """Return it as a row of the table."""
        queries = " / ".join(f"{self.query_p95[by] * 1000:.0f}" for by in (By.MONTH, By.DAY, By.VM))
        return (
            f"| {self.name} | {self.round_seconds:.0f} s | {self.records_per_second:,.0f} | "
            f"{self.bulk_per_second:,.0f} | {self.bytes_per_vm_month / 1000:.0f} kB | {queries} ms |"
        )


def lines(host: int, hours: Sequence[int], vms: range, tenants: int) -> Iterator[UsageRecord | HourClosed]:
    """Yield what a host's ledger has."""
    sequence = 0
    for hour in hours:
        for vm in vms:
            sequence += 1
            tenant = f"tenant-{vm % tenants}"
            yield usage(
                sequence, ledger=host + 1, tenant=tenant, vm=vm, life=vm + 1, hour=hour, meters=METERS
            )
        sequence += 1
        yield closed(sequence, ledger=host + 1, hour=hour)


def serve(pipe: Connection) -> None:
    """Answer as every host: the address that a request came to says which."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        parts = request.transport.get_extra_info("sockname")[0].split(".")
        host = int(parts[2]) * 250 + int(parts[3]) - 1
        after = int(request.query["after"])
        own = lines(host, [0], range(host * VMS, (host + 1) * VMS), 1000)
        body = content([line for line in own if line.sequence > after])
        return web.Response(body=body, headers={"Hostcollector-Ledger": ledger_name(host + 1)})

    async def run() -> None:
        application = web.Application()
        application.router.add_get("/tenants/usage", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "0.0.0.0", 0, backlog=1024)
        await site.start()
        assert site._server is not None
        pipe.send(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def hosts() -> Iterator[list[str]]:
    """Give the targets of all simulated hosts."""
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    process.start()
    port = here.recv()
    try:
        yield [f"127.1.{number // 250}.{number % 250 + 1}:{port}" for number in range(HOSTS)]
    finally:
        process.terminate()
        process.join()


def one_round(engine: Engine, directory: Path, targets: Sequence[str]) -> float:
    """Return how many seconds a round over all hosts takes."""
    settings = IntakeSettings(hosts_file=str(write_list(directory / "hosts.json", targets)))
    counters = IntakeCounters()
    intake = Intake(settings, Ledger(engine, lambda: clock(1.1)), counters)
    began = time.perf_counter()
    good = asyncio.run(intake.round())
    seconds = time.perf_counter() - began
    intake.close()
    page = "\n".join(counters.lines(0))
    assert good, page
    assert f"records_total {HOSTS * VMS}" in page, page
    return seconds


def bulk(engine: Engine) -> float:
    """Take a month of some tenants' VMs in pages, as after a long absence, and return records per second."""
    ledger = Ledger(engine, lambda: clock(HOURS + 0.1))
    target, host = "127.9.9.9:1", 10**6
    ledger.list_hosts([target])
    vms = range(10**6, 10**6 + TENANTS * OWN_VMS)
    every = list(lines(host, range(HOURS), vms, TENANTS))
    pages = [content(every[first : first + MOST_LINES]) for first in range(0, len(every), MOST_LINES)]
    began, cursor = time.perf_counter(), 0
    for page in pages:
        place = Place(ledger=ledger_name(host + 1), cursor=cursor)
        cursor = ledger.take(read_answer(target, place, page)).place.cursor
    return HOURS * len(vms) / (time.perf_counter() - began)


def asked(engine: Engine, by: By) -> float:
    """Return the 95th percentile of a tenant's month query, in seconds."""
    reader, taken = LedgerReader(engine), []
    first = START // SECONDS_PER_HOUR
    for number in range(ASKED):
        began = time.perf_counter()
        with reader.open() as reading:
            span = Span(first=first, after=first + HOURS)
            assert usage_of(reading, f"tenant-{number % TENANTS}", span, by)
        taken.append(time.perf_counter() - began)
    return statistics.quantiles(taken, n=20)[-1]


def measured(name: str, engine: Engine, size: Callable[[], int], directory: Path) -> Figures:
    """Measure one database."""
    upgrade(engine)
    with hosts() as targets:
        seconds = one_round(engine, directory, targets)
    before = size()
    rate = bulk(engine)
    grown = size() - before
    queries = {by: asked(engine, by) for by in (By.MONTH, By.DAY, By.VM)}
    per_vm = grown / (TENANTS * OWN_VMS)
    return Figures(name, seconds, HOSTS * VMS / seconds, rate, per_vm, queries)


def main() -> int:
    """Print the table."""
    print(f"{HOSTS} hosts of {VMS} VMs; a month of {TENANTS * OWN_VMS} VMs, {OWN_VMS} of each tenant")
    columns = ["database", "an hour of all hosts", "records/s", "records/s after an absence", "a VM's month"]
    print(f"| {' | '.join([*columns, 'p95 of a month by month / day / VM'])} |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="hostcollector-ledger-") as name:
        directory = Path(name)
        engine = connect(LedgerSettings(database=f"sqlite:///{directory}/ledger.db"))

        def file_size() -> int:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return (directory / "ledger.db").stat().st_size

        print(measured("SQLite", engine, file_size, directory).line(), flush=True)
    with postgres(fsync=True) as server, tempfile.TemporaryDirectory(prefix="hostcollector-ledger-") as name:
        settings = server.settings("postgres")
        engine = connect(LedgerSettings(database=settings.database, password_file=settings.password_file))

        def database_size() -> int:
            with engine.connect() as connection:
                return int(connection.execute(text("SELECT pg_database_size('postgres')")).scalar_one())

        print(measured("PostgreSQL", engine, database_size, Path(name)).line(), flush=True)
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
