"""Turns what a BMC tells of a GPU into samples: the guest's where the GPU has an owner, else the host's."""

from collections.abc import Iterator, Mapping

from hostcollector.base.model import Metric, Sample
from hostcollector.catalogue import bmc, gpu
from hostcollector.devices.owners import Owner
from hostcollector.protocols.redfish.meanings import SCALES
from hostcollector.protocols.redfish.values import Answer, Key, Readings
from hostcollector.sources.redfish.joining import Joined

SOURCE = "redfish"

GUEST: Mapping[str, Metric] = {**gpu.GUEST, **bmc.GUEST}
HOST: Mapping[str, Metric] = {**gpu.HOST, **bmc.HOST}


def only_bmc(readings: Readings) -> Readings:
    """Return the readings of the rows that only the BMC tells."""
    return Readings(
        {key: value for key, value in readings.gauges.items() if key[0] in bmc.GUEST},
        {key: value for key, value in readings.counters.items() if key[0] in bmc.GUEST},
    )


def gpu_samples(
    name: str, gauges: Mapping[Key, float], counters: Mapping[Key, float], owner: Owner
) -> Iterator[Sample]:
    """Yield the series of a GPU: gauges in base units, counters as counted since its owner's start."""
    family = GUEST if owner.uuid else HOST
    for (key, labels), value in gauges.items():
        yield Sample(family[key], value, (name, *labels), owner.uuid)
    for (key, labels), raw in counters.items():
        scale = SCALES.get(key)
        yield Sample(family[key], raw if scale is None else raw / scale, (name, *labels), owner.uuid)


def observable(name: str, address: str, owner: Owner, *, seen: bool) -> Sample:
    """Return whether the BMC tells of a GPU."""
    family = GUEST if owner.uuid else HOST
    return Sample(family["observable"], float(seen), (name, address, SOURCE), owner.uuid)


def info_sample(joined: Joined) -> Sample:
    """Return what the BMC says that the GPU is, and which one it is on the host."""
    told = joined.gpu
    labels = (
        *(joined.shown_as, joined.name, told.system, joined.address, joined.by.value),
        *(told.model, told.serial, told.uuid, told.firmware),
    )
    return Sample(bmc.GPU_INFO, 1.0, labels)


def bmc_samples(answer: Answer, now: float) -> Iterator[Sample]:
    """Yield what there is to say of the BMC itself."""
    yield Sample(bmc.REDFISH_INFO, 1.0, (answer.product, answer.version))
    for part in answer.parts:
        yield Sample(bmc.REDFISH_AGE, now - part.asked_at, (part.name,))
