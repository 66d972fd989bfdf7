"""How each source is made. A new source is one file, its line in `sources.NAMES`, and one maker here.

Modules are imported when their source is made, so that a missing library costs its own source only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.stopwatch import Stage
from hostcollector.config.settings import Settings
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.devices.gpu_map import GpuMap
from hostcollector.devices.logical_ports import OvnPorts
from hostcollector.devices.partitions import Partitions
from hostcollector.devices.pci import has_nvidia_device
from hostcollector.devices.switch import LocalSwitch
from hostcollector.guests.ends import Ends
from hostcollector.guests.inventory import EventCounts
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.protocols.ufm import UfmClient
from hostcollector.sources import NAMES
from hostcollector.sources.libvirt_monitor import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What sources are made from: the settings, and the parts that several sources share."""

    settings: Settings
    workers: Workers
    monitors: Memory
    """What the last readings of the guests' monitors showed."""
    counts: EventCounts
    ends: Ends
    oom_kills: OomKills
    report_unknown_guest: Callable[[str], None]
    """Called with the UUID of a guest that libvirt has and the inventory has not yet."""
    processes: QemuProcesses
    switch: LocalSwitch
    ovn: OvnPorts | None
    """None if no southbound database is configured."""
    ufm: UfmClient | None
    """None if no UFM is configured."""
    baselines: Baselines
    stage: Stage
    identities: GpuIdentities
    gpu_map: FollowedFile[GpuMap] | None
    """None if no map of GPUs is configured."""


Make = Callable[[Ingredients], Source]


class MissingSource(Source):
    """Replaces a source whose library is not installed; each report names the library."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - as the protocol names it
        """Raise `SourceUnavailableError` with the name of the library."""
        raise SourceUnavailableError(f"{self._why}; install it into the collector's environment")


class IdleSource(Source):
    """Replaces a source that is switched off, or has nothing to read here: its library is not loaded."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - as the protocol names it
        """Return nothing but the reason."""
        return Reading(samples=(), off=self._why)


def _definition(_: Ingredients) -> Source:
    from hostcollector.sources.definition import Definition

    return Definition()


def _events(ingredients: Ingredients) -> Source:
    from hostcollector.sources.events import Events

    return Events(
        ingredients.counts, ingredients.ends, ingredients.processes, ingredients.settings.collection
    )


def _libvirt_state(ingredients: Ingredients) -> Source:
    from hostcollector.sources.libvirt_state import LibvirtState

    return LibvirtState(ingredients.workers, ingredients.report_unknown_guest)


def _libvirt_monitor(ingredients: Ingredients) -> Source:
    from hostcollector.sources.libvirt_monitor import LibvirtMonitor

    extras = ingredients.settings.libvirt.kvm_extras
    return LibvirtMonitor(
        ingredients.monitors, ingredients.processes, kvm_extras=extras, stage=ingredients.stage
    )


def _procfs(ingredients: Ingredients) -> Source:
    from hostcollector.sources.procfs import Procfs

    return Procfs(ingredients.processes)


def _cgroup(ingredients: Ingredients) -> Source:
    from hostcollector.sources.cgroup import Cgroup

    return Cgroup(ingredients.processes, ingredients.oom_kills)


def _netlink(ingredients: Ingredients) -> Source:
    from hostcollector.sources.netlink import Netlink

    return Netlink(macs_are_set="session" not in ingredients.settings.libvirt.uri)


def _sriov(ingredients: Ingredients) -> Source:
    from hostcollector.sources.sriov import Sriov

    settings = ingredients.settings
    partitions = Partitions(settings.infiniband.partitions, ingredients.ufm)
    return Sriov(
        Path(settings.paths.root),
        ingredients.baselines,
        partitions=partitions,
        processes=ingredients.processes,
    )


def _vfio(ingredients: Ingredients) -> Source:
    from hostcollector.sources.vfio import Vfio

    return Vfio(Path(ingredients.settings.paths.root), ingredients.baselines, ingredients.processes)


def _nvml(ingredients: Ingredients) -> Source:
    root = Path(ingredients.settings.paths.root)
    if not has_nvidia_device(root):
        return IdleSource(
            "nvml", "no NVIDIA device in this host when the collector started: NVML is not loaded"
        )
    from hostcollector.sources.nvml import Nvml

    return Nvml(root, ingredients.baselines, ingredients.identities, processes=ingredients.processes)


def _redfish(ingredients: Ingredients) -> Source:
    from hostcollector.protocols.redfish.client import RedfishClient
    from hostcollector.sources.redfish import Redfish

    settings = ingredients.settings
    return Redfish(
        Path(settings.paths.root),
        RedfishClient(settings.redfish) if settings.redfish.url else None,
        ingredients.baselines,
        ingredients.identities,
        mapped=ingredients.gpu_map,
        nvml=settings.source_enabled("nvml", default=True),
        processes=ingredients.processes,
    )


def _uplinks(ingredients: Ingredients) -> Source:
    from hostcollector.sources.uplinks import Uplinks

    return Uplinks(Path(ingredients.settings.paths.root))


def _infiniband(ingredients: Ingredients) -> Source:
    from hostcollector.sources.infiniband import Infiniband

    return Infiniband(Path(ingredients.settings.paths.root))


def _ovs(ingredients: Ingredients) -> Source:
    from hostcollector.sources.ovs import OpenVswitch

    return OpenVswitch(ingredients.switch, Path(ingredients.settings.paths.root))


def _ovn(ingredients: Ingredients) -> Source:
    from hostcollector.sources.ovn import Ovn

    return Ovn(ingredients.ovn, ingredients.switch)


def _ndfc(ingredients: Ingredients) -> Source:
    from hostcollector.protocols.ndfc.client import NdfcClient
    from hostcollector.sources.ndfc import Ndfc

    settings = ingredients.settings.ndfc
    return Ndfc(NdfcClient(settings) if settings.url else None)


def _ufm(ingredients: Ingredients) -> Source:
    from hostcollector.sources.ufm import Ufm

    return Ufm(ingredients.ufm)


def _host(ingredients: Ingredients) -> Source:
    from hostcollector.sources.host import Host

    return Host(Path(ingredients.settings.paths.root))


def _process(_: Ingredients) -> Source:
    from hostcollector.sources.process import Process

    return Process()


MAKERS: Mapping[str, Make] = {
    "definition": _definition,
    "events": _events,
    "libvirt_state": _libvirt_state,
    "libvirt_monitor": _libvirt_monitor,
    "procfs": _procfs,
    "cgroup": _cgroup,
    "netlink": _netlink,
    "ovs": _ovs,
    "ovn": _ovn,
    "sriov": _sriov,
    "vfio": _vfio,
    "nvml": _nvml,
    "redfish": _redfish,
    "uplinks": _uplinks,
    "infiniband": _infiniband,
    "ndfc": _ndfc,
    "ufm": _ufm,
    "host": _host,
    "process": _process,
}


def make_sources(ingredients: Ingredients) -> list[Source]:
    """Return all sources, in the order of `NAMES`; those that the settings switch off are idle."""
    enabled = ingredients.settings.source_enabled
    return [
        _made(source.name, ingredients)
        if enabled(source.name, default=source.default_on)
        else IdleSource(source.name, f"switched off: sources.{source.name} or --no-collector.{source.name}")
        for source in NAMES
    ]


def _made(name: str, ingredients: Ingredients) -> Source:
    try:
        return MAKERS[name](ingredients)
    except ImportError as error:
        return MissingSource(name, f"the library {error.name or error} is not installed")
