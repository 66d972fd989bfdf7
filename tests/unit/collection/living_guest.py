"""A guest whose pages follow each other, made by the real join, with the signs that a test sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hostcollector.base.definition import Disk, Domain, Nic
from hostcollector.base.model import Guest, Report, Sample, SourceState, Tenant
from hostcollector.catalogue import block, collection, cpu, ends, guest, interface, liveness, memory
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.availability import Availability
from hostcollector.collection.checks import Checks
from hostcollector.collection.signs import Watch

UUID = "7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55"
START = 1_700_000_000.0
SILENT_SECONDS = 600.0
RUNNING, PAUSED, SHUTTING_DOWN, CRASHED = 1, 3, 4, 6
WORDS = {RUNNING: "running", PAUSED: "paused", SHUTTING_DOWN: "shutdown", CRASHED: "crashed"}
DOMAIN = Domain(
    uuid=UUID,
    name="web",
    id=1,
    vcpus=1,
    vcpus_maximum=1,
    balloon_period_seconds=10,
    disks=(Disk(target="vda"),),
    nics=(Nic(type="ethernet", target="tap0"),),
)


@dataclass(slots=True)
class LivingGuest:
    """What the sources say of the guest on the next page; None for a sign that none of them gives."""

    domain: Domain = DOMAIN
    state: int | None = RUNNING
    reason: str = "booted"
    monitor: int | None = 0
    blocked: float | None = 0.0
    vcpu_time: float | None = 1.0
    balloon_age: float | None = None
    requests: float | None = 5.0
    packets: float | None = 5.0
    events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ended: Mapping[str, float] = field(default_factory=dict)
    """Ends by reason, with their Unix times."""
    more: tuple[Sample, ...] = ()
    present: bool = True
    now: float = START
    watch: Watch = field(default_factory=Watch)
    availability: Availability = field(default_factory=Availability)

    def page(self, seconds: float = 15.0) -> dict[str, tuple[str, str]]:
        """Make the page of so many seconds later. Return result and reason of both checks."""
        self.now += seconds
        families = self._families()
        values = {labels[-1]: value for labels, value in families.get(liveness.CHECK.name, {}).items()}
        info = {labels[-3]: labels[-2:] for labels in families.get(liveness.CHECK_INFO.name, {})}
        found = {}
        for check in ("system", "instance") if self.present else ():
            result, reason = info.get(check, ("passed", ""))
            assert values.get(check) == {"passed": 1.0, "failed": 0.0, "unknown": None}[result]
            found[check] = (result, reason)
        self.seconds = {
            labels[-1]: value for labels, value in families.get(liveness.AVAILABILITY.name, {}).items()
        }
        return found

    seconds: Mapping[str, object] = field(default_factory=dict)
    """The guest's time by what it counts as, on the last page."""

    def agent(self, *, connected: bool) -> None:
        """Connect or disconnect the guest agent."""
        self.domain = replace(self.domain, agent_connected=connected)

    def _families(self) -> dict[str, Mapping[tuple[str, ...], object]]:
        checks = Checks(self.watch, self.availability, silent_seconds=SILENT_SECONDS)
        report = Report(source="test", state=SourceState.OK, samples=tuple(self._samples()))
        guests = {UUID: Guest(domain=self.domain, tenant=Tenant(id="acme"))} if self.present else {}
        snapshot = Assembler(checks=checks).assemble(
            taken_at=self.now, guests=guests, reports=[report], own=(), facts={}
        )
        return {family.metric.name: family.series for family in snapshot.families}

    def _samples(self) -> list[Sample]:
        rows = {
            (guest.STATE_CODE, ()): self.state,
            (collection.MONITOR_STATE, ()): self.monitor,
            (collection.MONITOR_BLOCKED, ()): self.blocked,
            (cpu.VCPU_TIME, ("0",)): self.vcpu_time,
            (memory.AGE, ()): self.balloon_age,
            (block.READ_REQUESTS, ("vda",)): self.requests,
            (block.WRITE_REQUESTS, ("vda",)): self.requests,
            (interface.TRANSMIT_PACKETS, ("tap0",)): self.packets,
        }
        samples = [
            Sample(row, value, labels, UUID) for (row, labels), value in rows.items() if value is not None
        ]
        if self.state is not None:
            samples.append(Sample(guest.STATE_REASON, 1.0, (WORDS[self.state], self.reason), UUID))
        samples += [Sample(guest.EVENTS, count, event, UUID) for event, count in self.events.items()]
        samples += [
            Sample(ends.ENDED, at, ("acme", "web", UUID, reason)) for reason, at in self.ended.items()
        ]
        return [*samples, *self.more] if self.present else samples[-len(self.ended) :]
