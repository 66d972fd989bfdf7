"""The board that answers: is this tenant well served; if not, is one of its guests or a neighbour the reason."""

from dashboards.src.alerts import firing
from dashboards.src.board import Board
from dashboards.src.ends import incidents, last_ended
from dashboards.src.panels import Column, Query, Row, Table, Target, Top, graph, number
from dashboards.src.queries import NAMES, SERVER, named, rate
from dashboards.src.variables import Scope

_SIZE = Row(
    title="Allocation",
    panels=(
        number(
            "Guests", "Active guests.", "count(count by (uuid) (libvirt_domain_info_virtual_cpus{TENANT}))"
        ),
        number(
            "vCPUs",
            "vCPUs of the active guests.",
            "sum(max by (uuid) (libvirt_domain_info_virtual_cpus{TENANT}))",
        ),
        number(
            "Memory",
            "Memory that the active guests may use.",
            "sum(max by (uuid) (libvirt_domain_info_maximum_memory_bytes{TENANT}))",
            unit="bytes",
        ),
        number(
            "GPUs",
            "GPUs and vGPUs of its guests.",
            "count(libvirt_domain_gpu_info{TENANT})",
            empty="none",
        ),
        number(
            "Guests with blocked monitor",
            "Guests whose QEMU has not answered its monitor for 10 seconds. Bad: any; they may hang.",
            "count(libvirt_domain_monitor_blocked_seconds{TENANT} > 10) or vector(0)",
            bad=1,
        ),
        number(
            "Paused or crashed guests",
            "Paused and crashed guests. Bad: any that the tenant did not pause.",
            "count(libvirt_domain_info_vstate{TENANT} == 3 or libvirt_domain_info_vstate{TENANT} == 6) or vector(0)",
            warn=1,
        ),
    ),
)
_ALERTS = Row(title="Alerts", panels=(firing('tenant=~"$tenant"', "for guests of this tenant"),))

_DELAY = "uuid:libvirt_domain_vcpu_delay_seconds:max_rate5m"
_BUSY = "uuid:libvirt_domain_vcpu_time_seconds:rate5m"
_GUEST = "tenant, domain, uuid, instance"
_GUESTS = Row(
    title="Guests",
    panels=(
        Table(
            title="Guests",
            description="One line each; click the name for its own board. Red is bad: the guest waits for a CPU, or does not"
            " answer.",
            columns=(
                Column("Server", "server", leads_to=Target.GUEST),
                Column("Guest", "domain"),
                Column("Flavour", "flavor"),
                Column("Project", "project"),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Tenant", "tenant", hidden=True),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Is", expr=f"max by ({_GUEST}, server, flavor, project) ({NAMES}{{TENANT}})", hidden=True
                ),
                Column("vCPUs", expr=f"max by ({_GUEST}) (libvirt_domain_info_virtual_cpus{{TENANT}})"),
                Column("vCPUs busy", expr=f"max by ({_GUEST}) ({_BUSY}{{TENANT}})"),
                Column(
                    "Worst run delay",
                    expr=f"max by ({_GUEST}) ({_DELAY}{{TENANT}})",
                    unit="percentunit",
                    warn=0.05,
                    bad=0.1,
                ),
                Column(
                    "Guest memory used",
                    expr=f"max by ({_GUEST}) (libvirt_domain_memory_stats_used_percent{{TENANT}})",
                    unit="percent",
                    warn=90,
                    bad=97,
                ),
                Column(
                    "Monitor blocked",
                    expr=f"max by ({_GUEST}) (libvirt_domain_monitor_blocked_seconds{{TENANT}})",
                    unit="s",
                    warn=1,
                    bad=10,
                ),
            ),
            sort="Worst run delay",
        ),
    ),
)
_ENDS = Row(
    title="Ended guests and incidents",
    panels=(incidents("TENANT"), last_ended("TENANT")),
    folded=True,
)


def _top(name: str, expr: str) -> Top:
    """Return the choice of twenty guests."""
    return Top(name, "uuid", f"topk(20, sum by (uuid) ({expr}))")


def _of(top: str) -> str:
    return f'TENANT, uuid=~"$top_{top}"'


def _guests(top: str, expr: str) -> str:
    """Return the query, in which `@` is the place, of the chosen guests with their names."""
    return named(expr.replace("@", _of(top)), _of(top))


