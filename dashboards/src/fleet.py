"""The board that answers: which hypervisor, which guest needs attention now."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, Table, Target, graph, number
from dashboards.src.variables import Depth

_NOW = Row(
    title="Now",
    panels=(
        number(
            "Hypervisors up",
            "Hypervisors whose collector answers. Bad: fewer than there are.",
            "count(up{HOST} == 1)",
            empty="none",
        ),
        number(
            "Collectors down",
            "Hypervisors whose collector does not answer: their guests have no metrics. Bad: any.",
            "count(up{HOST} == 0) or vector(0)",
            bad=1,
        ),
        number(
            "libvirt down",
            "Hypervisors whose libvirt does not answer: guests run, but cannot be managed. Bad: any.",
            "count(libvirt_up{HOST} == 0) or vector(0)",
            bad=1,
        ),
        number(
            "Guests",
            "Active guests of the chosen hypervisors.",
            "count(libvirt_domain_info_virtual_cpus{HOST})",
        ),
        number(
            "Guests with blocked monitor",
            "Guests whose QEMU has not answered its monitor for 10 seconds. Bad: any; they may hang.",
            "count(libvirt_domain_monitor_blocked_seconds{HOST} > 10) or vector(0)",
            bad=1,
        ),
        number(
            "Unassigned guests",
            "Guests without a tenant: no resolver knows them, and their use is not billed. Bad: any.",
            "sum(hostcollector_domains_unassigned{HOST})",
            warn=1,
        ),
    ),
)
_ALERTS = Row(
    title="Alerts",
    panels=(
        Table(
            title="Firing alerts",
            description="Alerts that fire on the chosen hypervisors; the runbook explains each of them.",
            columns=(
                Column("Severity", "severity"),
                Column("Alert", "alertname"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column("Since it is firing", expr='ALERTS{HOST, alertstate="firing"}', hidden=True),
            ),
            sort="Severity",
            ascending=True,
            height=7,
            empty="no alert is firing",
        ),
    ),
)
_HYPERVISORS = Row(
    title="Hypervisors",
    panels=(
        Table(
            title="Hypervisors",
            description="One line each; click the name for its own board. Red is bad: no libvirt, failed sources, "
            "CPUs or memory nearly used up.",
            columns=(
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column(
                    "libvirt",
                    expr="max by (instance) (libvirt_up{HOST})",
                    unit="bool_yes_no",
                    bad=0.5,
                    low_is_bad=True,
                ),
                Column(
                    "Failed sources",
                    expr="count by (instance) (hostcollector_source_up{HOST} == 0) or 0 * max by (instance) (up{HOST})",
                    bad=1,
                ),
                Column("Guests", expr="count by (instance) (libvirt_domain_info_virtual_cpus{HOST})"),
                Column(
                    "vCPUs per CPU",
                    expr="sum by (instance) (libvirt_domain_info_virtual_cpus{HOST})"
                    " / max by (instance) (hostcollector_host_cpus_online{HOST})",
                ),
                Column(
                    "CPU used by guests",
                    expr="sum by (instance) (rate(libvirt_domain_info_cpu_time_seconds_total{HOST}[$__rate_interval]))"
                    " / max by (instance) (hostcollector_host_cpus_online{HOST})",
                    unit="percentunit",
                    warn=0.7,
                    bad=0.9,
                ),
                Column(
                    "Memory free",
                    expr="max by (instance) (hostcollector_host_memory_available_bytes{HOST}"
                    " / hostcollector_host_memory_bytes{HOST})",
                    unit="percentunit",
                    warn=0.1,
                    bad=0.03,
                    low_is_bad=True,
                ),
                Column(
                    "Worst run delay",
                    expr="max by (instance) (rate(libvirt_domain_vcpu_delay_seconds_total{HOST}[$__rate_interval]))",
                    unit="percentunit",
                    warn=0.05,
                    bad=0.1,
                ),
            ),
            sort="Worst run delay",
        ),
        graph(
            "CPU used by guests",
            "Share of each hypervisor's CPUs that its guests use. Bad: above 90 % guests wait for each other.",
            Query(
                "sum by (instance) (rate(libvirt_domain_info_cpu_time_seconds_total{HOST}[$__rate_interval]))"
                " / max by (instance) (hostcollector_host_cpus_online{HOST})",
                "{{instance}}",
            ),
            unit="percentunit",
            warn=0.7,
            bad=0.9,
            leads_to=Target.HYPERVISOR,
        ),
        graph(
            "Memory free",
            "Memory that each hypervisor has available. Bad: below 3 % guests are swapped out or killed.",
            Query(
                "hostcollector_host_memory_available_bytes{HOST} / hostcollector_host_memory_bytes{HOST}",
                "{{instance}}",
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.03,
            low_is_bad=True,
            leads_to=Target.HYPERVISOR,
        ),
    ),
)
_WORST = Row(
    title="Most affected guests",
    panels=(
        graph(
            "Run delay",
            "Guests whose worst vCPU waits longest for a CPU (steal). Bad: above 10 % of the time.",
            Query(
                "topk(10, max by (instance, tenant, domain, uuid)"
                " (rate(libvirt_domain_vcpu_delay_seconds_total{HOST}[$__rate_interval])))",
                "{{domain}} ({{tenant}}) on {{instance}}",
            ),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
            leads_to=Target.GUEST,
        ),
        graph(
            "Disk latency",
            "Disks whose reads and writes take longest. Bad: above 100 ms; if all are on one storage, it is the cause.",
            Query(
                "topk(10, (rate(libvirt_domain_block_stats_read_time_seconds_total{HOST}[$__rate_interval])"
                " + rate(libvirt_domain_block_stats_write_time_seconds_total{HOST}[$__rate_interval]))"
                " / (rate(libvirt_domain_block_stats_read_requests_total{HOST}[$__rate_interval])"
                " + rate(libvirt_domain_block_stats_write_requests_total{HOST}[$__rate_interval]) > 0))",
                "{{domain}} {{target_device}} ({{tenant}}) on {{instance}}",
            ),
            unit="s",
            warn=0.02,
            bad=0.1,
            leads_to=Target.GUEST,
        ),
    ),
)
_TENANTS = Row(
    title="Tenants",
    panels=(
        graph(
            "CPU by tenant",
            "CPUs that each tenant's guests use. Bad: one tenant that grows at the others' expense.",
            Query(
                "topk(10, sum by (tenant) (rate(libvirt_domain_vcpu_time_seconds_total{HOST}[$__rate_interval])))",
                "{{tenant}}",
            ),
            unit="short",
            stacked=True,
            leads_to=Target.TENANT,
        ),
        graph(
            "Versions of the collector",
            "Hypervisors by version of the collector. Bad: two versions for longer than a rollout takes.",
            Query("count by (version) (hostcollector_build_info{HOST})", "{{version}}"),
            stacked=True,
        ),
    ),
)

BOARD = Board(
    name="fleet",
    title="Fleet",
    description="All hypervisors: which of them, or which guest, needs attention now?",
    depth=Depth.HOST,
    rows=(_NOW, _ALERTS, _HYPERVISORS, _WORST, _TENANTS),
)
