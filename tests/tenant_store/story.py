"""What happens to a VM, and what the stores have of it: two migrations, a new tenant, a host cut off."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import libvirt

from tests.lab.connection import connected
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.migration import migrating
from tests.lab.process import until
from tests.lab.tenant_hosts import assign
from tests.tenant_store.two_hosts import COUNTER, INFO, INTERVAL, Line, Store, Truth, TwoHosts

WINDOW = 4 * INTERVAL
"""Of rate(): the least that Grafana uses for a scrape interval."""

OVERLAP_SECONDS = 30.0
"""How long the source's libvirtd is stopped while the guest already runs on the target."""

MISSED = 8
"""Scrapes for which a host is cut off."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done; times are Unix times."""

    what: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store has: samples and rate by tenant, and when the VM would be called absent."""

    samples: Mapping[str, Line]
    rate: Mapping[str, Line]
    absent: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """The whole run. `carried` has the scrapes of each host, `kept` what each store has, by its name."""

    start: float
    end: float
    events: tuple[Event, ...]
    carried: tuple[list[tuple[float, str]], ...]
    truth: Truth
    kept: Mapping[str, Kept]

    def event(self, what: str) -> Event:
        """Return the event with this name."""
        return next(event for event in self.events if event.what == what)


MOVE, STUCK, BACK = "live migration", "libvirtd of host 2 stopped", "migration back"
TENANT, CUT = "new tenant", "host 1 cut off"


def perform(scene: TwoHosts) -> Story:
    """Let it happen, and ask the stores."""
    first, second = scene.hypervisors
    events: list[Event] = []
    scene.wait_for(6)
    start = time.time()
    scene.wait_for(5)
    with _event(events, MOVE), migrating(first.running(scene.moving), second) as errors:
        pass
    assert not errors, errors
    scene.wait_for(6)
    with _event(events, TENANT):
        assign(second.running(scene.moving), "globex")
    scene.wait_for(6)
    with _event(events, BACK), migrating(second.running(scene.moving), first):
        until(lambda: _runs(first, scene.moving.uuid), 60.0, "the guest on the first host")
        with _event(events, STUCK), _stopped(second):
            time.sleep(OVERLAP_SECONDS)
    scene.wait_for(6)
    host = scene.pages[0]
    with _event(events, CUT):
        host.missed, host.cut_off = 0, True
        until(lambda: host.missed >= MISSED, 30.0 + 2 * INTERVAL * MISSED, "scrapes that fail")
        host.cut_off = False
    scene.wait_for(7)
    end = time.time() - INTERVAL
    carried = tuple([one for one in page.carried if start <= one[0] <= end] for page in scene.pages)
    kept = {store.name: _kept(store, scene.moving.uuid, start, end) for store in scene.stores}
    return Story(start, end, tuple(events), carried, scene.truth, kept)


def _kept(store: Store, vm: str, start: float, end: float) -> Kept:
    counter, info = f'{COUNTER}{{vm="{vm}"}}', f'{INFO}{{vm="{vm}"}}'
    absent = store.range(f"absent({info})", start, end).get("", [])
    instants = (start + number for number in range(int(end - start)))
    now = [at for at in instants if store.instant(f"absent({info})", at)]
    return Kept(
        samples=store.samples(counter, start, end),
        rate=store.range(f"sum by (tenant) (rate({counter}[{WINDOW:g}s]))", start, end),
        absent=tuple(sorted({*(at for at, _ in absent), *now})),
    )


@contextmanager
def _event(events: list[Event], what: str) -> Iterator[None]:
    start = time.time()
    yield
    events.append(Event(what, start, time.time()))


@contextmanager
def _stopped(hypervisor: PrivateHypervisor) -> Iterator[None]:
    hypervisor.stop()
    try:
        yield
    finally:
        hypervisor.cont()


def _runs(hypervisor: PrivateHypervisor, uuid: str) -> bool:
    """Whether the guest runs there, and not only arrives."""
    with connected(hypervisor.uri_readonly, readonly=True) as connection:
        try:
            state, _ = connection.lookupByUUIDString(uuid).state()
        except libvirt.libvirtError:
            return False
        return bool(state == libvirt.VIR_DOMAIN_RUNNING)
