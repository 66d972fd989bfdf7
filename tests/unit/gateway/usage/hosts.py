"""Hosts with ledgers of their own, as a model: what they write, what they answer, and what is true."""

import random
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Engine

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, GpuMode, GpuUse, HourClosed, UsageRecord
from hostcollector.gateway.usage.answers import Answer, Place, read_answer
from hostcollector.gateway.usage.ledger import Ledger
from tests.unit.gateway.usage.records import clock, closed, content, ledger_name, usage

VMS = 4
TENANTS = ("a", "b", "")


@dataclass(slots=True)
class Host:
    """One host: its present ledger, whose lines are numbered from 1."""

    target: str
    ledger: int
    lines: list[UsageRecord | HourClosed] = field(default_factory=list)

    def answer(self, place: Place, limit: int) -> Answer | None:
        """Return what it answers, None for a cursor that is beyond its newest line."""
        if place.cursor > len(self.lines):
            return None
        some = self.lines[place.cursor : place.cursor + limit]
        return read_answer(self.target, place, content(some))


@dataclass(slots=True)
class Fleet:
    """Some hosts, and every record that they ever wrote."""

    seed: int
    hosts: list[Host] = field(default_factory=list)
    written: dict[str, UsageRecord] = field(default_factory=dict)
    hour: int = 0
    _ledgers: int = 0

    def __post_init__(self) -> None:
        for number in range(3):
            self.hosts.append(Host(f"hv{number}:10177", self._next_ledger()))

    def end_hour(self) -> None:
        """Let every host write its records of the hour; a VM may have run on several."""
        chance = random.Random(f"{self.seed} {self.hour}")
        for host in self.hosts:
            for vm in chance.sample(range(VMS), chance.randrange(VMS)):
                self._write(host, chance, vm)
            host.lines.append(closed(len(host.lines) + 1, ledger=host.ledger, hour=self.hour))
        self.hour += 1

    def reinstall(self, number: int) -> Host:
        """Give a host a new ledger, and return what it was before."""
        host = self.hosts[number]
        before = Host(host.target, host.ledger, host.lines)
        host.ledger, host.lines = self._next_ledger(), []
        return before

    def sums(self) -> Counter[tuple[str, str, str]]:
        """Return what each VM of each tenant used in all, by meter."""
        found: Counter[tuple[str, str, str]] = Counter()
        for record in self.written.values():
            for meter, amount in record.meters.items():
                found[record.tenant, record.vm, meter] += amount
        return found

    def seconds(self) -> Counter[tuple[str, str]]:
        """Return for how many seconds each VM ran, on whichever hosts: each second once."""
        ran: dict[tuple[str, str], set[int]] = {}
        for record in self.written.values():
            seconds = ran.setdefault((record.tenant, record.vm), set())
            for start, end in record.running:
                seconds.update(range(start, end))
        return Counter({vm: len(seconds) for vm, seconds in ran.items()})

    def _write(self, host: Host, chance: random.Random, vm: int) -> None:
        cuts = sorted(chance.sample(range(SECONDS_PER_HOUR), 2))
        halves = ((0, cuts[0]), (cuts[1], SECONDS_PER_HOUR))
        running = chance.choice([((0, SECONDS_PER_HOUR),), ((cuts[0], cuts[1]),), halves])
        gpu = GpuUse(model="H200", mode=GpuMode.PASSTHROUGH, seconds=chance.randrange(3600), joules=7)
        record = usage(
            len(host.lines) + 1,
            ledger=host.ledger,
            tenant=TENANTS[vm % len(TENANTS)],
            vm=vm,
            life=chance.getrandbits(64),
            hour=self.hour,
            running=[interval for interval in running if interval[0] < interval[1]],
            gpus=[gpu] if chance.random() < 0.3 else [],
            meters=chance.choice(({}, {"disk_reads": 0}, {"disk_reads": 3_600_000_000_000})),
        )
        host.lines.append(record)
        self.written[record.id] = record

    def _next_ledger(self) -> int:
        self._ledgers += 1
        return self._ledgers


def place(host: Host, cursor: int) -> Place:
    """Return a place in a host's ledger."""
    return Place(ledger=ledger_name(host.ledger), cursor=cursor)


def fill(engine: Engine, fleet: Fleet, *, hours: int) -> None:
    """Let hours of the fleet pass, and take all of its records into a ledger."""
    for _ in range(hours):
        fleet.end_hour()
    ledger = Ledger(engine, lambda: clock(hours + 0.5))
    ledger.list_hosts([host.target for host in fleet.hosts])
    for host in fleet.hosts:
        found = host.answer(place(host, 0), 1000)
        assert found is not None
        ledger.take(found)
    ledger.finish_hours(6)
