"""What the kernel limits the guests' links to, and how often: qdiscs on departure, policers on arrival.

One dump of the qdiscs of all links, and for each link that has such ones its policers. Its HTB's classes,
which are settings, are read once a minute.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from hostcollector.base.definition import Bandwidth, Nic
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.catalogue import limits as rows
from hostcollector.protocols.netlink.traffic_control import (
    ARRIVAL,
    CLSACT,
    HTB,
    ON_ARRIVAL,
    ON_DEPARTURE,
    ROOT,
    Held,
    HtbClass,
    Policer,
    Qdisc,
)

KEPT_SECONDS = 60.0
"""For how long an HTB's rate is kept."""
# What is set and what the kernel made of it, which rounds.
_TOLERANCE = 0.01
_POLICE = "police"


class Traffic(Protocol):
    """The part of `RouteSocket` that is used."""

    def qdiscs(self, deadline: float) -> Mapping[tuple[int, int], Qdisc]:
        """Return the qdiscs that limit a link, by the link's index and parent. Raises `SourceError`."""

    def classes(self, index: int, deadline: float) -> Mapping[int, HtbClass]:
        """Return the HTB's classes of a link by handle. Raises `SourceError`."""

    def policers(self, index: int, parent: int, deadline: float) -> Mapping[int, Policer]:
        """Return the policers of a link by their number. Raises `SourceError`."""


class Limit(NamedTuple):
    """A limit of one direction: bytes per second, None where that is not one number; and how often met."""

    kind: str
    rate: int | None
    held: Held | None


class Limits:
    """Reads the limits of links from `traffic`; one thread at a time."""

    def __init__(self, traffic: Traffic, clock: Clock) -> None:
        self._traffic = traffic
        self._clock = clock
        self._rates: dict[int, tuple[int | None, float]] = {}

    def read(self, links: Iterable[int], deadline: float) -> dict[tuple[int, int], Limit]:
        """Return the limits by the link's index and `ROOT` or `ARRIVAL`. Raises `SourceError`."""
        qdiscs = self._traffic.qdiscs(deadline)
        wanted = frozenset(links)
        self._rates = {
            link: kept for link, kept in self._rates.items() if link in wanted and (link, ROOT) in qdiscs
        }
        found: dict[tuple[int, int], Limit] = {}
        for (link, parent), qdisc in qdiscs.items():
            if link in wanted:
                found.update(self._limits(link, parent, qdisc, deadline))
        return found

    def _limits(
        self, link: int, parent: int, qdisc: Qdisc, deadline: float
    ) -> Iterator[tuple[tuple[int, int], Limit]]:
        if parent == ROOT:
            rate = self._htb_rate(link, deadline) if qdisc.kind == HTB else qdisc.rate
            if rate is not None:
                yield (link, ROOT), Limit(qdisc.kind, rate, qdisc.held)
            return
        hooks = (
            ((ON_ARRIVAL, ARRIVAL), (ON_DEPARTURE, ROOT))
            if qdisc.kind == CLSACT
            else ((ON_ARRIVAL, ARRIVAL),)
        )
        for hook, side in hooks:
            policers = self._traffic.policers(link, hook, deadline).values()
            if policers:
                yield (link, side), Limit(_POLICE, _only_rate(policers), _sum(policers))

    def _htb_rate(self, link: int, deadline: float) -> int | None:
        """Return what the highest classes may send together: they borrow from no other."""
        rate, until = self._rates.get(link, (None, 0.0))
        if self._clock() < until:
            return rate
        classes = self._traffic.classes(link, deadline).values()
        rates = [known.rate for known in classes if known.parent == ROOT]
        rate = sum(filter(None, rates)) if rates and None not in rates else None
        self._rates[link] = rate, self._clock() + KEPT_SECONDS
        return rate


def _only_rate(policers: Iterable[Policer]) -> int | None:
    rates = [policer.rate for policer in policers]
    return rates[0] if len(rates) == 1 else None


def _sum(policers: Iterable[Policer]) -> Held | None:
    held = [policer.held for policer in policers if policer.held is not None]
    return Held(*map(sum, zip(*held, strict=True))) if held else None


def samples(
    nic: Nic, uuid: str, sides: Mapping[str, int], limits: Mapping[tuple[int, int], Limit], link: int
) -> Iterator[Sample]:
    """Yield the series of one interface; `sides` has `ROOT` and `ARRIVAL` by the guest's direction."""
    defined = {"receive": nic.inbound, "transmit": nic.outbound}
    for direction, side in sides.items():
        labels = (nic.target, direction)
        limit = limits.get((link, side))
        if limit is not None:
            yield Sample(rows.LIMIT_INFO, 1.0, (*labels, limit.kind), uuid)
            if limit.rate is not None:
                yield Sample(rows.LIMIT, limit.rate, labels, uuid)
            if limit.held is not None:
                yield Sample(rows.DROPS, limit.held.drops, labels, uuid)
                yield Sample(rows.OVERLIMITS, limit.held.overlimits, labels, uuid)
        drifted = _drifted(defined[direction], limit)
        if drifted is not None:
            yield Sample(rows.DRIFT, float(drifted), labels, uuid)


def _drifted(defined: Bandwidth | None, limit: Limit | None) -> bool | None:
    """Whether the kernel's limit is not the defined one; None without one, or if they cannot be compared."""
    if defined is None or defined.average is None:
        return None
    if limit is None:
        return True
    if limit.rate is None:
        return None  # several policers may be the limit together
    return abs(limit.rate - defined.average) > _TOLERANCE * defined.average
