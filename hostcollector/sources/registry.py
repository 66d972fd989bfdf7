"""All sources: their names, defaults and how each is made. A new source is one entry here and one file.

Modules are imported when their source is made, so that a missing library costs its own source only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hostcollector.config import Settings
from hostcollector.errors import SourceUnavailableError
from hostcollector.event_counts import EventCounts
from hostcollector.libvirt_link import Link
from hostcollector.qemu_processes import QemuProcesses
from hostcollector.sources.base import Reading, Request, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """What sources are made from: the settings and the few things that several of them share."""

    settings: Settings
    link: Link
    counts: EventCounts
    processes: QemuProcesses


Make = Callable[[Ingredients], Source]


@dataclass(frozen=True, slots=True)
class Entry:
    """One source: its name in flags and labels, what it reads, how it is made, whether it is on by default."""

    name: str
    help: str
    make: Make
    default_on: bool = True


class MissingSource:
    """Stands in for a source whose library is not installed, and says so in every report."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def read(self, request: Request) -> Reading:
        """Raise `SourceUnavailableError` with the name of the library."""
        raise SourceUnavailableError(f"{self._why}; install it into the collector's environment")

    def close(self) -> None:
        """Nothing is held open."""


def _definition(_: Ingredients) -> Source:
    from hostcollector.sources.definition import Definition

    return Definition()


def _events(ingredients: Ingredients) -> Source:
    from hostcollector.sources.events import Events

    return Events(ingredients.counts)


def _libvirt_state(ingredients: Ingredients) -> Source:
    from hostcollector.sources.libvirt_state import LibvirtState

    return LibvirtState(ingredients.link)


def _libvirt_monitor(ingredients: Ingredients) -> Source:
    from hostcollector.sources.libvirt_monitor import LibvirtMonitor

    return LibvirtMonitor(ingredients.link, kvm_extras=ingredients.settings.libvirt.kvm_extras)


def _procfs(ingredients: Ingredients) -> Source:
    from hostcollector.sources.procfs import Procfs

    return Procfs(ingredients.processes)


def _cgroup(ingredients: Ingredients) -> Source:
    from hostcollector.sources.cgroup import Cgroup

    return Cgroup(ingredients.processes)


def _netlink(_: Ingredients) -> Source:
    from hostcollector.sources.netlink import Netlink

    return Netlink()


def _host(_: Ingredients) -> Source:
    from hostcollector.sources.host import Host

    return Host()


def _process(_: Ingredients) -> Source:
    from hostcollector.sources.process import Process

    return Process()


ENTRIES = (
    Entry("definition", "sizes, limits and descriptions from the guests' definitions", _definition),
    Entry("events", "libvirt's events per guest", _events),
    Entry("libvirt_state", "guests' states, in one call that needs no monitor", _libvirt_state),
    Entry(
        "libvirt_monitor",
        "disk and balloon statistics and background jobs, from the monitors",
        _libvirt_monitor,
    ),
    Entry("procfs", "vCPU run time and run delay, threads and memory of the QEMU processes", _procfs),
    Entry("cgroup", "CPU throttling, memory and pressure of the guests' control groups", _cgroup),
    Entry("netlink", "traffic of the guests' taps, from the guests' point of view", _netlink),
    Entry("host", "the hypervisor's processors, memory and huge pages", _host),
    Entry("process", "the collector's own cost", _process),
)
BY_NAME: Mapping[str, Entry] = {entry.name: entry for entry in ENTRIES}


def make_sources(ingredients: Ingredients) -> list[Source]:
    """Return the sources that the settings switch on, in the registry's order."""
    enabled = ingredients.settings.source_enabled
    return [_made(entry, ingredients) for entry in ENTRIES if enabled(entry.name, default=entry.default_on)]


def _made(entry: Entry, ingredients: Ingredients) -> Source:
    try:
        return entry.make(ingredients)
    except ImportError as error:
        return MissingSource(entry.name, f"the library {error.name or error} is not installed")
