"""Which guests are on the tenant page, and why the others are not.

A guest is on it while all of this is certain: it runs here, it belongs to a tenant, and its definition and
tenant are still those of the snapshot. Everything else costs the guest its place, never a tenant its privacy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hostcollector.base.definition import Domain
from hostcollector.base.model import Family, Guest, Metric, Snapshot, Tenant
from hostcollector.catalogue import guest
from hostcollector.guests.presence import Presence
from hostcollector.outputs.tenant_page.devices import Device, Reported, devices_of
from hostcollector.outputs.tenant_page.lives import Life, Lives
from hostcollector.outputs.tenant_page.views import UUID_AT, Vm, allowed, numbers_of, reported_of, whole_gpus


class Absence(StrEnum):
    """Why a guest is not on the tenant page."""

    NO_TENANT = "no resolver knows its tenant"
    UNFIT_TENANT = "its tenant's id has another form than [A-Za-z0-9][A-Za-z0-9._-]{0,63}"
    UNREAD = "its definition cannot be read"
    NOT_HERE = "it is not certain that it runs here: it is starting, or being migrated"
    CHANGING = "its tenant has changed since the last collection"
    UNKNOWN_START = "the start of its QEMU, or the record of tenants on disk, cannot be read"
    ODD_UUID = "its UUID is not written as libvirt writes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A guest on the page: as its tenant sees it, with its life and its devices."""

    vm: Vm
    life: Life
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The guests of one snapshot: those on the page by UUID, the others with the reason."""

    members: Mapping[str, Member]
    absent: tuple[tuple[Guest, Absence], ...]


class Register:
    """Decides about guests. In use by one thread at a time.

    `domains` returns the inventory's present domains, `tenant_of` finds the present tenant of one.
    """

    def __init__(
        self,
        lives: Lives,
        presence: Presence,
        domains: Callable[[], Mapping[str, Domain]],
        tenant_of: Callable[[Domain], Tenant],
    ) -> None:
        self._lives = lives
        self._presence = presence
        self._domains = domains
        self._tenant_of = tenant_of
        self._vms: dict[str, Vm] = {}

    def of(self, snapshot: Snapshot, families: Mapping[Metric, Family]) -> Membership:
        """Return which guests of the snapshot are on the page now."""
        present = self._domains()
        found = list(self._found(snapshot, families, present))
        self._lives.keep_only({known.domain.uuid for known, _ in found} & present.keys())
        self._presence.keep_only(present.keys())
        members = {one.vm.uuid: one for _, one in found if isinstance(one, Member)}
        self._vms = {uuid: one.vm for uuid, one in members.items()}
        return Membership(
            members=members,
            absent=tuple((known, why) for known, why in found if isinstance(why, Absence)),
        )

    def changed(self) -> None:
        """Note that lives have changed; they are written with the next page."""
        self._lives.changed()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the record of lives on disk, each a sentence."""
        return self._lives.problems

    def _found(
        self, snapshot: Snapshot, families: Mapping[Metric, Family], present: Mapping[str, Domain]
    ) -> Iterator[tuple[Guest, Member | Absence]]:
        states = _states(families)
        starts = _values(families, guest.START_TIME)
        reported, whole = reported_of(families), whole_gpus(families)
        for known in (*snapshot.guests, *snapshot.hidden_guests):
            uuid = known.domain.uuid
            here = self._presence.is_here(uuid, *states.get(uuid, ("", "")), snapshot.taken_at)
            life = self._lives.of(uuid, fit(known.tenant), starts.get(uuid), snapshot.taken_at)
            absence = self._absence(known, life, present.get(uuid) if here else None)
            if absence is not None or life is None:
                yield known, absence or Absence.UNKNOWN_START
                continue
            devices = tuple(devices_of(known.domain, reported.get(uuid, Reported())))
            if life.numbers.update(devices):
                self._lives.changed()
            numbered = [(device, life.numbers.of(device)) for device in devices]
            seen = Vm(
                tenant=life.tenant,
                uuid=uuid,
                numbers=numbers_of(numbered),
                whole_gpus=whole.get(uuid, frozenset()),
            )
            before = self._vms.get(uuid)
            yield known, Member(vm=before if before == seen else seen, life=life, devices=devices)

    def _absence(self, known: Guest, life: Life | None, present: Domain | None) -> Absence | None:
        tenant = life.tenant if life is not None else ""
        is_other = present is not None and present is not known.domain
        signs = (
            (Absence.ODD_UUID, not allowed("vm", known.domain.uuid)),
            (Absence.UNREAD, not known.domain.complete),
            (Absence.NOT_HERE, present is None),
            (Absence.UNKNOWN_START, life is None),
            (Absence.UNFIT_TENANT, not tenant and bool(known.tenant.id)),
            (Absence.NO_TENANT, not tenant),
            (Absence.CHANGING, is_other and self._tenant_now(present) not in ("", tenant)),
        )
        return next((absence for absence, applies in signs if applies), None)

    def _tenant_now(self, present: Domain | None) -> str:
        return "" if present is None else fit(self._tenant_of(present))


def fit(tenant: Tenant) -> str:
    """Return the tenant's id; empty for one that is not of the form that tenant ids have."""
    return tenant.id if allowed("tenant", tenant.id) else ""


def _states(families: Mapping[Metric, Family]) -> dict[str, tuple[str, str]]:
    """Return each guest's state and its reason, in libvirt's words."""
    names = guest.STATE_REASON.label_names
    state, reason = names.index("state"), names.index("reason")
    series = families[guest.STATE_REASON].series if guest.STATE_REASON in families else ()
    return {labels[UUID_AT]: (labels[state], labels[reason]) for labels in series}


def _values(families: Mapping[Metric, Family], row: Metric) -> dict[str, float]:
    series = families[row].series.items() if row in families else ()
    return {labels[UUID_AT]: value for labels, value in series if isinstance(value, int | float)}
