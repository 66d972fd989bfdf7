"""The netlink source shows what the kernel limits a guest's link to, and whether that is what was defined."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hostcollector.base.definition import Bandwidth, Domain, Nic
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import limits as rows
from hostcollector.protocols.netlink.messages import LinkCounters, LinkDescription
from hostcollector.protocols.netlink.traffic_control import (
    ARRIVAL,
    ON_ARRIVAL,
    ON_DEPARTURE,
    ROOT,
    Held,
    HtbClass,
    Policer,
    Qdisc,
)
from hostcollector.sources.netlink import Netlink
from hostcollector.sources.netlink.limits import KEPT_SECONDS

A = "6f0c2a0e-5d6e-4c1b-9a60-0a6f0f7d2b11"
HELD = Held(drops=5, overlimits=9)
FAST = 1_000_000


@dataclass
class Kernel:
    """Replaces the kernel: one link with the index 7."""

    kind: str = "tun"
    qdisc: tuple[Qdisc, ...] = ()
    classes_of: Mapping[int, HtbClass] = field(default_factory=dict)
    policers_of: Mapping[int, Mapping[int, Policer]] = field(default_factory=dict)
    broken: bool = False
    asked: int = 0
    now: float = 100.0

    def index(self, name: str) -> int | None:
        """Return the index of tap7."""
        return 7 if name == "tap7" else None

    def description(self, _index: int, _deadline: float) -> LinkDescription:
        """Return a link of this kind."""
        return LinkDescription(name="tap7", kind=self.kind, mac="", ethernet=True)

    def counters(self, _deadline: float) -> dict[int, LinkCounters]:
        """Return some counters."""
        return {7: LinkCounters(*range(8))}

    def qdiscs(self, _deadline: float) -> dict[tuple[int, int], Qdisc]:
        """Return the qdiscs."""
        if self.broken:
            raise SourceUnavailableError("the kernel has no traffic control")
        return {(each.link, each.parent): each for each in self.qdisc}

    def classes(self, _index: int, _deadline: float) -> Mapping[int, HtbClass]:
        """Return the classes, and count the question."""
        self.asked += 1
        return self.classes_of

    def policers(self, _index: int, parent: int, _deadline: float) -> Mapping[int, Policer]:
        """Return the policers."""
        return self.policers_of.get(parent, {})

    def close(self) -> None:
        """Nothing is open."""


def ask(
    kernel: Kernel,
    source: Netlink | None = None,
    inbound: Bandwidth | None = None,
    outbound: Bandwidth | None = None,
) -> Reading:
    """Read a guest with the interface tap7."""
    kind = "bridge" if kernel.kind == "tun" else "direct"
    domain = Domain(
        uuid=A, name="web", nics=(Nic(type=kind, target="tap7", inbound=inbound, outbound=outbound),)
    )
    request = Request(guests={A: Guest(domain=domain)}, deadline=time.monotonic() + 10, taken_at=0.0)
    return (source or Netlink(kernel, clock=lambda: kernel.now)).read(request)


def shown(reading: Reading) -> dict[tuple[str, str], float]:
    """Return the values of the series about limits by direction and the name's end."""
    prefix = "libvirt_domain_interface_limit_"
    return {
        (sample.labels[1], sample.metric.name.removeprefix(prefix)): float(sample.value)
        for sample in reading.samples
        if sample.metric.name.startswith(prefix) and isinstance(sample.value, int | float)
    }


HTB = (Qdisc(7, ROOT, "htb", None, HELD),)
ONE = {1: HtbClass(1, ROOT, FAST), 2: HtbClass(2, 1, 30 * FAST)}
POLICED = (Qdisc(7, ARRIVAL, "ingress", None, None),)


def limited(direction: str, rate: float = FAST) -> dict[tuple[str, str], float]:
    """Return the series of a limit."""
    values = {"info": 1.0, "bytes_per_second": rate, "drops_total": 5.0, "overlimits_total": 9.0}
    return {(direction, name): value for name, value in values.items()}


def test_a_tap_departs_what_the_guest_receives() -> None:
    """An HTB's highest classes are the limit; a class below borrows from them. A TBF has it itself."""
    assert shown(ask(Kernel(qdisc=HTB, classes_of=ONE))) == limited("receive")
    tbf = (Qdisc(7, ROOT, "tbf", FAST, HELD), Qdisc(8, ROOT, "tbf", 1, HELD))
    assert shown(ask(Kernel(qdisc=tbf))) == limited("receive")


