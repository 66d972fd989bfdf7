"""What libvirt and the kernel say of simulated guests, which have no QEMU."""

from collections.abc import Iterable
from dataclasses import replace

from hostcollector.base.model import Family, Guest, Snapshot
from hostcollector.catalogue import guest as rows
from hostcollector.outputs.tenant_page.views import Labels


def running(snapshot: Snapshot, guests: Iterable[Guest]) -> Snapshot:
    """Return the snapshot with what libvirt and the kernel say of running guests."""
    identities: list[Labels] = [(known.tenant.id, known.domain.name, known.domain.uuid) for known in guests]
    starts = Family(rows.START_TIME, dict.fromkeys(identities, snapshot.taken_at - 60))
    states = Family(rows.STATE_REASON, {(*identity, "running", "booted"): 1.0 for identity in identities})
    return replace(snapshot, families=(*snapshot.families, starts, states), guests=tuple(guests))
