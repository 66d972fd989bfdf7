"""The board that answers: is this tenant well served; if not, is one of its guests or a neighbour the reason."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, Table, Target, graph, number
from dashboards.src.variables import Depth

_GUEST = "{{domain}}"

_SIZE = Row(
    title="Allocation",
    panels=(
        number("Guests", "Active guests.", "count(libvirt_domain_info_virtual_cpus{TENANT})"),
        number("vCPUs", "vCPUs of the active guests.", "sum(libvirt_domain_info_virtual_cpus{TENANT})"),
        number(
            "Memory",
            "Memory that the active guests may use.",
            "sum(libvirt_domain_info_maximum_memory_bytes{TENANT})",
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
_GUESTS = Row(
    title="Guests",
    panels=(
        Table(
            title="Guests",
            description="One line each; click the name for its own board. Red is bad: the guest waits for a CPU, or does not answer.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "vCPUs",
                    expr="max by (tenant, domain, uuid, instance) (libvirt_domain_info_virtual_cpus{TENANT})",
                ),
                Column(
                    "vCPUs busy",
                    expr="sum by (tenant, domain, uuid, instance)"
                    " (rate(libvirt_domain_vcpu_time_seconds_total{TENANT}[$__rate_interval]))",
                ),
                Column(
                    "Worst run delay",
                    expr="max by (tenant, domain, uuid, instance)"
                    " (rate(libvirt_domain_vcpu_delay_seconds_total{TENANT}[$__rate_interval]))",
                    unit="percentunit",
                    warn=0.05,
                    bad=0.1,
                ),
                Column(
                    "Guest memory used",
                    expr="max by (tenant, domain, uuid, instance) (libvirt_domain_memory_stats_used_percent{TENANT})",
                    unit="percent",
                    warn=90,
                    bad=97,
                ),
                Column(
                    "Monitor blocked",
                    expr="max by (tenant, domain, uuid, instance) (libvirt_domain_monitor_blocked_seconds{TENANT})",
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
    panels=(
        graph(
            "Incidents",
            "Panics, watchdogs, memory failures, I/O errors and ends by failure. Bad: any.",
            Query(
                "sum by (incident) (increase(hostcollector_host_tenant_incidents_total{TENANT}[$__rate_interval])) > 0",
                "{{incident}}",
            ),
            bad=1,
            empty="none",
        ),
        Table(
            title="Last ended guests",
            description="The last guests that ended, and how long ago. Bad: crashed, failed and oom_kill.",
            columns=(
                Column("Guest", "domain"),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column("Reason", "reason"),
                Column(
                    "Ended ago",
                    expr="time() - max by (domain, uuid, instance, reason)"
                    " (hostcollector_host_domain_ended_timestamp_seconds{TENANT})",
                    unit="s",
                ),
            ),
            sort="Ended ago",
            ascending=True,
            width=12,
            empty="none",
        ),
    ),
    folded=True,
)
_USE = Row(
    title="Use",
    panels=(
        graph(
            "vCPUs busy",
            "vCPUs that each guest uses. Bad: all of its vCPUs for long; the guest is too small.",
            Query(
                "topk(20, sum by (instance, tenant, domain, uuid)"
                " (rate(libvirt_domain_vcpu_time_seconds_total{TENANT}[$__rate_interval])))",
                _GUEST,
            ),
            stacked=True,
            leads_to=Target.GUEST,
        ),
        graph(
            "Guest memory used",
            "Share of its memory that each guest uses. Bad: above 97 % it swaps or kills programs.",
            Query("topk(20, libvirt_domain_memory_stats_used_percent{TENANT})", _GUEST),
            unit="percent",
            warn=90,
            bad=97,
            maximum=100,
            empty="no guest's balloon driver reports",
            leads_to=Target.GUEST,
        ),
        graph(
            "Disk data",
            "Data that its guests read (up) and write (down).",
            Query(
                "sum by (domain, uuid) (rate(libvirt_domain_block_stats_read_bytes_total{TENANT}[$__rate_interval]))",
                "{{domain}} read",
            ),
            Query(
                "sum by (domain, uuid) (rate(libvirt_domain_block_stats_write_bytes_total{TENANT}[$__rate_interval]))",
                "{{domain}} written",
                below=True,
            ),
            unit="Bps",
            leads_to=Target.GUEST,
        ),
        graph(
            "Network data",
            "Data that its guests receive (up) and send (down) over taps.",
            Query(
                "sum by (domain, uuid)"
                " (rate(libvirt_domain_interface_stats_receive_bytes_total{TENANT}[$__rate_interval]))",
                "{{domain}} received",
            ),
            Query(
                "sum by (domain, uuid)"
                " (rate(libvirt_domain_interface_stats_transmit_bytes_total{TENANT}[$__rate_interval]))",
                "{{domain}} sent",
                below=True,
            ),
            unit="Bps",
            leads_to=Target.GUEST,
        ),
        graph(
            "GPU use",
            "Utilization of each GPU. Bad: a GPU that idles, or one at 100 % without memory traffic.",
            Query('libvirt_domain_gpu_utilization_ratio{TENANT, engine="gpu"}', "{{domain}} {{gpu}}"),
            unit="percentunit",
            maximum=1,
            empty="no source reports the GPU's utilization",
            leads_to=Target.GUEST,
        ),
    ),
)
_NEIGHBOURS = Row(
    title="Contention and limits",
    panels=(
        graph(
            "Run delay",
            "Time that the worst vCPU of each guest waits for a CPU (steal). Bad: above 10 %.",
            Query(
                "topk(20, max by (instance, tenant, domain, uuid)"
                " (rate(libvirt_domain_vcpu_delay_seconds_total{TENANT}[$__rate_interval])))",
                _GUEST,
            ),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
            leads_to=Target.GUEST,
        ),
        graph(
            "Throttled by quota",
            "Share of periods in which a part of a guest ran out of its CPU quota. Bad for the emulator: any.",
            Query(
                "topk(20, rate(libvirt_domain_cgroup_cpu_throttled_periods_total{TENANT}[$__rate_interval])"
                " / (rate(libvirt_domain_cgroup_cpu_periods_total{TENANT}[$__rate_interval]) > 0))",
                "{{domain}} {{group}}",
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.25,
            empty="no guest has a CPU quota",
            leads_to=Target.GUEST,
        ),
        graph(
            "Disk latency",
            "Mean time of a read or write of each disk. Bad: above 100 ms.",
            Query(
                "topk(20, (rate(libvirt_domain_block_stats_read_time_seconds_total{TENANT}[$__rate_interval])"
                " + rate(libvirt_domain_block_stats_write_time_seconds_total{TENANT}[$__rate_interval]))"
                " / (rate(libvirt_domain_block_stats_read_requests_total{TENANT}[$__rate_interval])"
                " + rate(libvirt_domain_block_stats_write_requests_total{TENANT}[$__rate_interval]) > 0))",
                "{{domain}} {{target_device}}",
            ),
            unit="s",
            warn=0.02,
            bad=0.1,
            leads_to=Target.GUEST,
        ),
        graph(
            "Waiting for I/O",
            "Share of time in which a task of a guest waited for I/O (pressure). Bad: above 20 %.",
            Query(
                "topk(20, rate(libvirt_domain_pressure_io_waiting_seconds_total{TENANT}[$__rate_interval]))",
                _GUEST,
            ),
            unit="percentunit",
            warn=0.05,
            bad=0.2,
            empty="the kernel reports no pressure (boot it with psi=1)",
            leads_to=Target.GUEST,
        ),
    ),
)

BOARD = Board(
    name="tenant",
    title="Tenant",
    description="A tenant's guests: is the tenant well served; if not, what is the reason?",
    depth=Depth.TENANT,
    rows=(_SIZE, _GUESTS, _USE, _NEIGHBOURS, _ENDS),
)
