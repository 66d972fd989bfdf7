"""What goes wrong for many at one time: each storm with what its pages look like, and its cause."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.simulator.fleet import SimulatedFleet
from tests.bench.simulator.host import CALM, Effect, SimulatedHost

# Requests take seconds, and the guests' processes wait for the disk.
SLOW = Effect(
    rates={
        "libvirt_domain_block_stats_read_time_seconds_total": 8.0,
        "libvirt_domain_block_stats_write_time_seconds_total": 8.0,
        "libvirt_domain_pressure_io_waiting_seconds_total": 0.95,
        "libvirt_domain_pressure_io_stalled_seconds_total": 0.9,
    }
)
# What is known from QEMU's monitors alone.
_OF_MONITORS = (
    "libvirt_domain_block_stats_read",
    "libvirt_domain_block_stats_write",
    "libvirt_domain_block_stats_flush",
    "libvirt_domain_block_stats_allocation",
    "libvirt_domain_memory_stats_available",
    "libvirt_domain_memory_stats_unused",
    "libvirt_domain_memory_stats_usable",
)
# QEMU's monitor waits as well, so that what only the monitor knows is not on the page.
BLOCKED = Effect(
    values={
        "libvirt_domain_monitor_blocked_seconds": 45.0,
        "libvirt_domain_timed_out": 1.0,
        "libvirt_domain_stats_partial": 1.0,
    },
    missing=_OF_MONITORS,
)
_LIBVIRT = ("libvirt_state", "libvirt_monitor", "events", "definition")
# What needs libvirt is not on the page; the kernel's figures are.
WITHOUT_LIBVIRT = Effect(
    values={"libvirt_up": 0.0, **{f'hostcollector_source_up{{source="{source}"': 0.0 for source in _LIBVIRT}},
    missing=(
        *_OF_MONITORS,
        "libvirt_versions_info",
        "libvirt_domain_monitor_",
        "libvirt_domain_job_info",
        "libvirt_domain_info_state",
        "libvirt_domain_state_reason",
    ),
)
WITHOUT_TENANTS = Effect(
    missing=("libvirt_domain_tenant_info", "libvirt_domain_openstack_info", "libvirt_domain_info_meta"),
    tenants=False,
)

Step = Callable[[SimulatedFleet], None]


@dataclass(frozen=True, slots=True)
class Storm:
    """A storm: steps of so many minutes each, and the alerts that name its cause: the first has one."""

    name: str
    steps: Sequence[Step]
    minutes: float
    causes: frozenset[str]


def _have(effect: Effect, hosts: Callable[[SimulatedFleet], Sequence[SimulatedHost]]) -> Step:
    """Return the step in which these hosts have the effect, and no other host has."""

    def step(fleet: SimulatedFleet) -> None:
        for host in fleet.hosts:
            host.effect = CALM
        for host in hosts(fleet):
            host.effect = effect

    return step


def _stall(fleet: SimulatedFleet) -> None:
    """Let one pool answer late on every second host that uses it, and not at all on the others."""
    for number, host in enumerate(fleet.pool(0)):
        host.effect = BLOCKED if number % 2 else SLOW


def _without_power(fleet: SimulatedFleet) -> None:
    for host in fleet.rack(0):
        host.answers = False


def _wave(number: int) -> Step:
    return _have(WITHOUT_LIBVIRT, lambda fleet: fleet.rack(number))


def calm(fleet: SimulatedFleet) -> None:
    """End every storm."""
    for host in fleet.hosts:
        host.effect, host.answers = CALM, True


STALL = Storm(
    "a storage stalls for a tenth of the hosts",
    [_stall],
    15,
    frozenset({"StorageStalled"}),
)
RACK_WITHOUT_POWER = Storm("a rack is without power", [_without_power], 15, frozenset({"RackHostsDown"}))
TENANTS_UNKNOWN = Storm(
    "the tenants are unknown",
    [_have(WITHOUT_TENANTS, lambda fleet: fleet.hosts)],
    30,
    frozenset({"FleetGuestsUnassigned"}),
)
UPGRADE = Storm(
    "libvirt is upgraded in waves", [_wave(0), _wave(1), _wave(2)], 6, frozenset({"FleetLibvirtDown"})
)
STORMS = (STALL, RACK_WITHOUT_POWER, TENANTS_UNKNOWN, UPGRADE)
