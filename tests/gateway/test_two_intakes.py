"""Two intake processes pull the same daemons' pages over HTTP at the same time, into one PostgreSQL."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hostcollector.app.site import RecordsView
from hostcollector.catalogue.usage import SECONDS_PER_HOUR, HourClosed, UsageRecord
from hostcollector.gateway.database import connect
from hostcollector.gateway.settings import LedgerSettings
from hostcollector.gateway.usage.database import upgrade
from hostcollector.outputs.usage import PATH
from hostcollector.outputs.usage.ledger import Ledger as HostLedger
from tests.fakes.site import serving
from tests.gateway.postgres import Postgres, postgres
from tests.unit.gateway.usage.hosts import Fleet
from tests.unit.gateway.usage.reading import Kept, read
from tests.unit.gateway.usage.records import START, ledger_name
from tests.unit.gateway.usage.served_hosts import write_list

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

PROGRAM = "import sys; from hostcollector.gateway.cli import main; sys.exit(main())"
HOURS = 30
MEETING_SECONDS = 30.0


class MeetingLedger(HostLedger):
    """A daemon's ledger that answers two intakes at once: the first two questions wait for each other."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.meet()

    def meet(self) -> None:
        """Let the next two questions wait for each other."""
        self._turns = iter(range(2))
        self._barrier = threading.Barrier(2)
        self.have_met = threading.Event()

    def read(self, after: int, limit: int) -> list[bytes]:
        """Return the lines when both have asked."""
        found = super().read(after, limit)
        if next(self._turns, None) is not None:
            self._barrier.wait(MEETING_SECONDS)
            self.have_met.set()
        return found


def hosts(directory: Path, fleet: Fleet) -> list[MeetingLedger]:
    """Return an empty ledger of each host, under the name that the model has for it."""
    made = []
    for host in fleet.hosts:
        ledger = MeetingLedger(directory / str(host.ledger))
        ledger.open()
        ledger.name = ledger_name(host.ledger)
        made.append(ledger)
    return made


def append(ledger: MeetingLedger, lines: Sequence[UsageRecord | HourClosed]) -> None:
    """Append lines of the model in hours of the present: the intakes have the machine's clock."""
    now = int(time.time()) // SECONDS_PER_HOUR
    later = (now - HOURS - 1) * SECONDS_PER_HOUR - START
    moved = [
        replace(line, hour=line.hour + later)
        if isinstance(line, HourClosed)
        else replace(
            line,
            hour=line.hour + later,
            running=tuple((start + later, end + later) for start, end in line.running),
        )
        for line in lines
    ]
    ledger.append(moved, time.time())


@dataclass(frozen=True, slots=True)
class Intakes:
    """Starts intakes with one configuration."""

    file: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process that makes one round."""
        command = [sys.executable, "-c", PROGRAM, "intake", "--once", f"--config.file={self.file}"]
        return subprocess.Popen(command, stderr=subprocess.PIPE)


def configured(server: Postgres, directory: Path, targets: Sequence[str]) -> Intakes:
    """Return intakes that pull these hosts into the server's ledger."""
    settings = server.settings("postgres")
    file = directory / "intake.yml"
    file.write_text(
        f"intake:\n  hosts_file: {write_list(directory / 'hosts.json', targets)}\n"
        f"ledger:\n  database: {settings.database}\n  password_file: {settings.password_file}\n"
    )
    return Intakes(file)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Give a server with an empty ledger."""
    with postgres() as running:
        engine = connect(ledger_settings(running))
        upgrade(engine)
        engine.dispose()
        yield running


def ledger_settings(server: Postgres) -> LedgerSettings:
    """Return how the ledger is reached."""
    settings = server.settings("postgres")
    return LedgerSettings(database=settings.database, password_file=settings.password_file)


def kept_in(server: Postgres) -> Kept:
    """Return everything that the ledger has."""
    engine = connect(ledger_settings(server))
    try:
        return read(engine)
    finally:
        engine.dispose()


async def test_nothing_is_lost_and_nothing_is_taken_twice(server: Postgres, tmp_path: Path) -> None:
    """Both have each answer before either stores it, and one is killed then: the ledger is as with one."""
    fleet = Fleet(seed=16)
    ledgers = await asyncio.to_thread(hosts, tmp_path, fleet)
    async with AsyncExitStack() as stack:
        sites = [
            await stack.enter_async_context(serving(None, records={PATH: RecordsView(ledger)}))
            for ledger in ledgers
        ]
        targets = [site.server.urls[0].removeprefix("http://").rstrip("/") for site in sites]
        intakes = await asyncio.to_thread(configured, server, tmp_path, targets)
        for killed in (True, False):
            await asyncio.to_thread(_write_more, fleet, ledgers)
            await _round_of_two(intakes, ledgers, killed=killed)
            assert all(ledger.have_met.is_set() for ledger in ledgers)
    kept = await asyncio.to_thread(kept_in, server)
    assert len(kept.periods) == len(fleet.written)
    assert kept.sums == fleet.sums()
    assert +kept.seconds == +fleet.seconds()
    assert len(set(kept.positions)) == len(kept.positions)
    assert kept.final_hours == sorted(set(kept.final_hours))


def _write_more(fleet: Fleet, ledgers: Sequence[MeetingLedger]) -> None:
    """Let half of the hours pass."""
    for _ in range(HOURS // 2):
        fleet.end_hour()
    for host, ledger in zip(fleet.hosts, ledgers, strict=True):
        append(ledger, host.lines[ledger.last :])


async def _round_of_two(intakes: Intakes, ledgers: Sequence[MeetingLedger], *, killed: bool) -> None:
    """Make a round with two processes, of which one may be killed as soon as both have every answer."""
    for ledger in ledgers:
        ledger.meet()
    first, second = [await asyncio.to_thread(intakes.start) for _ in range(2)]
    try:
        if killed:
            for ledger in ledgers:
                assert await asyncio.to_thread(ledger.have_met.wait, MEETING_SECONDS)
            second.kill()
        errors = [(await asyncio.to_thread(process.communicate))[1] for process in (first, second)]
        assert first.returncode == 0, errors
        assert second.returncode == (-9 if killed else 0), errors
    finally:
        for process in (first, second):
            process.kill()
            await asyncio.to_thread(process.wait)
