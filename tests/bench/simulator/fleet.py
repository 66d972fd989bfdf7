"""The fleet: hosts in racks and regions, guests of tenants, and what happens to them while time passes."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.bench.simulator.host import SimulatedGuest, SimulatedHost, Tenant
from tests.bench.simulator.pattern import Hardware, Pattern

_REGIONS = 2
# Storage pools of a region, with hosts in each of its racks.
_POOLS = 5
_TENANTS_PER_HOST = 0.5
# Each piece of hardware is in one of so many hosts.
_HARDWARE_EACH = 20
# How long guests and collectors have run before the first page: their counters have values.
_AGE_SECONDS = 5_000.0
# A guest in two hundred goes or moves each minute, and a collector in two hundred restarts.
_CHURN_PER_MINUTE = 1 / 200


@dataclass(frozen=True, slots=True)
class Size:
    """How large a fleet is."""

    hosts: int
    guests: int
    """Guests of each host."""
    racks: int = 10


class SimulatedFleet:
    """The hosts. `pass_time` lets guests end, start and migrate, and collectors restart."""

    def __init__(
        self,
        size: Size,
        pattern: Pattern,
        now: float,
        hardware: Sequence[Hardware] = (),
        seed: int = 1,
    ) -> None:
        self._random = random.Random(seed)
        tenants = max(2, int(size.hosts * _TENANTS_PER_HOST))
        self._tenants = [Tenant(f"{number:032x}", f"customer-{number}") for number in range(1, tenants + 1)]
        self._passed = now
        self.hosts = [
            SimulatedHost(
                f"compute-{number:04}",
                _place(number, size),
                pattern,
                _pool(number, size),
                now - self._random.uniform(0, _AGE_SECONDS),
                next(iter(hardware[number % _HARDWARE_EACH :]), None),
            )
            for number in range(size.hosts)
        ]
        for host in self.hosts:
            ages = (self._random.uniform(0, _AGE_SECONDS) for _ in range(size.guests))
            host.guests = tuple(self._guest(now - age) for age in ages)

    @property
    def series(self) -> int:
        """How many series the last pages had."""
        return sum(host.series for host in self.hosts)

    def rack(self, number: int) -> list[SimulatedHost]:
        """Return the hosts of a rack."""
        return [host for host in self.hosts if host.labels["rack"] == f"r{number}"]

    def pool(self, number: int) -> list[SimulatedHost]:
        """Return the hosts of the first region whose guests have their disks in a storage pool."""
        return [host for host in self.hosts if host.pool == f"volumes-0-{number}"]

    def pass_time(self, now: float) -> None:
        """Let happen what happens in the time since the last call."""
        minutes, self._passed = (now - self._passed) / 60, now
        for host in self.hosts:
            for guest in host.guests:
                if self._random.random() < _CHURN_PER_MINUTE * minutes:
                    self._leaves(guest, host, now)
            if self._random.random() < _CHURN_PER_MINUTE * minutes:
                host.restart(now)

    def _leaves(self, guest: SimulatedGuest, host: SimulatedHost, now: float) -> None:
        """Let two hosts exchange guests by migration; once for each host a new guest starts instead.

        A migrated guest has a new QEMU, which counts from 0.
        """
        other = self._random.choice(self.hosts)
        if other is host:
            host.guests = _with(host.guests, guest, self._guest(now))
        elif other.guests:
            comes = self._random.choice(other.guests)
            host.guests = _with(host.guests, guest, replace(comes, started=now))
            other.guests = _with(other.guests, comes, replace(guest, started=now))

    def _guest(self, started: float) -> SimulatedGuest:
        identity = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        return SimulatedGuest(
            uuid=identity,
            domain=f"instance-{identity[:8]}",
            server=f"server-{identity[9:13]}",
            tenant=self._random.choice(self._tenants),
            pace=self._random.uniform(0.1, 1.0),
            started=started,
        )


def _with(
    guests: tuple[SimulatedGuest, ...], goes: SimulatedGuest, comes: SimulatedGuest
) -> tuple[SimulatedGuest, ...]:
    """Return the guests of a host with one in the place of another."""
    return tuple(comes if guest is goes else guest for guest in guests)


def _place(number: int, size: Size) -> dict[str, str]:
    """Return where a host is, as the labels of its target."""
    rack, region = number * size.racks // size.hosts, number * _REGIONS // size.hosts
    return {"rack": f"r{rack}", "region": f"region-{region}", "availability_zone": f"zone-{rack}"}


def _pool(number: int, size: Size) -> str:
    """Return the pool in which the guests of a host have their disks."""
    return f"volumes-{number * _REGIONS // size.hosts}-{number % _POOLS}"