def test_a_macvtap_departs_what_the_guest_sends() -> None:
    """It is the guest's own port."""
    assert shown(ask(Kernel("macvtap", HTB, ONE))) == limited("transmit")


def test_policers_on_arrival_limit_what_the_guest_sends() -> None:
    """Several ones drop together, but no single number is the limit."""
    one = Policer(1, FAST, HELD)
    assert shown(ask(Kernel(qdisc=POLICED, policers_of={ON_ARRIVAL: {1: one}}))) == limited("transmit")
    two = {ON_ARRIVAL: {1: one, 2: Policer(2, FAST, Held(1, 1))}}
    both = shown(ask(Kernel(qdisc=POLICED, policers_of=two), outbound=Bandwidth(average=FAST)))
    assert both == {
        ("transmit", "info"): 1.0,
        ("transmit", "drops_total"): 6.0,
        ("transmit", "overlimits_total"): 10.0,
    }


def test_a_clsact_polices_both_directions() -> None:
    """Its filters on departure are what the guest receives."""
    clsact = (Qdisc(7, ARRIVAL, "clsact", None, None),)
    policed = {ON_ARRIVAL: {1: Policer(1, FAST, HELD)}, ON_DEPARTURE: {2: Policer(2, 2 * FAST, HELD)}}
    found = shown(ask(Kernel(qdisc=clsact, policers_of=policed)))
    assert found == limited("transmit") | limited("receive", 2 * FAST)


@pytest.mark.parametrize(("rate", "drift"), [(FAST, 0.0), (FAST + 9_000, 0.0), (FAST // 2, 1.0)])
def test_a_limit_that_is_not_the_defined_one_is_drift(rate: int, drift: float) -> None:
    """What the kernel rounds is not."""
    classes = {1: HtbClass(1, ROOT, rate)}
    reading = ask(Kernel(qdisc=HTB, classes_of=classes), inbound=Bandwidth(average=FAST))
    assert shown(reading)["receive", "drift"] == drift


def test_a_defined_limit_without_a_qdisc_is_drift() -> None:
    """The direction without one in the definition has no verdict, whatever the kernel has."""
    assert shown(ask(Kernel(), inbound=Bandwidth(average=FAST))) == {("receive", "drift"): 1.0}
    assert ("receive", "drift") not in shown(ask(Kernel(qdisc=HTB, classes_of=ONE)))
    assert shown(ask(Kernel(), inbound=Bandwidth(floor=FAST))) == {}


def test_an_htb_without_classes_limits_nothing() -> None:
    """Nothing is shown, and where a limit is defined it is missing."""
    assert shown(ask(Kernel(qdisc=HTB), inbound=Bandwidth(average=FAST))) == {("receive", "drift"): 1.0}


def test_an_htbs_rate_is_read_again_after_a_while() -> None:
    """It is a setting: the counters are new each time."""
    kernel = Kernel(qdisc=HTB, classes_of=ONE)
    source = Netlink(kernel, clock=lambda: kernel.now)
    for _ in range(3):
        assert shown(ask(kernel, source)) == limited("receive")
    assert kernel.asked == 1
    kernel.classes_of = {1: HtbClass(1, ROOT, 5)}
    kernel.now += KEPT_SECONDS
    assert shown(ask(kernel, source)) == limited("receive", 5)


def test_a_kernel_without_traffic_control_costs_the_limits_only() -> None:
    """Nothing is drift that could not be read."""
    reading = ask(Kernel(broken=True), inbound=Bandwidth(average=FAST))
    assert len(reading.samples) == 8
    assert shown(reading) == {}
    assert reading.partial
    assert "the limits of the guests' links cannot be read" in reading.notes[0]


def test_limits_are_counted_from_their_start() -> None:
    """A counter is there before its first event."""
    found = ask(Kernel(qdisc=(Qdisc(7, ROOT, "tbf", FAST, Held(0, 0)),)))
    values = {sample.metric: sample.value for sample in found.samples}
    assert (values[rows.DROPS], values[rows.OVERLIMITS]) == (0, 0)
