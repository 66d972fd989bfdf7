"""The board that answers: a guest is slow, and which other guest of its hypervisor is in its way."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, Table, Target, graph
from dashboards.src.queries import NAMES, SERVER, highest, named, rate
from dashboards.src.variables import Scope

_OTHERS = 'HOST, uuid!~"$guest"'
_KEY = "by (job, instance, tenant, domain, uuid)"
_DELAY = rate("libvirt_domain_vcpu_delay_seconds_total", "VICTIM")
# The number of a CPU as a label: of each vCPU of others, and of the guest's vCPUs that wait.
# `without ()` keeps all labels; `by` loses some of them over a range (a fault of Prometheus 2.42's `count_values`).
_ON_A_CPU = f'count_values without () ("cpu", libvirt_domain_vcpu_cpu{{{_OTHERS}}})'
_WAITED_FOR = (
    f'count_values ("cpu", libvirt_domain_vcpu_cpu{{VICTIM}} and on (job, instance, uuid, vcpu) {_DELAY} > 0)'
)
_SHARED = f"({_ON_A_CPU} and on (cpu) {_WAITED_FOR})"
# In steps of the table's interval, a sixtieth of the range: a step of a minute would find nothing in a shorter range,
# and read the vCPUs ten thousand times in a week.
_MINUTES_MET = f"sum_over_time((count {_KEY} ({_SHARED}))[$__range:$__interval]) * $__interval_ms / 60000"


def _others(expr: str) -> str:
    """Return the twenty highest of the other guests, with their names."""
    return named(highest(20, expr), "HOST")


def _beside(info: str, on: str) -> str:
    """Return the disks or interfaces of other guests that share what the label says with the guest."""
    return f"({info}{{{_OTHERS}}} and on ({on}) {info}{{VICTIM}})"


_CPU = Row(
    title="CPU",
    panels=(
        graph(
            "Run delay of the guest",
            "Time that each vCPU of the guest waits for a CPU (steal). Bad: above 10 %; the panels beside it show for whom.",
            Query(_DELAY, "vCPU {{vcpu}}"),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
        ),
        graph(
            "Others on the CPUs that the guest waited for",
            "CPU time of the vCPUs of others that ran last on a CPU of a waiting vCPU. Bad: one guest far above the others.",
            Query(
                _others(
                    "sum without (vcpu) ("
                    f"{rate('libvirt_domain_vcpu_time_seconds_total', _OTHERS)}"
                    f" and on (job, instance, uuid, vcpu) {_SHARED})"
                ),
                SERVER,
            ),
            stacked=True,
            empty="no other guest, or the guest does not wait",
            leads_to=Target.GUEST,
        ),
        Table(
            title="Who was met",
            description="Minutes of the range in which each vCPU of another guest was on a CPU that a vCPU of this one waited"
            " for, and CPU time and preemptions of the other. Bad: many minutes and much CPU.",
            columns=(
                Column("Server", "server", leads_to=(Target.GUEST, Target.NEIGHBOURS)),
                Column("Project", "project"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Flavour", "flavor"),
                Column("Guest", "domain", hidden=True),
                Column("UUID", "uuid", hidden=True),
                Column("Hypervisor", "instance", hidden=True),
                Column(
                    "Is",
                    expr=f"max by (job, instance, tenant, domain, uuid, server, project, flavor) ({NAMES}{{{_OTHERS}}})",
                    hidden=True,
                ),
                Column("Minutes met", expr=_MINUTES_MET),
                Column(
                    "CPU",
                    expr=f"sum {_KEY} (rate(libvirt_domain_info_cpu_time_seconds_total{{{_OTHERS}}}[$__range]))",
                ),
                Column(
                    "Preemptions",
                    expr=f"sum {_KEY} (rate(libvirt_domain_vcpu_context_switches_total"
                    f'{{{_OTHERS}, type="involuntary"}}[$__range]))',
                    unit="ops",
                ),
                Column("vCPUs", expr=f"max {_KEY} (libvirt_domain_info_virtual_cpus{{{_OTHERS}}})"),
            ),
            sort="Minutes met",
            empty="no other guest on this hypervisor",
        ),
        graph(
            "CPUs of the guest's vCPUs",
            "The physical CPU on which each vCPU ran last. Bad: vCPUs that wander over NUMA nodes, or two on one CPU.",
            Query("libvirt_domain_vcpu_cpu{VICTIM}", "vCPU {{vcpu}}"),
            unit="none",
        ),
        graph(
            "The host's CPUs by mode",
            "CPUs in use by mode; guest time is part of user. Bad: idle near 0, or softirq and iowait that grow.",
            Query(
                "sum by (instance, mode) (rate(hostcollector_host_cpu_seconds_total{HOST}[$__rate_interval]))",
                "{{mode}}",
            ),
        ),
        graph(
            "QEMU's own threads of others",
            "CPU time of emulators of other guests: they serve disks and networks on CPUs that no vCPU shows. Bad: above 1.",
            Query(_others(rate("libvirt_domain_emulator_cpu_seconds_total", _OTHERS)), SERVER),
            leads_to=Target.GUEST,
        ),
        graph(
            "Waiting for CPU by guest (pressure)",
            "Share of time in which a task of a guest waited for a CPU. Bad: the guest alone, or all of them.",
            Query(
                named(highest(20, rate("libvirt_domain_pressure_cpu_waiting_seconds_total", "HOST")), "HOST"),
                SERVER,
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.3,
            empty="the kernel reports no pressure (boot it with psi=1)",
            leads_to=Target.GUEST,
        ),
    ),
)

_STORAGE = _beside("target_device:libvirt_domain_block_storage:info", "job, instance, storage")
_UPLINK = _beside("libvirt_domain_uplink_info", "job, instance, uplink")


def _disks(metric: str) -> str:
    counter = f"libvirt_domain_block_stats_{metric}_total"
    return _others(
        f"sum without (target_device) ({rate(counter, _OTHERS)}"
        f" and on (job, instance, uuid, target_device) {_STORAGE})"
    )


def _interfaces(direction: str) -> str:
    counter = f"libvirt_domain_interface_stats_{direction}_bytes_total"
    return _others(
        f"8 * sum without (target_device) ({rate(counter, _OTHERS)}"
        f" and on (job, instance, uuid, target_device) {_UPLINK})"
    )


_LATENCY = "target_device:libvirt_domain_block_latency_seconds:mean5m"
_REST = Row(
    title="Disks and network",
    panels=(
        graph(
            "Disk latency of the guest",
            "Mean time of a request. Bad: above 100 ms.",
            Query(f"{_LATENCY}{{VICTIM}}", "{{target_device}} {{operation}}"),
            unit="s",
            warn=0.02,
            bad=0.1,
            empty="no requests",
        ),
        graph(
            "Others on the same storage",
            "Data that others read (up) and write (down) on a storage of the guest. Bad: one guest far above the others.",
            Query(_disks("read_bytes"), f"{SERVER} read"),
            Query(_disks("write_bytes"), f"{SERVER} written", below=True),
            unit="Bps",
            empty="no other guest on its storage",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets of the guest",
            "Packets to (up) and from (down) the guest. Bad: a rate that stays.",
            Query(
                rate("libvirt_domain_interface_stats_receive_drops_total", "VICTIM"),
                "{{target_device}} to it",
            ),
            Query(
                rate("libvirt_domain_interface_stats_transmit_drops_total", "VICTIM"),
                "{{target_device}} from it",
                below=True,
            ),
            unit="pps",
            warn=1,
            bad=10,
            empty="no tap",
        ),
        graph(
            "Others on the same uplink",
            "Data that others receive (up) and send (down) over an uplink of the guest. Bad: one that fills it.",
            Query(_interfaces("receive"), f"{SERVER} received"),
            Query(_interfaces("transmit"), f"{SERVER} sent", below=True),
            unit="bps",
            empty="no other guest on its uplinks",
            leads_to=Target.GUEST,
        ),
    ),
)

BOARD = Board(
    name="neighbours",
    title="Noisy neighbours",
    description="A guest is slow: who ran on the CPUs that it waited for, and who shares its storage and uplinks?",
    scope=Scope.VICTIM,
    rows=(_CPU, _REST),
)
