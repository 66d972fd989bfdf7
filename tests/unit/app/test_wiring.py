"""The parts as they are put together for the daemon and for a command beside it."""

from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.app.daemon import Collection, Daemon
from hostcollector.app.wiring import Hypervisor, qemu_names
from hostcollector.base.definition import Domain, MetadataElement
from hostcollector.config.settings import Configuration, PathSettings, Settings
from hostcollector.config.tenancy import ResolverName, TenancySettings, TenantsSettings
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.outputs.tenant_page import PATH
from hostcollector.protocols.libvirt.budget import CALLS_BY_HAND, POOLED_CALLS
from hostcollector.protocols.libvirt.events import DomainEvent
from tests.fakes.procfs import BOOT_TIME, Procfs


@pytest.mark.parametrize("by_hand", [False, True])
def test_only_the_daemon_writes_what_is_kept(tmp_path: Path, *, by_hand: bool) -> None:
    """A collection by hand sees the same record and leaves the state directory as it is."""
    state = tmp_path / "state"
    parts = Hypervisor.of(Settings(paths=PathSettings(state_directory=str(state))), by_hand=by_hand)
    assert parts.baselines.relative("vf/1", "a", {"rx": 5}) == {"rx": 0}
    parts.identities.learn("0000:1b:00.0", "1", "GPU-1")
    parts.baselines.flush()
    parts.identities.flush()
    assert state.exists() is not by_hand


@pytest.mark.parametrize("page", [False, True])
def test_the_tenant_page_is_served_if_it_is_switched_on(tmp_path: Path, *, page: bool) -> None:
    """By default no client of the network reads it; commands by hand always do."""
    settings = Settings(paths=PathSettings(state_directory=str(tmp_path)), tenants=TenantsSettings(page=page))
    assert Settings().tenants.page is False
    hypervisor = Hypervisor.of(settings)
    collection = Collection(hypervisor, hypervisor.collector(settings))
    configuration = Configuration(settings=settings)
    daemon = Daemon(lambda: configuration, configuration)
    assert (PATH in daemon._site(collection).paths) is page
    assert PATH in daemon._local_site(collection).paths
    collection.collector.close()
    hypervisor.close()


def test_tenants_stay_over_a_reload_by_the_same_rules(tmp_path: Path) -> None:
    """Other rules decide anew: a guest that none of them knows is then unassigned."""
    settings = Settings(paths=PathSettings(state_directory=str(tmp_path)))
    hypervisor = Hypervisor.of(settings)
    xml = '<tenant xmlns="urn:hostcollector:domain:1" id="acme"/>'
    mark = MetadataElement(namespace="urn:hostcollector:domain:1", name="tenant", xml=xml)
    guest = Domain(uuid="one", name="web", metadata=(mark,))
    collectors = []
    tenants = []
    for rules, domain in (
        (TenancySettings(), guest),
        (TenancySettings(), replace(guest, metadata=())),
        (TenancySettings(resolvers=(ResolverName.NOVA,)), replace(guest, metadata=())),
    ):
        collectors.append(hypervisor.collector(replace(settings, tenancy=rules)))
        tenants.append(hypervisor.last_tenancy[0][1].guests({"one": domain})["one"].tenant.id)
    assert tenants == ["acme", "acme", ""]
    for collector in collectors:
        collector.close()
    hypervisor.close()


def test_jobs_under_way_are_forgotten_when_events_are_lost(tmp_path: Path) -> None:
    """The inventory notices the loss, and the history of jobs must not count what it cannot know."""
    hypervisor = Hypervisor.of(Settings(paths=PathSettings(state_directory=str(tmp_path))))
    jobs = hypervisor.monitors.jobs
    jobs.take(DomainEvent(uuid="one", name="web", event="migration_iteration", job={"memory_iteration": 1}))
    assert jobs.begun() == {"one"}
    hypervisor.inventory._lose_events()
    assert jobs.begun() == frozenset()
    hypervisor.close()


@pytest.mark.parametrize(("by_hand", "most"), [(True, CALLS_BY_HAND), (False, POOLED_CALLS)])
def test_a_collection_by_hand_leaves_libvirts_workers_alone(
    tmp_path: Path, *, by_hand: bool, most: int
) -> None:
    """However many guests hang, and whatever the daemon beside it has stuck already."""
    paths = PathSettings(state_directory=str(tmp_path))
    workers = Hypervisor.of(Settings(paths=paths), by_hand=by_hand).workers
    taken = [pool.take() for pool in (workers.monitors, workers.states) for _ in range(20)]
    assert sum(worker is not None for worker in taken) == most
    workers.close()


def test_a_qemu_has_one_name_over_steps_of_the_clock_and_restarts(tmp_path: Path) -> None:
    """By the boot, its PID and its ticks; a start time of no process, or a hidden boot, has none."""
    tree = Procfs(tmp_path)
    tree.write("proc/sys/kernel/random/boot_id", "b00t\n")
    names = []
    for boot_time in (BOOT_TIME, BOOT_TIME + 3600):
        tree.write("proc/stat", f"btime {boot_time}\n")
        processes = QemuProcesses(tmp_path)
        process = QemuProcess(uuid="one", pid=100, start_ticks=500)
        processes.start_times.begin([process])
        started = processes.start_times.of(process)
        assert started is not None
        names.append(qemu_names(processes, tmp_path)("one", started))
        assert qemu_names(processes, tmp_path)("one", started + 1) == ""
        assert qemu_names(processes, tmp_path / "hidden")("one", started) == ""
    assert names == ["b00t 100 500"] * 2
