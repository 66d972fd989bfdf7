"""Turns a BMC's answer into samples and notes: a guest's rows where the GPU has an owner, else the host's."""

from collections.abc import Iterable, Iterator, Mapping

from hostcollector.base.model import Sample
from hostcollector.base.wording import counted, duration
from hostcollector.catalogue import bmc, gpu
from hostcollector.catalogue.rows import Twin
from hostcollector.devices.gpu_identities import GpuIdentity
from hostcollector.devices.owners import Owner
from hostcollector.devices.pci import Function
from hostcollector.protocols.redfish.properties import SCALES
from hostcollector.protocols.redfish.values import BmcAnswer, GpuReadings, Key
from hostcollector.sources.redfish.host_gpus import HostGpus
from hostcollector.sources.redfish.mapping import MappedGpu

SOURCE = "redfish"

# The rows that only the BMC reports, not NVIDIA's driver.
_ONLY_BMC = frozenset(row for row in vars(bmc).values() if isinstance(row, Twin))
_MOST_NAMED = 16


def only_bmc(readings: GpuReadings) -> GpuReadings:
    """Return the readings that only the BMC reports, not NVIDIA's driver."""
    return GpuReadings(
        {key: value for key, value in readings.gauges.items() if key[0] in _ONLY_BMC},
        {key: value for key, value in readings.counters.items() if key[0] in _ONLY_BMC},
    )


def gpu_samples(
    name: str, gauges: Mapping[Key, float], counters: Mapping[Key, float], owner: Owner
) -> Iterator[Sample]:
    """Yield the series of a GPU: `gauges` in base units, `counters` raw since its owner's start."""
    for (twin, labels), value in gauges.items():
        yield Sample(twin.of(owner.uuid), value, (name, *labels), owner.uuid)
    for (twin, labels), raw in counters.items():
        scale = SCALES.get(twin)
        yield Sample(twin.of(owner.uuid), raw if scale is None else raw / scale, (name, *labels), owner.uuid)


def observable(name: str, address: str, owner: Owner, *, seen: bool) -> Sample:
    """Return whether the BMC reports a GPU."""
    return Sample(gpu.OBSERVABLE.of(owner.uuid), float(seen), (name, address, SOURCE), owner.uuid)


def info_sample(joined: MappedGpu) -> Sample:
    """Return the GPU's identity on the BMC, and its PCI address on the host."""
    found = joined.gpu
    labels = (
        *(joined.shown_as, joined.name, found.system, joined.address, joined.by.value),
        *(found.model, found.serial, found.uuid, found.firmware),
    )
    return Sample(bmc.GPU_INFO, 1.0, labels)


def slot_samples(
    host: HostGpus,
    joined: Iterable[MappedGpu],
    names: Mapping[str, str],
    identities: Mapping[str, GpuIdentity],
) -> Iterator[Sample]:
    """Yield where each GPU with a known owner is at the BMC, by whatever is known of it.

    `names` are the map file's; a GPU without a name, serial number and UUID has no series. Where the BMC
    reports GPUs, only those that were mapped have one: map and identities may be refused.
    """
    reported = list(joined)
    by_address = {one.address: one.gpu for one in reported if one.address}
    for address, owner in host.concerned():
        if reported and address not in by_address:
            continue
        found, identity = by_address.get(address), identities.get(address, GpuIdentity())
        name, system = (found.name, found.system) if found else (names.get(address, ""), "")
        serial = (found.serial if found else "") or identity.serial
        uuid = ((found.uuid if found else "") or identity.uuid).lower().removeprefix("gpu-")
        if name or serial or uuid:
            labels = (address, address, name, system, serial, uuid)
            yield Sample(bmc.SLOT_INFO.of(owner.uuid), 1.0, labels, owner.uuid)


def bmc_samples(answer: BmcAnswer, now: float) -> Iterator[Sample]:
    """Yield the series of the BMC itself."""
    yield Sample(bmc.REDFISH_INFO, 1.0, (answer.product, answer.version))
    for part in answer.parts:
        yield Sample(bmc.REDFISH_AGE, now - part.asked_at, (part.name,))
    chassis = answer.chassis
    if chassis is not None:
        yield Sample(bmc.REDFISH_AGE, now - chassis.asked_at, ("chassis",))
        if now - chassis.asked_at <= chassis.good_for:
            for (row, labels), value in chassis.values.items():
                yield Sample(row, value, labels)


def not_configured(lacking: int) -> tuple[str, ...]:
    """Return what to configure where `lacking` GPUs are held for guests and no BMC is configured."""
    if not lacking:
        return ()
    held = f"{counted(lacking, 'GPU')} {'is' if lacking == 1 else 'are'} held for guests"
    return (f"{held}: set redfish.url to see power, temperature and errors",)


def nothing_recent(answer: BmcAnswer | None, failure: str, now: float) -> str:
    """Return why nothing of the BMC is shown."""
    why = failure or "it has not been heard since"
    if answer is None:
        return why
    return f"the BMC's last answer is {duration(now - answer.parts[0].asked_at)} old: {why}"


def doubts(
    answer: BmcAnswer, failure: str, joined: list[MappedGpu], gpus: Mapping[str, Function]
) -> Iterator[str]:
    """Yield what has failed since the last answer, and which GPUs could not be mapped."""
    if failure:
        yield failure
    yield from answer.problems
    for doubt in sorted({one.doubt for one in joined if one.doubt}):
        yield f"{doubt}: correct redfish.gpu_map_file"
    mapped = {one.address for one in joined}
    unmapped = [one.name for one in joined if not one.address and not one.doubt]
    here = [address for address, it in gpus.items() if it.is_nvidia_gpu and address not in mapped]
    if unmapped and here:
        yield (
            f"it is not known which of {_named(here)} is {_named(unmapped)} of the BMC: say it in "
            "redfish.gpu_map_file, or let the source nvml see the GPU once with NVIDIA's driver"
        )


def found(answer: BmcAnswer, joined: list[MappedGpu]) -> str:
    """Return in one line what the walk over the BMC's links found and what it did not."""
    counts = answer.counts
    types = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.others.items()))
    others = sum(counts.others.values())
    empty = f", {counted(counts.empty, 'empty socket')}" if counts.empty else ""
    mapped = sum(bool(one.address) for one in joined)
    return (
        f"on the BMC: {counted(len(joined), 'GPU')} found{empty}, {mapped} of known PCI address, "
        f"{counted(others, 'processor')} of other types{f' ({types})' if types else ''}, "
        f"{counted(counts.unread, 'resource')} not read, {counted(counts.malformed, 'value')} not understood"
    )


def _named(names: list[str]) -> str:
    return ", ".join(sorted(names)[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
