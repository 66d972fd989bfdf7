"""Snapshots of a small hypervisor, built by hand."""

from hostcollector.base.definition import Domain
from hostcollector.base.errors import Reason
from hostcollector.base.model import Family, Guest, Report, Snapshot, SourceState, Tenant
from hostcollector.catalogue import collection, guest

ACME = Tenant(id="acme", name="Acme Corporation", resolver="metadata")
WEB = Guest(domain=Domain(uuid="11111111-1111-4111-8111-111111111111", name="web"), tenant=ACME)
DATABASE = Guest(domain=Domain(uuid="22222222-2222-4222-8222-222222222222", name="database"), tenant=ACME)
STRAY = Guest(domain=Domain(uuid="33333333-3333-4333-8333-333333333333", name="stray", complete=False))


def identity(member: Guest) -> tuple[str, str, str]:
    """Return the identity labels of a guest's series."""
    return member.tenant.id, member.domain.name, member.domain.uuid


def hypervisor() -> Snapshot:
    """Return three guests, of one tenant and of none: one well, one blocked, one unreadable."""
    return Snapshot(
        taken_at=1_700_000_000.0,
        families=(
            Family(collection.LIBVIRT_UP, {(): 1.0}),
            Family(collection.VERSIONS_INFO, {("10.0.2", "11.3.0", "11.3.1"): 1.0}),
            Family(collection.MONITOR_BLOCKED, {identity(WEB): 0.0, identity(DATABASE): 14.7}),
            Family(
                guest.STATE_REASON,
                {
                    (*identity(WEB), "running", "booted"): 1.0,
                    (*identity(DATABASE), "paused", "ioerror"): 1.0,
                },
            ),
        ),
        reports=(
            Report(
                source="procfs",
                state=SourceState.OK,
                sample_count=1,
                duration=0.009,
            ),
            Report(
                source="netlink",
                state=SourceState.FAILED,
                reason=Reason.DENIED,
                notes=("the kernel refuses the link dump: add AF_NETLINK to RestrictAddressFamilies",),
                duration=0.5,
            ),
        ),
        guests=(WEB, DATABASE, STRAY),
        facts={"libvirt_uri": "qemu:///system"},
    )


def named(name: str, tenant: str = "") -> Snapshot:
    """Return one guest with that name, of that tenant, whose source complains in the same words."""
    domain = Domain(uuid="44444444-4444-4444-8444-444444444444", name=name)
    report = Report(source="procfs", state=SourceState.PARTIAL, notes=(f"{name} has no process",))
    return Snapshot(
        taken_at=0.0,
        families=(),
        reports=(report,),
        guests=(Guest(domain=domain, tenant=Tenant(id=tenant)),),
    )
