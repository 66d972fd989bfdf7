"""The pattern of a page: every line of a captured page with how its value moves.

Lines belong to the host, to each tenant on it, or to each guest. A line that moved between the two captured
pages moves on the simulated ones as well, at the same rate; one that did not stays as it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from tests.bench.simulator.captured import Capture


class Token(StrEnum):
    """What a captured page says instead of what differs from guest to guest."""

    UUID = "7e377e37-0000-4000-8000-00007e377e37"
    DOMAIN = "simulated-domain"
    TENANT = "simulated-tenant"
    PROJECT = "simulated-project"
    SERVER = "simulated-server"
    POOL = "simulated-pool"


class Kind(Enum):
    """How the value of a line moves."""

    CONSTANT = auto()
    COUNTER = auto()
    """By its rate, from the start of its owner: the guest, or the collector."""
    WAVE = auto()
    """Around its value, as the memory in use does."""
    CLOCK = auto()
    """A time that goes on: now, less what the captured page was behind."""
    START = auto()
    """The time at which its owner started."""


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its text up to the value, with tokens, and its value as captured."""

    series: str
    kind: Kind
    value: float
    rate: float = 0.0

    @property
    def name(self) -> str:
        """The metric."""
        return self.series.partition("{")[0]


@dataclass(frozen=True, slots=True)
class Pattern:
    """The lines of a page by their owner."""

    host: tuple[Line, ...]
    tenant: tuple[Line, ...]
    guest: tuple[Line, ...]
    types: str
    """The `# TYPE` lines."""

    def series(self, tenants: int, guests: int) -> int:
        """Return how many series the page of a host with so many tenants and guests has."""
        return len(self.host) + tenants * len(self.tenant) + guests * len(self.guest)


_OWN_TIMES = {"libvirt_domain_start_timestamp_seconds", "process_start_time_seconds"}
_UUID = re.compile(r'\buuid="([^"]*)"')


def pattern(capture: Capture) -> Pattern:
    """Return the pattern of a captured page."""
    lines = list(_moved(capture))
    guest = tuple(line for line in lines if Token.UUID in line.series)
    tenant = tuple(line for line in lines if Token.TENANT in line.series and line not in guest)
    host = tuple(line for line in lines if Token.TENANT not in line.series and line not in guest)
    types = "".join(f"{line}\n" for line in capture.after.splitlines() if line.startswith("# TYPE"))
    return Pattern(host, tenant, guest, types)


def _moved(capture: Capture) -> Iterator[Line]:
    """Yield the lines of the later page with how they moved since the earlier one."""
    before, counters = dict(_on_ceph(capture.before)), counter_names(capture.after)
    for series, value in _on_ceph(capture.after):
        name = series.partition("{")[0]
        earlier = before.get(series, value)
        if name in _OWN_TIMES:
            yield Line(series, Kind.START, value)
        elif value == earlier:
            yield Line(series, Kind.CONSTANT, value)
        elif name in counters:
            yield Line(series, Kind.COUNTER, 0.0, (value - earlier) / capture.seconds)
        elif name.endswith("_timestamp_seconds"):
            yield Line(series, Kind.CLOCK, value - capture.at)
        else:
            yield Line(series, Kind.WAVE, value)


def _on_ceph(page: str) -> Iterator[tuple[str, float]]:
    """Yield the series of a page with the guest's disk as an RBD image, as most clouds have it."""
    image = f"{Token.POOL.value}/volume-{Token.UUID.value}"
    for series, value in samples(page):
        on_ceph = re.sub('source_file="[^"]*"', f'source_file="{image}"', series)
        if on_ceph != series:
            on_ceph = on_ceph.replace('disk_type="file"', 'disk_type="network"')
            on_ceph = on_ceph.replace('source_protocol=""', 'source_protocol="rbd"')
        yield on_ceph, value


def samples(page: str) -> Iterator[tuple[str, float]]:
    """Yield each series of a page with its value; a golden page masks some values with a star."""
    for line in page.splitlines():
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            yield series, 1.0 if value == "*" else float(value)


def counter_names(page: str) -> frozenset[str]:
    """Return the metrics of a page that count, the parts of histograms among them."""
    found = set()
    for line in page.splitlines():
        if line.startswith("# TYPE"):
            name, kind = line.split()[2:]
            found |= (
                {name} if kind == "counter" else {f"{name}{end}" for end in ("_bucket", "_count", "_sum")}
            )
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a golden page adds to a host: lines of the host, and lines of its first guests in turn."""

    host: tuple[Line, ...]
    guests: tuple[tuple[Line, ...], ...]


# A counter of a golden page went from 0 to its value in some rounds of work: here it does so in ten minutes.
_ROUND_SECONDS = 600.0


def hardware(golden: str, beside: Pattern) -> Hardware:
    """Return what the golden page of a simulated host has and the captured page does not."""
    there = {line.name for line in (*beside.host, *beside.tenant, *beside.guest)}
    counters = counter_names(golden)
    host: list[Line] = []
    guests: dict[str, list[Line]] = {}
    for series, value in samples(golden):
        name = series.partition("{")[0]
        if name in there:
            continue
        line = Line(series, Kind.CONSTANT, value)
        if name in counters:
            line = replace(line, kind=Kind.COUNTER, value=0.0, rate=value / _ROUND_SECONDS)
        if found := _UUID.search(series):
            guests.setdefault(found[1], []).append(replace(line, series=_tokens(series)))
        else:
            host.append(line)
    return Hardware(tuple(host), tuple(map(tuple, guests.values())))


def _tokens(series: str) -> str:
    """Return the series with tokens for the identity labels."""
    for label, token in (("uuid", Token.UUID), ("domain", Token.DOMAIN), ("tenant", Token.TENANT)):
        series = re.sub(rf'\b{label}="[^"]*"', f'{label}="{token.value}"', series)
    return series
