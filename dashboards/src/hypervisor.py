"""Which resource is short on this hypervisor? Use, saturation and errors of each one, side by side."""

from dashboards.src.alerts import firing
from dashboards.src.board import Board
from dashboards.src.hypervisor_events import CHASSIS, ENDS, ERRORS, JOBS
from dashboards.src.panels import Column, Query, Row, Table, Target, graph
from dashboards.src.queries import NAMES, SERVER, highest, named, rate
from dashboards.src.variables import Scope


def _top(expr: str) -> str:
    """Return the twenty highest of the host's guests, with their names."""
    return named(highest(20, expr), "HOST")


_NO_PRESSURE = "the kernel reports no pressure (boot it with psi=1)"
_ALERTS = Row(title="Alerts", panels=(firing('instance=~"$instance"', "on this hypervisor and its guests"),))

_CPU = Row(
    title="CPU",
    panels=(
        graph(
            "Use: CPU by guest",
            "CPUs that each guest uses, QEMU's own threads included. Bad: a sum near the host's CPUs.",
            Query(
                _top(rate("libvirt_domain_info_cpu_time_seconds_total", "HOST")),
                SERVER,
            ),
            Query("sum by (instance) (hostcollector_host_cpus_online{HOST})", "CPUs of {{instance}}"),
            leads_to=Target.GUEST,
        ),
        graph(
            "Saturation: run delay by guest",
            "Time that the worst vCPU of each guest waits for a CPU (steal). Bad: above 10 %.",
            Query(
                _top(f"max without (vcpu) ({rate('libvirt_domain_vcpu_delay_seconds_total', 'HOST')})"),
                SERVER,
            ),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
            leads_to=Target.GUEST,
        ),
        graph(
            "Use: CPU time of the host by mode",
            "CPUs in use by mode; guest time is part of user. Bad: iowait or softirq that grows; idle near 0.",
            Query(
                "sum by (instance, mode) (rate(hostcollector_host_cpu_seconds_total{HOST}[$__rate_interval]))",
                "{{mode}} {{instance}}",
            ),
        ),
        graph(
            "Saturation: pressure on the host",
            "Share of time in which some task of the host waited for CPU, memory or I/O, or all of them at one time."
            " Bad: all tasks at one time; memory above 10 %.",
            Query(
                rate("hostcollector_host_pressure_waiting_seconds_total", "HOST"), "{{resource}} {{instance}}"
            ),
            Query(
                rate("hostcollector_host_pressure_stalled_seconds_total", "HOST"),
                "{{resource}} {{instance}}, all tasks",
            ),
            unit="percentunit",
            empty=_NO_PRESSURE,
        ),
        graph(
            "vCPUs per CPU",
            "vCPUs of the active guests for each physical CPU. Bad: above the planned ratio, with high run delay.",
            Query(
                "sum by (instance) (libvirt_domain_info_virtual_cpus{HOST})"
                " / max by (instance) (hostcollector_host_cpus_online{HOST})",
                "{{instance}}",
            ),
            decimals=2,
        ),
        graph(
            "Throttled by quota",
            "Share of periods in which a part of a guest ran out of its CPU quota. Bad for the emulator: any.",
            Query(
                _top(
                    f"({rate('libvirt_domain_cgroup_cpu_throttled_periods_total', 'HOST')}"
                    f" / ({rate('libvirt_domain_cgroup_cpu_periods_total', 'HOST')} > 0))"
                ),
                f"{SERVER} {{{{group}}}}",
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.25,
            empty="no guest has a CPU quota",
            leads_to=Target.GUEST,
        ),
    ),
)
_MEMORY = Row(
    title="Memory",
    panels=(
        graph(
            "Use: memory by guest",
            "Memory of the host that each guest takes, huge pages included. Bad: a sum near the host's memory.",
            Query(_top("uuid:libvirt_domain_memory_host_bytes:sum{HOST}"), SERVER),
            Query("hostcollector_host_memory_bytes{HOST}", "memory of {{instance}}"),
            unit="bytes",
            leads_to=Target.GUEST,
        ),
        graph(
            "Saturation: memory pressure",
            "Share of time in which all tasks of a guest waited for memory (pressure). Bad: above 1 %.",
            Query(
                _top(rate("libvirt_domain_pressure_memory_stalled_seconds_total", "HOST")),
                SERVER,
            ),
            unit="percentunit",
            warn=0.01,
            bad=0.1,
            empty=_NO_PRESSURE,
            leads_to=Target.GUEST,
        ),
        graph(
            "Free memory",
            "Available memory of the host and free memory of its NUMA nodes. Bad: a node near 0.",
            Query("hostcollector_host_memory_available_bytes{HOST}", "{{instance}} available"),
            Query("hostcollector_host_numa_memory_free_bytes{HOST}", "{{instance}} node {{node}} free"),
            unit="bytes",
        ),
        graph(
            "Swapped out by the host",
            "Guest memory that the host has swapped out; each access stalls a vCPU. Bad: growth.",
            Query(_top("libvirt_domain_cgroup_memory_swap_bytes{HOST}"), SERVER),
            unit="bytes",
            warn=1 << 20,
            bad=100 << 20,
            empty="control groups do not account swap",
            leads_to=Target.GUEST,
        ),
        graph(
            "Memory on remote NUMA nodes",
            "Share of memory on nodes without the guest's vCPUs, of guests with pinned vCPUs. Bad: above 20 %.",
            Query(_top("uuid:libvirt_domain_memory_remote:ratio{HOST}"), SERVER),
            unit="percentunit",
            warn=0.05,
            bad=0.2,
            empty="no guest has pinned vCPUs",
            leads_to=Target.GUEST,
        ),
        graph(
            "Read back from disk",
            "Pages of guests that the host reads from swap or disk. Bad: above 100 per second.",
            Query(
                _top(rate("libvirt_domain_memory_host_major_faults_total", "HOST")),
                SERVER,
            ),
            unit="ops",
            warn=10,
            bad=100,
            leads_to=Target.GUEST,
        ),
        graph(
            "Normal and huge pages, merged pages",
            "Memory reserved as huge pages, its free part, and what merging saves (KSM). Bad: KSM with several tenants.",
            Query("hostcollector_host_memory_hugepages_bytes{HOST}", "{{instance}} reserved"),
            Query("hostcollector_host_memory_hugepages_free_bytes{HOST}", "{{instance}} reserved and free"),
            Query("hostcollector_host_ksm_saved_bytes{HOST}", "{{instance}} saved by KSM"),
            unit="bytes",
        ),
        graph(
            "Free huge pages",
            "Unused huge pages. Bad: fewer than the next guest needs; it cannot start.",
            Query(
                "hostcollector_host_hugepages_free{HOST}",
                "{{instance}} node {{node}}, {{page_size_bytes}} bytes",
            ),
            empty="no huge pages are reserved",
        ),
    ),
)
_DISK = Row(
    title="Disks",
    panels=(
        graph(
            "Use: data read and written",
            "Data that all guests read (up) and write (down).",
            Query(
                "sum by (instance) (rate(libvirt_domain_block_stats_read_bytes_total{HOST}[$__rate_interval]))",
                "{{instance}} read",
            ),
            Query(
                "sum by (instance) (rate(libvirt_domain_block_stats_write_bytes_total{HOST}[$__rate_interval]))",
                "{{instance}} written",
                below=True,
            ),
            unit="Bps",
        ),
        graph(
            "Saturation: requests in flight",
            "Requests in flight on average, by disk. Bad: above 32; latency grows.",
            Query(
                _top(
                    f"({rate('libvirt_domain_block_stats_read_time_seconds_total', 'HOST')}"
                    f" + {rate('libvirt_domain_block_stats_write_time_seconds_total', 'HOST')})"
                ),
                f"{SERVER} {{{{target_device}}}}",
            ),
            warn=16,
            bad=32,
            leads_to=Target.GUEST,
        ),
    ),
)
_NETWORK = Row(
    title="Network (taps; the board Network and VFs has the others)",
    panels=(
        graph(
            "Use: data received and sent",
            "Data that all guests receive (up) and send (down) over the host's own interfaces.",
            Query(
                "8 * sum by (instance) (rate(libvirt_domain_interface_stats_receive_bytes_total{HOST}[$__rate_interval]))",
                "{{instance}} received",
            ),
            Query(
                "8 * sum by (instance) (rate(libvirt_domain_interface_stats_transmit_bytes_total{HOST}[$__rate_interval]))",
                "{{instance}} sent",
                below=True,
            ),
            unit="bps",
        ),
        graph(
            "Saturation: dropped packets",
            "Packets that a guest did not read in time, or could not send. Bad: a rate that stays.",
            Query(
                _top(
                    f"({rate('libvirt_domain_interface_stats_receive_drops_total', 'HOST')}"
                    f" + {rate('libvirt_domain_interface_stats_transmit_drops_total', 'HOST')})"
                ),
                f"{SERVER} {{{{target_device}}}}",
            ),
            unit="pps",
            warn=1,
            bad=10,
            leads_to=Target.GUEST,
        ),
    ),
)
_KEY = "by (tenant, domain, uuid, instance)"
_GUESTS = Row(
    title="Guests",
    panels=(
        Table(
            title="Guests",
            description="One line each; click the name for its own board. Red is bad: the guest waits for a CPU, or does not"
            " answer.",
            columns=(
                Column("Server", "server", leads_to=(Target.GUEST, Target.NEIGHBOURS)),
                Column("Guest", "domain"),
                Column("Project", "project"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Flavour", "flavor"),
                Column("UUID", "uuid", hidden=True),
                Column("Hypervisor", "instance", hidden=True),
                Column(
                    "Is",
                    expr=f"max by (tenant, domain, uuid, instance, server, flavor, project) ({NAMES}{{HOST}})",
                    hidden=True,
                ),
                Column("vCPUs", expr=f"max {_KEY} (libvirt_domain_info_virtual_cpus{{HOST}})"),
                Column(
                    "CPU", expr=f"sum {_KEY} ({rate('libvirt_domain_info_cpu_time_seconds_total', 'HOST')})"
                ),
                Column(
                    "Worst run delay",
                    expr=f"max {_KEY} ({rate('libvirt_domain_vcpu_delay_seconds_total', 'HOST')})",
                    unit="percentunit",
                    warn=0.05,
                    bad=0.1,
                ),
                Column(
                    "Memory of the host",
                    expr=f"sum {_KEY} (uuid:libvirt_domain_memory_host_bytes:sum{{HOST}})",
                    unit="bytes",
                ),
                Column(
                    "Monitor blocked",
                    expr=f"max {_KEY} (libvirt_domain_monitor_blocked_seconds{{HOST}})",
                    unit="s",
                    warn=1,
                    bad=10,
                ),
            ),
            sort="CPU",
        ),
    ),
)
BOARD = Board(
    name="hypervisor",
    title="Hypervisor",
    description="Use, saturation and errors of a hypervisor's resources: which one is short, and which guest uses it?",
    scope=Scope.HYPERVISOR,
    rows=(_ALERTS, _CPU, _MEMORY, _DISK, _NETWORK, _GUESTS, CHASSIS, ENDS, JOBS, ERRORS),
)
