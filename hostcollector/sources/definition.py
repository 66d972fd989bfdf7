"""The `definition` source: what the guests' live XML says, from the inventory. Reads nothing itself.

It gives sizes, limits and the descriptive `_info` series. They continue while libvirt is away, since the
inventory keeps the guests it knows.
"""

from collections.abc import Iterable, Iterator

from hostcollector.base.definition import Bandwidth, Disk, Domain, Nic
from hostcollector.base.gaps import MOST_NAMED, Gaps
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.wording import counted, named
from hostcollector.catalogue import block, guest, interface, limits, memory
from hostcollector.guests import nova


class Definition(Source):
    """Turns each guest's definition into series; a guest's part is kept until its definition changes."""

    name = "definition"

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Guest, tuple[Sample, ...]]] = {}

    def read(self, request: Request) -> Reading:
        """Return the series of all guests; those with an unreadable XML are named in the notes."""
        kept = {}
        for uuid, known in request.guests.items():
            before = self._kept.get(uuid)
            kept[uuid] = before if before and before[0] is known else (known, tuple(_samples(known)))
        self._kept = kept
        gaps = Gaps()
        _remark([known.domain for known in request.guests.values()], gaps)
        return Reading(
            samples=[sample for _, samples in kept.values() for sample in samples],
            notes=gaps.notes,
            partial=bool(gaps),
            missing=gaps.count,
        )


def _remark(domains: Iterable[Domain], gaps: Gaps) -> None:
    """Record definitions that could not be read, and guests whose names may look like another guest's."""
    left_out: dict[str, list[str]] = {}
    odd = []
    for domain in domains:
        if not domain.complete:
            why = "; ".join(domain.remarks) or "the reason is not known"
            gaps.unread(f"the XML of guest {domain.name!r}", why)
        elif domain.remarks:
            left_out.setdefault("; ".join(domain.remarks), []).append(repr(domain.name))
        if domain.name != domain.name.strip() or not domain.name.isprintable():
            odd.append(f"{domain.name!r} ({domain.uuid})")
    for remark, guests in list(left_out.items())[:MOST_NAMED]:
        gaps.fact(f"guest {named(guests, MOST_NAMED)}: {remark}")
    if len(left_out) > MOST_NAMED:
        others = sum(map(len, list(left_out.values())[MOST_NAMED:]))
        gaps.fact(f"{counted(others, 'more guest')} with metadata that is left out")
    if odd:
        gaps.fact(
            f"guest {named(odd, MOST_NAMED)}: a name with blanks around it, or with characters that cannot "
            "be printed, may look like another guest's: only the UUID is unique"
        )


def _samples(known: Guest) -> Iterator[Sample]:
    domain = known.domain
    uuid = domain.uuid
    if known.tenant.id:
        yield Sample(guest.TENANT_INFO, 1.0, (known.tenant.name, known.tenant.resolver), uuid)
    if not domain.complete:
        return
    yield Sample(guest.INFO, 1.0, (domain.os_type, domain.arch, domain.machine), uuid)
    if domain.title:
        yield Sample(guest.TITLE_INFO, 1.0, (domain.title,), uuid)
    if domain.memory_bytes is not None:
        yield Sample(guest.MAXIMUM_MEMORY, domain.memory_bytes, (), uuid)
    if domain.vcpus is not None:
        yield Sample(guest.VIRTUAL_CPUS, domain.vcpus, (), uuid)
        yield Sample(guest.VCPU_CURRENT, domain.vcpus, (), uuid)
    if domain.vcpus_maximum is not None:
        yield Sample(guest.VCPU_MAXIMUM, domain.vcpus_maximum, (), uuid)
    if domain.agent_connected is not None:
        yield Sample(guest.AGENT_CONNECTED, float(domain.agent_connected), (), uuid)
    yield from _memory_backing(domain)
    yield from _nova(domain)
    for disk in {disk.target: disk for disk in domain.disks}.values():
        yield from _disk(uuid, disk)
    for nic in domain.nics:
        yield from _nic(uuid, nic)


def _memory_backing(domain: Domain) -> Iterator[Sample]:
    backing = domain.memory_backing
    labels = (
        ",".join(str(size) if size else "default" for size in backing.huge_page_sizes),
        backing.source,
        backing.access,
        "yes" if backing.locked else "",
        domain.numa_mode,
        domain.numa_nodes,
    )
    if any(labels):
        yield Sample(memory.BACKING_INFO, 1.0, labels, domain.uuid)


def _nova(domain: Domain) -> Iterator[Sample]:
    instance = nova.instance_of(domain)
    if instance is None:
        return
    yield Sample(
        guest.OPENSTACK_INFO,
        1.0,
        (
            instance.instance_name,
            domain.uuid,
            instance.flavor,
            instance.user_name,
            instance.user_id,
            instance.project_name,
            instance.project_id,
        ),
        domain.uuid,
    )
    yield Sample(
        guest.INFO_META,
        1.0,
        (
            instance.instance_name,
            instance.flavor,
            instance.user_name,
            instance.user_id,
            instance.project_name,
            instance.project_id,
            instance.root_type,
            instance.root_uuid,
        ),
        domain.uuid,
    )


def _disk(uuid: str, disk: Disk) -> Iterator[Sample]:
    yield Sample(
        block.META,
        1.0,
        (disk.bus, disk.cache, disk.discard, disk.type, disk.format, disk.serial, disk.source, disk.target),
        uuid,
    )
    yield Sample(
        block.INFO,
        1.0,
        (
            disk.type,
            disk.bus,
            disk.driver,
            disk.format,
            disk.cache,
            disk.discard,
            disk.source,
            disk.protocol,
            disk.target,
            disk.serial,
        ),
        uuid,
    )
    for key, value in (disk.limits.values if disk.limits else {}).items():
        if key in block.LIMITS:
            yield Sample(block.LIMITS[key], value, (disk.target,), uuid)
    if disk.backing_images is not None:
        yield Sample(block.BACKING_IMAGES, disk.backing_images, (disk.target,), uuid)
    for group in disk.limits.groups if disk.limits else ():
        yield Sample(block.THROTTLE_GROUP, 1.0, (disk.target, group), uuid)


def _nic(uuid: str, nic: Nic) -> Iterator[Sample]:
    if not nic.target:
        return
    origin = nic.bridge or nic.network or nic.source_device
    yield Sample(interface.META, 1.0, (origin, nic.target, nic.interface_id), uuid)
    yield Sample(
        interface.INFO,
        1.0,
        (nic.type, origin, nic.target, nic.mac, nic.model, "" if nic.mtu is None else str(nic.mtu)),
        uuid,
    )
    for direction, granted in (("receive", nic.inbound), ("transmit", nic.outbound)):
        if granted is not None:
            yield from _bandwidth(uuid, (nic.target, direction), granted)


def _bandwidth(uuid: str, labels: tuple[str, str], granted: Bandwidth) -> Iterator[Sample]:
    values = {
        limits.DEFINED: granted.average,
        limits.DEFINED_PEAK: granted.peak,
        limits.DEFINED_BURST: granted.burst,
        limits.DEFINED_GUARANTEE: granted.floor,
    }
    for row, value in values.items():
        if value is not None:
            yield Sample(row, value, labels, uuid)
