"""The board that answers: which hypervisor, which guest needs attention now."""

from dashboards.src.alerts import firing
from dashboards.src.board import Board
from dashboards.src.panels import GOOD, Column, Query, Row, Table, Target, Top, graph, number
from dashboards.src.queries import SERVER, named
from dashboards.src.variables import Scope

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
            "Active guests of the chosen hypervisors; one that is being migrated counts once.",
            "count(count by (uuid) (libvirt_domain_info_virtual_cpus{HOST}))",
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
    panels=(firing('instance=~"$instance|"', "on the chosen hypervisors or for the whole fleet"),),
)
_KEY = "by (region, instance)"
_HYPERVISORS = Row(
    title="Hypervisors",
    panels=(
        Table(
            title="Hypervisors",
            description="One line each; click the name for its own board or node_exporter's. Red is bad: no libvirt,"
            " failed sources, CPUs or memory nearly used up.",
            columns=(
                Column("Hypervisor", "instance", leads_to=(Target.HYPERVISOR, Target.NODE)),
                Column("Region", "region"),
                Column("libvirt", expr=f"max {_KEY} (libvirt_up{{HOST}})", unit="none", states=GOOD),
                Column(
                    "Failed sources",
                    expr=f"count {_KEY} (hostcollector_source_up{{HOST}} == 0) or 0 * max {_KEY} (up{{HOST}})",
                    bad=1,
                ),
                Column("Guests", expr=f"max {_KEY} (instance:libvirt_domain_guests:count{{HOST}})"),
                Column(
                    "vCPUs per CPU",
                    expr=f"max {_KEY} (instance:libvirt_domain_info_virtual_cpus:sum{{HOST}})"
                    f" / max {_KEY} (hostcollector_host_cpus_online{{HOST}} > 0)",
                ),
                Column(
                    "CPU used by guests",
                    expr=f"max {_KEY} (instance:libvirt_domain_cpu:ratio_rate5m{{HOST}})",
                    unit="percentunit",
                    warn=0.7,
                    bad=0.9,
                ),
                Column(
                    "Normal memory available",
                    expr=f"min {_KEY} (instance:hostcollector_host_memory_headroom:ratio{{HOST}})",
                    unit="percentunit",
                    warn=0.1,
                    bad=0.03,
                    low_is_bad=True,
                ),
                Column(
                    "Worst run delay",
                    expr=f"max {_KEY} (instance:libvirt_domain_vcpu_delay_seconds:max_rate5m{{HOST}})",
                    unit="percentunit",
                    warn=0.05,
                    bad=0.1,
                ),
            ),
            sort="Worst run delay",
        ),
        graph(
            "CPU used by guests: the ten busiest",
            "Share of each hypervisor's CPUs that its guests use. Bad: above 90 % guests wait for each other.",
            Query('instance:libvirt_domain_cpu:ratio_rate5m{HOST, instance=~"$top_cpu"}', "{{instance}}"),
            unit="percentunit",
            warn=0.7,
            bad=0.9,
            leads_to=Target.HYPERVISOR,
            top=Top("cpu", "instance", "topk(10, instance:libvirt_domain_cpu:ratio_rate5m{HOST})"),
        ),
        graph(
            "Normal memory available: the ten shortest",
            "Share of its memory beside huge pages that each hypervisor has. Bad: below 3 % guests are swapped out or killed.",
            Query(
                'instance:hostcollector_host_memory_headroom:ratio{HOST, instance=~"$top_memory"}',
                "{{instance}}",
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.03,
            low_is_bad=True,
            leads_to=Target.HYPERVISOR,
            top=Top(
                "memory", "instance", "bottomk(10, instance:hostcollector_host_memory_headroom:ratio{HOST})"
            ),
        ),
    ),
)
_DELAY = "uuid:libvirt_domain_vcpu_delay_seconds:max_rate5m"
_LATENCY = "target_device:libvirt_domain_block_latency_seconds:mean5m"
_WORST = Row(
    title="Most affected guests now",
    panels=(
        graph(
            "Run delay",
            "The ten guests whose worst vCPU waits longest for a CPU (steal). Bad: above 10 % of the time.",
            Query(
                named(f'{_DELAY}{{HOST, uuid=~"$top_delay"}}', 'HOST, uuid=~"$top_delay"'),
                f"{SERVER} on {{{{instance}}}}",
            ),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
            leads_to=Target.NEIGHBOURS,
            top=Top("delay", "uuid", f"topk(10, {_DELAY}{{HOST}})"),
        ),
        graph(
            "Disk latency",
            "Disks of the ten guests whose reads or writes take longest. Bad: above 100 ms; if all are on one storage, it is"
            " the cause.",
            Query(
                named(f'{_LATENCY}{{HOST, uuid=~"$top_latency"}}', 'HOST, uuid=~"$top_latency"'),
                f"{SERVER} {{{{target_device}}}} {{{{operation}}}} on {{{{instance}}}}",
            ),
            unit="s",
            warn=0.02,
            bad=0.1,
            leads_to=Target.GUEST,
            top=Top("latency", "uuid", f"topk(10, max by (uuid) ({_LATENCY}{{HOST}}))"),
        ),
    ),
)
_CPU = "tenant:libvirt_domain_vcpu_time_seconds:sum_rate5m"
_TENANTS = Row(
    title="Tenants",
    panels=(
        graph(
            "CPU by tenant",
            "CPUs that the guests of the ten largest tenants use, in the chosen zones. Bad: one that grows at the others'"
            " expense.",
            Query(f'sum by (tenant) ({_CPU}{{FLEET, tenant=~"$top_tenant"}})', "{{tenant}}"),
            stacked=True,
            leads_to=Target.TENANT,
            top=Top("tenant", "tenant", f"topk(10, sum by (tenant) ({_CPU}{{FLEET}}))"),
        ),
        graph(
            "Versions of the collector",
            "Hypervisors by version of the collector. Bad: two versions for longer than a rollout takes.",
            Query("count by (version) (hostcollector_build_info{HOST})", "{{version}}"),
            stacked=True,
        ),
    ),
)
_VERSIONS = Row(
    title="Versions",
    folded=True,
    panels=(
        Table(
            title="Versions",
            description="Collector, QEMU, libvirt and configuration of each hypervisor. Bad: hosts that a rollout left out.",
            columns=(
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Region", "region"),
                Column("Collector", "version"),
                Column("Python", "python_version"),
                Column("QEMU", "hypervisor_running"),
                Column("libvirt", "libvirtd_running"),
                Column("Configuration (SHA-256)", "sha256"),
                Column(
                    "Runs",
                    expr="max by (region, instance, version, python_version) (hostcollector_build_info{HOST})"
                    " * on (region, instance) group_left (hypervisor_running, libvirtd_running)"
                    " max by (region, instance, hypervisor_running, libvirtd_running) (libvirt_versions_info{HOST})",
                    hidden=True,
                ),
                Column(
                    "Uses",
                    expr="max by (region, instance, sha256) (hostcollector_config_info{HOST})",
                    hidden=True,
                ),
            ),
            sort="Hypervisor",
            ascending=True,
        ),
    ),
)

BOARD = Board(
    name="fleet",
    title="Fleet",
    description="All hypervisors: which of them, or which guest, needs attention now?",
    scope=Scope.FLEET,
    rows=(_NOW, _ALERTS, _HYPERVISORS, _WORST, _TENANTS, _VERSIONS),
)
