"""Builds the collector's parts from the settings, once, and does nothing else."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hostcollector.app.last_reading import LastReader
from hostcollector.app.makers import Ingredients, make_sources
from hostcollector.app.metering import Metering, boot_id, look_at_clocks
from hostcollector.base.definition import Domain
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions
from hostcollector.base.model import Snapshot, Tenant
from hostcollector.base.stopwatch import Stage, unmeasured
from hostcollector.catalogue.dropped import dropped
from hostcollector.collection.about import About, History, Loaded, Parts
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.availability import Availability
from hostcollector.collection.checks import Checks
from hostcollector.collection.collector import Collector, Guests
from hostcollector.collection.signs import Watch
from hostcollector.config.certificates import Expiries
from hostcollector.config.settings import LibvirtSettings, Settings
from hostcollector.config.tenancy import ResolverName, TenancySettings
from hostcollector.devices import gpu_map
from hostcollector.devices.baselines import Baselines, boot_of
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.devices.logical_ports import OvnPorts
from hostcollector.devices.switch import LocalSwitch
from hostcollector.guests import tenant_map
from hostcollector.guests.ends import Ends
from hostcollector.guests.halts import Halts
from hostcollector.guests.inventory import EventCounts, Inventory
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.presence import Presence
from hostcollector.guests.processes import QemuProcesses
from hostcollector.guests.selection import Selection
from hostcollector.guests.tenancy import (
    Resolver,
    Tenancy,
    from_map,
    from_nova,
    from_ovn,
    from_own_metadata,
    from_xpath,
)
from hostcollector.guests.tenant_map import TenantMap
from hostcollector.outputs.tenant_page.lives import Lives
from hostcollector.outputs.tenant_page.page import TenantPage
from hostcollector.outputs.usage.extraction import identity
from hostcollector.outputs.usage.keeper import Keeper
from hostcollector.outputs.usage.status import Status
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.events import DomainEvent
from hostcollector.protocols.libvirt.pool import Workers
from hostcollector.protocols.ufm import UfmClient
from hostcollector.sources.libvirt_monitor import Memory
from hostcollector.sources.libvirt_monitor.job_history import JobHistory

logger = logging.getLogger("hostcollector")

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """The parts that outlive a reload: all that calls libvirt, the inventory, the events that it counted."""

    workers: Workers
    processes: QemuProcesses
    monitors: Memory
    inventory: Inventory
    counts: EventCounts
    ends: Ends
    oom_kills: OomKills
    baselines: Baselines
    identities: GpuIdentities
    transitions: Transitions
    implausible: Counter[str]
    watch: Watch
    availability: Availability
    history: History
    loaded: Loaded
    expiries: Expiries
    tenant_page: TenantPage
    metering: Metering | None
    map_lanes: dict[str, Lane] = field(default_factory=dict)
    last_tenancy: list[tuple[TenancySettings, Tenancy]] = field(default_factory=list)
    last_selection: list[Selection] = field(default_factory=list)
    started_at: float

    @classmethod
    def of(cls, settings: Settings, *, by_hand: bool = False, stage: Stage = unmeasured) -> "Hypervisor":
        """Build the parts; nothing is opened before `start`.

        `by_hand` is for a command beside a daemon: it reads the daemon's state files and writes none, and
        occupies only a few of libvirtd's workers.
        """
        transitions = Transitions(logger)
        oom_kills = OomKills(Path(settings.paths.root))
        ends = Ends(oom_kills)

        def log_state(why: str | None) -> None:
            ends.libvirt_answers = why is None
            if why is None:
                transitions.succeeded("libvirt")
            else:
                transitions.failed("libvirt", why)

        def tenant_of(domain: Domain) -> Tenant:
            return ends.tenant_of(domain)  # a reload replaces it

        workers = Workers(_link(settings.libvirt), by_hand=by_hand, stage=stage)
        root, state = Path(settings.paths.root), Path(settings.paths.state_directory)
        processes = QemuProcesses(root)
        counts, jobs, presence = EventCounts(), JobHistory(time.monotonic), Presence()

        def take(event: DomainEvent) -> None:
            presence.take(event)
            jobs.take(event)
            if metering is not None:
                metering.happened(event)

        inventory = Inventory(
            workers,
            counts,
            ends=ends,
            listing_interval=settings.libvirt.listing_interval_seconds,
            on_state=log_state,
            running=processes.named,
            on_event=take,
            on_loss=jobs.lose_events,
        )
        metering = None
        if settings.usage.records and not by_hand:
            metering = Metering(
                Keeper(state, look_at_clocks, boot_id(root), transitions),
                LastReader(root, macs_are_set="session" not in settings.libvirt.uri),
                presence,
                lambda: inventory.domains,
                tenant_of,
                lambda: inventory.age is not None,
            )
        return cls(
            workers=workers,
            processes=processes,
            monitors=Memory(workers.monitors, Halts(root), jobs),
            inventory=inventory,
            counts=counts,
            ends=ends,
            oom_kills=oom_kills,
            baselines=Baselines(state, root, writes=not by_hand),
            identities=GpuIdentities(state, writes=not by_hand),
            transitions=transitions,
            implausible=Counter(),
            watch=Watch(),
            availability=Availability(),
            history=History(),
            loaded=Loaded(at=time.time()),
            expiries=Expiries(),
            tenant_page=TenantPage(
                Lives(state, time.time(), qemu_of=qemu_names(processes, root), writes=not by_hand),
                presence,
                lambda: inventory.domains,
                tenant_of,
            ),
            metering=metering,
            started_at=time.time(),
        )

    def start(self) -> None:
        """Begin to keep the inventory."""
        self.inventory.start()

    def close(self) -> None:
        """End the inventory and the connections; does not wait for a libvirt that does not answer."""
        self.inventory.close()
        self.workers.close()
        self.expiries.close()

    def collector(self, settings: Settings, stage: Stage = unmeasured) -> Collector:
        """Build a collector on these parts. Raises `ConfigError` if a map file is wrong."""
        switch = LocalSwitch(settings.ovs)
        ovn = OvnPorts(settings.ovn, switch) if settings.ovn.remote else None
        mapped = ResolverName.MAP in settings.tenancy.resolvers
        tenants = self._followed(settings.tenancy.map_file if mapped else None, tenant_map.read, "tenant map")
        gpus = self._followed(settings.redfish.gpu_map_file, gpu_map.read, "map of GPUs")
        parts = self._parts(settings.libvirt.uri, {"tenants": tenants, "gpus": gpus})
        tenancy = self._tenancy(settings.tenancy, tenants, ovn)
        self.ends.tenant_of = tenancy.tenant_of
        selection = Selection(settings.guests, *self.last_selection)
        self.last_selection[:] = [selection]
        ingredients = Ingredients(
            settings=settings,
            workers=self.workers,
            monitors=self.monitors,
            counts=self.counts,
            ends=self.ends,
            oom_kills=self.oom_kills,
            report_unknown_guest=self.inventory.look_at,
            processes=self.processes,
            switch=switch,
            ovn=ovn,
            ufm=UfmClient(settings.ufm) if settings.ufm.url else None,
            baselines=self.baselines,
            stage=stage,
            identities=self.identities,
            gpu_map=gpus,
        )
        return Collector(
            make_sources(ingredients),
            self._assembler(settings),
            Guests(
                lambda: tenancy.guests(self.inventory.domains),
                lambda: self.inventory.age is not None,
                selection.of,
            ),
            About(parts, self.transitions, self.history),
            budget=settings.collection.budget_seconds,
            maximum_age=settings.collection.maximum_age_seconds,
            stage=stage,
            listener=self._collected,
        )

    def _parts(self, uri: str, maps: Mapping[str, FollowedFile[Any] | None]) -> Parts:
        return Parts(
            workers=self.workers,
            inventory=self.inventory,
            baselines=self.baselines,
            loaded=self.loaded,
            expiries=self.expiries,
            maps=maps,
            tenant_page=self.tenant_page,
            usage=self._usage,
            libvirt_uri=uri,
            started_at=self.started_at,
        )

    def _assembler(self, settings: Settings) -> Assembler:
        silent_seconds = settings.collection.silent_guest_seconds
        return Assembler(
            series_limit=settings.collection.series_limit,
            implausible=self.implausible,
            dropped=dropped(settings.series.switched_off, settings.series.drop),
            checks=Checks(self.watch, self.availability, silent_seconds=silent_seconds),
        )

    def _tenancy(
        self, rules: TenancySettings, tenants: FollowedFile[TenantMap] | None, ovn: OvnPorts | None
    ) -> Tenancy:
        """Build the resolvers; by unchanged rules running guests keep their tenants over a reload."""
        predecessor = next((known for before, known in self.last_tenancy if before == rules), None)
        tenancy = make_tenancy(rules, tenants, ovn, predecessor)
        self.last_tenancy[:] = [(rules, tenancy)]
        return tenancy

    def _usage(self) -> Status | None:
        return None if self.metering is None else self.metering.status

    def _collected(self, snapshot: Snapshot) -> None:
        """Hand a collection to the usage records, with the QEMUs that it found."""
        if self.metering is not None:
            self.metering.take(snapshot, self.processes.last)

    def _followed(
        self, path: str | None, read: Callable[[Path], Content], what: str
    ) -> FollowedFile[Content] | None:
        """Read and follow a map file; None if none is configured. Raises `ConfigError`."""
        if path is None:
            return None
        # One lane for each path, also after a reload: a disk that hangs blocks one thread only.
        lane = self.map_lanes.setdefault(path, Lane(what))
        return FollowedFile(Path(path), read, what, self.transitions, lane=lane)


def qemu_names(processes: QemuProcesses, root: Path) -> Callable[[str, float], str]:
    """Return what names a guest's QEMU by UUID and start time, on all boots of the host; "" if unknown."""
    boot = boot_of(root)

    def name(uuid: str, started: float) -> str:
        process = processes.start_times.process_of(uuid, started)
        return f"{boot} {identity(process)}" if boot and process is not None else ""

    return name


def _link(settings: LibvirtSettings) -> Link:
    return Link(
        settings.uri,
        keepalive_interval=settings.keepalive_interval_seconds,
        keepalive_count=settings.keepalive_count,
    )


def make_tenancy(
    settings: TenancySettings,
    map_file: FollowedFile[TenantMap] | None,
    ovn: OvnPorts | None,
    predecessor: Tenancy | None = None,
) -> Tenancy:
    """Build the resolvers in configured order."""
    known: dict[ResolverName, Resolver | None] = {
        ResolverName.METADATA: from_own_metadata,
        ResolverName.NOVA: from_nova,
        ResolverName.XPATH: from_xpath(settings.xpath),
        ResolverName.MAP: from_map(map_file) if map_file else None,
        ResolverName.OVN: from_ovn(ovn.projects) if ovn else None,
    }
    chosen = (known[name] for name in settings.resolvers)
    changing = [answers for answers in (map_file, ovn) if answers]
    return Tenancy([resolver for resolver in chosen if resolver], *changing, predecessor=predecessor)
