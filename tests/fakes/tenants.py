"""A hypervisor whose snapshots have every row of the catalogue, for tests of what tenants see of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostcollector import catalogue
from hostcollector.base.definition import Disk, Domain, HostDevice, Nic
from hostcollector.base.model import Family, Guest, Kind, Metric, Scope, Snapshot, Tenant
from hostcollector.catalogue import gpu, guest
from hostcollector.guests.presence import Presence
from hostcollector.outputs.tenant_page.lives import Lives
from hostcollector.outputs.tenant_page.page import TenantPage

STARTED, NOW = 1_700_000_000.0, 1_700_000_030.0
VOLUME, PORT = "0e8a7f4c-54d8-4f0a-9c0e-3b6f6f1f8a01", "5d9f0a7c-1f68-4f6b-8a43-0f8e53d1a902"

LabelOf = Callable[[Metric, Guest, str], str]
ValueOf = Callable[[Metric, Guest | None], float]

KEPT = {
    "vcpu": "0",
    "os_type_arch": "x86_64",
    "state": "running",
    "check": "system",
    "event": "reboot",
    "direction": "receive",
    "model": "GH100 [H100 SXM5 80GB]",
    "engine": "gpu",
    "clock": "sm",
    "memory": "dram",
    "severity": "corrected",
    "reason": "thermal",
    "kind": "replay",
    "gpu_uuid": "77777777-7777-4777-8777-777777777777",
    "vgpu_uuid": "88888888-8888-4888-8888-888888888888",
}
"""Values of the labels that a tenant sees as they are."""


def kept(row: Metric, name: str) -> str | None:
    """Return a value that tenants may see of a label, None for one that they never see."""
    if row.tenant is None:
        return None
    return KEPT.get(name) if name in row.tenant.labels.values() else None


def customer(number: int, tenant: str, *, word: Callable[[], str] = lambda: "x") -> Guest:
    """Return a guest with a disk, a tap, a VF and a GPU; `word` makes the names that tenants must not see."""
    digit = f"{number:x}"
    return Guest(
        domain=Domain(
            uuid=f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}",
            name=word(),
            id=number,
            title=word(),
            disks=(
                Disk(
                    target=f"vda-{word()}",
                    source=f"/var/lib/{word()}",
                    serial=word(),
                    alias=f"ua-{VOLUME}",
                    address="0000:04:00.0",
                ),
            ),
            nics=(
                Nic(
                    type="bridge",
                    target=f"tap-{word()}",
                    mac=word(),
                    bridge=word(),
                    interface_id=PORT,
                    address="0000:01:00.0",
                ),
                Nic(type="hostdev", mac=word(), pci_address=f"0000:3b:0{digit}.2", address="0000:07:00.0"),
            ),
            host_devices=(HostDevice(type="pci", pci_address=f"0000:4{digit}:00.0", address="0000:06:00.0"),),
        ),
        tenant=Tenant(id=tenant, name=word(), resolver="metadata"),
    )


def series_of(row: Metric, known: Guest, label: LabelOf) -> tuple[str, ...]:
    """Return the labels of a guest's series of a row, with its devices where the row is about one."""
    devices = {
        "target_device": known.domain.nics[0].target,
        "pci_address": known.domain.nics[1].pci_address,
        "gpu": known.domain.host_devices[0].pci_address,
        "mode": "passthrough",
    }
    if row.tenant is not None and "disk" in row.tenant.labels:
        devices["target_device"] = known.domain.disks[0].target
    if row is gpu.INFO.guest:
        devices["pci_address"] = devices["gpu"]
    own = (devices.get(name) or label(row, known, name) for name in row.labels)
    return (known.tenant.id, known.domain.name, known.domain.uuid, *own)


def snapshot(
    guests: Sequence[Guest],
    value: ValueOf,
    label: LabelOf,
    *,
    taken_at: float = NOW,
    rows: Iterable[Metric] = (),
) -> Snapshot:
    """Return a snapshot with one series of each row of the catalogue for each guest, and for the host."""
    families = []
    for row in rows or catalogue.ALL:
        if row.kind is Kind.HISTOGRAM:
            continue
        if row.scope is Scope.DOMAIN:
            series = {series_of(row, known, label): value(row, known) for known in guests}
        else:
            series = {tuple(label(row, guests[0], name) for name in row.label_names): value(row, None)}
        families.append(Family(row, series))
    return Snapshot(taken_at=taken_at, families=tuple(families), guests=tuple(guests))


def plain_label(row: Metric, _known: Guest, name: str) -> str:
    """Return a value for a label: an allowed one where tenants see it."""
    return kept(row, name) or "other"


@dataclass
class TenantHost:
    """A tenant page with the guests that the inventory has; `tenants` are the present tenants by UUID."""

    directory: Path
    present: dict[str, Domain] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    presence: Presence = field(default_factory=lambda: Presence(lambda: NOW))

    def __post_init__(self) -> None:
        self.page = self.restarted(STARTED - 60)

    def restarted(self, at: float = NOW) -> TenantPage:
        """Return the page as after a restart of the daemon."""
        self.page = TenantPage(
            Lives(self.directory, at, patience=30),
            self.presence,
            lambda: self.present,
            lambda domain: self.tenants.get(domain.uuid, Tenant()),
        )
        return self.page

    def text(self, made_from: Snapshot) -> str:
        """Return the page of a snapshot; its guests are all present."""
        self.present = {known.domain.uuid: known.domain for known in made_from.guests}
        return self.page.encode(made_from).decode()

    def values(self, made_from: Snapshot, asked_at: float | None = None) -> dict[tuple[str, ...], float]:
        """Return the values of the page's series by name and labels; `asked_at` is when it is requested."""
        self.present = {known.domain.uuid: known.domain for known in made_from.guests}
        page, _ = self.page.make(made_from, asked_at=asked_at)
        return {
            (family.metric.name, *labels): number
            for family in page.families
            for labels, number in family.series.items()
            if isinstance(number, int | float)
        }


def started(known: Guest, at: float = STARTED) -> dict[tuple[str, ...], float]:
    """Return the series of the start of a guest's QEMU."""
    return {(known.tenant.id, known.domain.name, known.domain.uuid): at}


def small(
    known: Guest,
    numbers: Mapping[Metric, Mapping[Any, float]],
    *,
    taken_at: float = NOW,
    start: float = STARTED,
) -> Snapshot:
    """Return a snapshot of one guest that runs since `start`, with `numbers` by rows and labels."""
    identity = (known.tenant.id, known.domain.name, known.domain.uuid)
    families = [
        Family(guest.START_TIME, {identity: start}),
        Family(guest.STATE_REASON, {(*identity, "running", "booted"): 1.0}),
    ]
    for row, series in numbers.items():
        families.append(Family(row, {(*identity, *labels): value for labels, value in series.items()}))
    return Snapshot(taken_at=taken_at, families=tuple(families), guests=(known,))
