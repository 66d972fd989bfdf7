"""Makes the tenant page from a snapshot that exists: the members' series, each with the tenant's own part."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from hostcollector.base.definition import Domain
from hostcollector.base.model import Family, Kind, Metric, Neighbours, Snapshot, SourceState, Tenant
from hostcollector.catalogue import OF_TENANTS, vm, vm_labels
from hostcollector.guests.presence import Presence
from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from hostcollector.outputs.tenant_page.lag import Lag
from hostcollector.outputs.tenant_page.lives import Life, Lives
from hostcollector.outputs.tenant_page.membership import Member, Membership, Register
from hostcollector.outputs.tenant_page.views import Labels, Seen, Value, describe, see

SECONDS_PER_MINUTE = 60

_DIGITS = 9
"""Digits after the point of a value in steps: multiples of 0.6 are not exact."""

_ABOUT = {"disk": vm.DISK_INFO, "nic": vm.NETWORK_INFO, "gpu": vm.GPU_INFO}
"""The row that describes a device, by its kind."""


class TenantPage:
    """Makes pages. Safe to use from several threads.

    `domains` returns the inventory's present domains, `tenant_of` finds the present tenant of one.
    """

    def __init__(
        self,
        lives: Lives,
        presence: Presence,
        domains: Callable[[], Mapping[str, Domain]],
        tenant_of: Callable[[Domain], Tenant],
    ) -> None:
        self._register = Register(lives, presence, domains, tenant_of)
        self._lag = Lag()
        self._encoder = Encoder()
        self._lock = threading.Lock()
        self.left_out: Counter[str] = Counter({"label": 0, "limit": 0, "duplicate": 0})
        """How many series were left out of all pages, by reason."""
        self.vms: int | None = None
        """How many VMs were on the last page; None before the first one."""

    def encode(self, snapshot: Snapshot, tenant: str = "", asked_at: float | None = None) -> bytes:
        """Return the page in the text format 0.0.4; with `tenant` only that tenant's VMs.

        `asked_at` is the Unix time of the request; None for a page by hand, of the snapshot's time.
        """
        page, _ = self.make(snapshot, tenant, asked_at)
        return self._encoder.encode(page, Format.TEXT)

    def make(
        self, snapshot: Snapshot, tenant: str = "", asked_at: float | None = None
    ) -> tuple[Snapshot, Membership]:
        """Return the page's families as a snapshot, and which guests are on the page."""
        with self._lock:
            families = _all_families(snapshot)
            membership = self._register.of(snapshot, families)
            members = membership.members
            self.vms = len(members)
            failed = {report.source for report in snapshot.reports if report.state is SourceState.FAILED}
            seen = see(families.values(), {uuid: one.vm for uuid, one in members.items()}, failed)
            for member in members.values():
                _describe(seen, member)
            taken_at = snapshot.taken_at
            page = {family.metric: family for family in self._families(seen, members, taken_at)}
            self.left_out.update(seen.left_out)
            shown = self._lag.shown(page, taken_at if asked_at is None else asked_at, taken_at).values()
            own = tuple(_of_tenant(shown, tenant) if tenant else shown)
            return Snapshot(taken_at=taken_at, families=own), membership

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the record on disk, each a sentence."""
        return self._register.problems

    def _families(self, seen: Seen, members: Mapping[str, Member], taken_at: float) -> Iterator[Family]:
        """Yield the families in the sequence of the catalogue."""
        for family in OF_TENANTS:
            series = {
                labels: self._shown(family, labels, value, members[labels[1]].life, taken_at)
                for labels, value in _limited(seen, family)
            }
            if series:
                yield Family(family, series)

    def _shown(self, family: Metric, labels: Labels, value: Value, life: Life, taken_at: float) -> float:
        """Return what the tenant sees of a value: its own part of a counter, and a strong one in steps."""
        if family is vm.START_TIME:
            return life.since
        if family.kind is not Kind.COUNTER:
            return value.value
        strong = value.view is not None and value.view.neighbours is Neighbours.STRONG
        if life.whole and not strong:
            return value.value
        key = " ".join((family.name, *labels[2:]))
        own, changed = life.own_part(key, value.value)
        if changed:
            self._register.changed()
        if value.view is None or not strong:
            return own
        return _in_steps(life, key, own, value.view.step, taken_at)


def _of_tenant(families: Iterable[Family], tenant: str) -> Iterator[Family]:
    """Yield the families with the series of one tenant."""
    for family in families:
        series = {labels: value for labels, value in family.series.items() if labels[0] == tenant}
        if series:
            yield Family(family.metric, series)


def _all_families(snapshot: Snapshot) -> dict[Metric, Family]:
    """Return the families by row, with the guests that the operator's page leaves out."""
    families = {family.metric: family for family in snapshot.families}
    for hidden in snapshot.hidden:
        shown = families.get(hidden.metric)
        series = {**shown.series, **hidden.series} if shown is not None else hidden.series
        families[hidden.metric] = Family(hidden.metric, series)
    return families


def _limited(seen: Seen, family: Metric) -> Iterable[tuple[Labels, Value]]:
    """Return a row's series, of each VM at most `MOST_SERIES`; the others are counted."""
    found = list(seen.of(family))
    if len(found) <= vm_labels.MOST_SERIES:
        return found
    taken: Counter[str] = Counter()
    kept = []
    for labels, value in found:
        taken[labels[1]] += 1
        if taken[labels[1]] <= vm_labels.MOST_SERIES:
            kept.append((labels, value))
    seen.left_out["limit"] += len(found) - len(kept)
    return kept


def _in_steps(life: Life, key: str, value: float, step: float, taken_at: float) -> float:
    """Return the value of the first page in this minute, in whole steps; what is over waits for the next.

    Steps hide how busy neighbours are from moment to moment, and no time is lost in the sum.
    """
    minute = int(taken_at // SECONDS_PER_MINUTE)
    held = life.held.get(key)
    if held is None or held[0] != minute:
        held = life.held[key] = (minute, round(math.floor(value / step) * step, _DIGITS))
    return held[1]


def _describe(seen: Seen, member: Member) -> None:
    """Add what the definition says of the devices."""
    for device in member.devices:
        number = member.life.numbers.of(device)
        describe(seen, _ABOUT[device.kind], member.vm, {device.kind: number, **device.about})