_READ, _WRITTEN = (
    "libvirt_domain_block_stats_read_bytes_total",
    "libvirt_domain_block_stats_write_bytes_total",
)
_RECEIVED = "libvirt_domain_interface_stats_receive_bytes_total"
_SENT = "libvirt_domain_interface_stats_transmit_bytes_total"
_DISKS = _top("disk", "target_device:libvirt_domain_block_bytes:rate5m{TENANT}")
_NICS = _top("network", f"rate({_RECEIVED}{{TENANT}}[5m]) + rate({_SENT}{{TENANT}}[5m])")
_USE = Row(
    title="Use: the twenty guests that use most now",
    panels=(
        graph(
            "vCPUs busy",
            "vCPUs that each guest uses. Bad: all of its vCPUs for long; the guest is too small.",
            Query(
                _guests("cpu", f"sum without (vcpu) ({rate('libvirt_domain_vcpu_time_seconds_total', '@')})"),
                SERVER,
            ),
            stacked=True,
            leads_to=Target.GUEST,
            top=_top("cpu", f"{_BUSY}{{TENANT}}"),
        ),
        graph(
            "Guest memory used",
            "Share of its memory that each guest uses. Bad: above 97 % it swaps or kills programs.",
            Query(_guests("memory", "libvirt_domain_memory_stats_used_percent{@}"), SERVER),
            unit="percent",
            warn=90,
            bad=97,
            maximum=100,
            empty="no guest's balloon driver reports",
            leads_to=Target.GUEST,
            top=_top("memory", "libvirt_domain_memory_stats_used_percent{TENANT}"),
        ),
        graph(
            "Disk data",
            "Data that its guests read (up) and write (down).",
            Query(_guests("disk", f"sum without (target_device) ({rate(_READ, '@')})"), f"{SERVER} read"),
            Query(
                _guests("disk", f"sum without (target_device) ({rate(_WRITTEN, '@')})"),
                f"{SERVER} written",
                below=True,
            ),
            unit="Bps",
            leads_to=Target.GUEST,
            top=_DISKS,
        ),
        graph(
            "Network data",
            "Data that its guests receive (up) and send (down) over taps.",
            Query(
                _guests("network", f"8 * sum without (target_device) ({rate(_RECEIVED, '@')})"),
                f"{SERVER} received",
            ),
            Query(
                _guests("network", f"8 * sum without (target_device) ({rate(_SENT, '@')})"),
                f"{SERVER} sent",
                below=True,
            ),
            unit="bps",
            leads_to=Target.GUEST,
            top=_NICS,
        ),
        graph(
            "GPU use",
            "Utilization of each GPU. Bad: a GPU that idles, or one at 100 % without memory traffic.",
            Query(
                _guests("gpu", 'libvirt_domain_gpu_utilization_ratio{@, engine="gpu"}'),
                f"{SERVER} {{{{gpu}}}}",
            ),
            unit="percentunit",
            maximum=1,
            empty="no source reports the GPU's utilization",
            leads_to=Target.GUEST,
            top=_top("gpu", 'libvirt_domain_gpu_utilization_ratio{TENANT, engine="gpu"}'),
        ),
    ),
)

_THROTTLED = "libvirt_domain_cgroup_cpu_throttled_periods_total"
_PERIODS = "libvirt_domain_cgroup_cpu_periods_total"
_WAITING = "libvirt_domain_pressure_io_waiting_seconds_total"
_LATENCY = "target_device:libvirt_domain_block_latency_seconds:mean5m"
_NEIGHBOURS = Row(
    title="Contention and limits: the twenty guests that wait longest now",
    panels=(
        graph(
            "Run delay",
            "Time that the worst vCPU of each guest waits for a CPU (steal). Bad: above 10 %.",
            Query(_guests("delay", f"{_DELAY}{{@}}"), SERVER),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
            leads_to=Target.NEIGHBOURS,
            top=_top("delay", f"{_DELAY}{{TENANT}}"),
        ),
        graph(
            "Throttled by quota",
            "Share of periods in which a part of a guest ran out of its CPU quota. Bad for the emulator: any.",
            Query(
                _guests("throttled", f"({rate(_THROTTLED, '@')} / ({rate(_PERIODS, '@')} > 0))"),
                f"{SERVER} {{{{group}}}}",
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.25,
            empty="no guest has a CPU quota",
            leads_to=Target.GUEST,
            top=_top("throttled", f"rate({_THROTTLED}{{TENANT}}[5m]) / (rate({_PERIODS}{{TENANT}}[5m]) > 0)"),
        ),
        graph(
            "Disk latency",
            "Mean time of a read or write of each disk. Bad: above 100 ms.",
            Query(
                _guests("latency", f"{_LATENCY}{{@}}"), f"{SERVER} {{{{target_device}}}} {{{{operation}}}}"
            ),
            unit="s",
            warn=0.02,
            bad=0.1,
            leads_to=Target.GUEST,
            top=_top("latency", f"{_LATENCY}{{TENANT}}"),
        ),
        graph(
            "Waiting for I/O",
            "Share of time in which a task of a guest waited for I/O (pressure). Bad: above 20 %.",
            Query(_guests("io", rate(_WAITING, "@")), SERVER),
            unit="percentunit",
            warn=0.05,
            bad=0.2,
            empty="the kernel reports no pressure (boot it with psi=1)",
            leads_to=Target.GUEST,
            top=_top("io", f"rate({_WAITING}{{TENANT}}[5m])"),
        ),
    ),
)

BOARD = Board(
    name="tenant",
    title="Tenant",
    description="A tenant's guests: is the tenant well served; if not, what is the reason?",
    scope=Scope.TENANT,
    rows=(_SIZE, _ALERTS, _GUESTS, _USE, _NEIGHBOURS, _ENDS),
)
