"""A simulated hypervisor: guests that come and go, and its page at any time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.simulator.pattern import Hardware, Kind, Line, Pattern, Token

_WAVE_SECONDS, _WAVE_SHARE = 60.0, 0.2


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer, as Nova's project."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SimulatedGuest:
    """A guest. `pace` is how busy it is beside the captured one; its counters were 0 at `started`."""

    uuid: str
    domain: str
    server: str
    tenant: Tenant
    pace: float
    started: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What a storm does to the page of a host; series are named by their beginnings, up to any label.

    A value or a rate replaces that of the line, a `missing` series is not on the page. Without `tenants`
    the guests are unassigned.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    tenants: bool = True

    def on(self, line: Line) -> Line | None:
        """Return the line as this effect leaves it."""
        if line.series.startswith(self.missing):
            return None
        for beginning, value in self.values.items():
            if line.series.startswith(beginning):
                return Line(line.series, Kind.CONSTANT, value)
        for beginning, rate in self.rates.items():
            if line.series.startswith(beginning):
                return Line(line.series, Kind.COUNTER, line.value, rate)
        return line


CALM = Effect()
NO_HARDWARE = Hardware((), ())
UNKNOWN = Tenant("", "")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose lines they are: by a key of its own, with the tokens' values, since when, and how busy."""

    key: str
    tokens: Mapping[str, str]
    started: float
    pace: float


@dataclass(slots=True)
class Moving:
    """A value of the page that moves."""

    line: Line
    key: str
    rate: float
    phase: float
    value: float

    def at(self, now: float, passed: float) -> float:
        """Return the value, `passed` seconds after the last page."""
        match self.line.kind:
            case Kind.COUNTER:
                self.value += self.rate * passed
                return self.value
            case Kind.CLOCK:
                return now + self.line.value
        return self.line.value * (1 + _WAVE_SHARE * math.sin(now / _WAVE_SECONDS + self.phase))


class SimulatedHost:
    """The hypervisor. Its page is written anew when its guests or a storm change; else only numbers are."""

    def __init__(
        self,
        name: str,
        labels: Mapping[str, str],
        pattern: Pattern,
        pool: str,
        started: float,
        hardware: Hardware | None = None,
    ) -> None:
        self.name, self.labels, self.pool, self.started = name, labels, pool, started
        self.guests: tuple[SimulatedGuest, ...] = ()
        """Replaced as a whole: another thread writes the page."""
        self.effect = CALM
        self.answers = True
        self.series = 0
        self._pattern, self._hardware = pattern, hardware or NO_HARDWARE
        self._written: object = None
        self._paged = started
        self._text = ""
        self._moving: list[Moving] = []

    def restart(self, now: float) -> None:
        """Start the collector again: what itself has counted is 0."""
        self._moving = [moving for moving in self._moving if moving.key]
        self.started = now

    def page(self, now: float) -> str:
        """Return the page at this time, which is not before the last page's."""
        state = (self.started, self.effect, self.guests)
        if state != self._written:
            self._write(self.effect, self.guests)
            self._written = state
        passed, self._paged = now - self._paged, now
        return self._text % tuple([moving.at(now, passed) for moving in self._moving])

    def _write(self, effect: Effect, guests: Sequence[SimulatedGuest]) -> None:
        """Write the text with a place for each moving value. What was counted until the last page stays."""
        counted = {(moving.key, moving.line.series): moving.value for moving in self._moving}
        self._moving, self.series = [], 0
        text = [self._pattern.types]
        for owner, lines in self._owners(effect, guests):
            places = []
            for line in filter(None, map(effect.on, lines)):
                value = repr(owner.started if line.kind is Kind.START else line.value)
                if line.kind not in {Kind.CONSTANT, Kind.START}:
                    value, rate = "%r", line.rate * owner.pace
                    begun = line.value + max(0.0, self._paged - owner.started) * rate
                    before = counted.get((owner.key, line.series), begun)
                    phase = float(len(self._moving) % 7)
                    self._moving.append(Moving(line, owner.key, rate, phase, before))
                places.append(f"{line.series} {value}\n")
            self.series += len(places)
            block = "".join(places)
            for token, label in owner.tokens.items():
                block = block.replace(token, label)
            text.append(block)
        self._text = "".join(text)

    def _owners(
        self, effect: Effect, guests: Sequence[SimulatedGuest]
    ) -> Iterator[tuple[Owner, Sequence[Line]]]:
        """Yield the parts of the page."""
        count = float(len(guests))
        numbers = {"libvirt_domains": count, 'hostcollector_host_domains{state="running"': count}
        own = Effect(
            values=numbers if effect.tenants else {**numbers, "hostcollector_domains_unassigned": count}
        )
        here = Owner("", {}, self.started, 1.0)
        yield here, [line for line in map(own.on, self._pattern.host) if line]
        yield Owner("hardware", {}, self.started, 1.0), self._hardware.host
        for tenant in {guest.tenant for guest in guests} if effect.tenants else ():
            yield Owner(tenant.id, {Token.TENANT: tenant.id}, self.started, 1.0), self._pattern.tenant
        for number, guest in enumerate(guests):
            owner = Owner(guest.uuid, self._names(guest, effect), guest.started, guest.pace)
            yield owner, self._pattern.guest
            yield from ((owner, lines) for lines in self._hardware.guests[number : number + 1])

    def _names(self, guest: SimulatedGuest, effect: Effect) -> Mapping[str, str]:
        tenant = guest.tenant if effect.tenants else UNKNOWN
        return {
            Token.UUID: guest.uuid,
            Token.DOMAIN: guest.domain,
            Token.SERVER: guest.server,
            Token.TENANT: tenant.id,
            Token.PROJECT: tenant.name,
            Token.POOL: self.pool,
        }
