"""The board that answers: what does this guest do, what does it wait for, and which events did it have."""

from dashboards.src.board import Board
from dashboards.src.guest_devices import DEVICES, DISKS, NETWORK
from dashboards.src.panels import Column, Query, Row, Table, Target, graph, states
from dashboards.src.queries import NAMES
from dashboards.src.variables import Scope

_STATES = {
    "0": ("no state", "grey"),
    "1": ("running", "green"),
    "2": ("blocked on resource", "yellow"),
    "3": ("paused", "orange"),
    "4": ("shutting down", "blue"),
    "5": ("shut off", "grey"),
    "6": ("crashed", "red"),
    "7": ("suspended inside", "blue"),
}
_JOBS = {
    "0": ("none", "grey"),
    "1": ("bounded", "purple"),
    "2": ("unbounded", "purple"),
    "3": ("completed", "green"),
}
_JOBS |= {"4": ("failed", "red"), "5": ("cancelled", "orange")}

_STATE = Row(
    title="State",
    panels=(
        states(
            "State",
            "State of the guest in libvirt, on each hypervisor that has it. Bad: paused or crashed.",
            Query("libvirt_domain_info_vstate{GUEST}", "{{instance}}"),
            states=_STATES,
            unit="none",
            width=16,
            height=5,
        ),
        Table(
            title="Identity",
            description="Names, tenant, flavour and hypervisor. The neighbours are on the hypervisor's link.",
            columns=(
                Column("Server", "server"),
                Column("Guest", "domain"),
                Column("Project", "project"),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Flavour", "flavor"),
                Column(
                    "Hypervisor", "instance", leads_to=(Target.HYPERVISOR, Target.NEIGHBOURS, Target.NODE)
                ),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr=f"{NAMES}{{GUEST}}", hidden=True),
            ),
            width=8,
            height=5,
        ),
        graph(
            "Monitor blocked",
            "How long QEMU has been busy with one command. Bad: above 10 s; the guest may hang.",
            Query("libvirt_domain_monitor_blocked_seconds{GUEST}", "{{instance}}"),
            unit="s",
            warn=1,
            bad=10,
            width=8,
        ),
        states(
            "Background job",
            "Migration, backup, save or dump. Bad: failed, or one that does not end.",
            Query("libvirt_domain_job_info_type{GUEST}", "{{instance}}"),
            states=_JOBS,
            unit="none",
            width=8,
        ),
        graph(
            "Events",
            "libvirt's events of the guest. Bad: io_error, watchdog, crashed, control_error.",
            Query(
                "increase(libvirt_domain_events_total{GUEST}[$__rate_interval]) > 0", "{{event}} {{detail}}"
            ),
            width=8,
            empty="no events",
        ),
        graph(
            "Disk errors",
            "I/O errors that QEMU reported, by disk. Bad: any.",
            Query(
                "increase(libvirt_domain_block_io_errors_total{GUEST}[$__rate_interval])", "{{target_device}}"
            ),
            bad=1,
            empty="no disk with an alias",
        ),
        graph(
            "Job: data left to move",
            "Data of a running job. Bad: a rest that does not shrink: the guest writes faster than the network transfers.",
            Query("libvirt_domain_job_info_data_remaining_bytes{GUEST}", "{{instance}} left"),
            Query("libvirt_domain_job_info_data_total_bytes{GUEST}", "{{instance}} in all"),
            unit="bytes",
            empty="no job",
        ),
        graph(
            "Migration: memory changed and moved",
            "How fast the guest changes its memory, and how fast the job moves it. Bad: changes above moves; it does not end.",
            Query("libvirt_domain_job_info_dirty_bytes_per_second{GUEST}", "{{instance}} changed"),
            Query("libvirt_domain_job_info_memory_bytes_per_second{GUEST}", "{{instance}} moved"),
            unit="Bps",
            empty="no migration",
        ),
        graph(
            "Migration: throttle",
            "Share of time for which auto-converge stops the vCPUs. Bad: above 50 %.",
            Query("libvirt_domain_job_info_throttle_ratio{GUEST}", "{{instance}}"),
            unit="percentunit",
            warn=0.2,
            bad=0.5,
            maximum=1,
            width=8,
            empty="not throttled",
        ),
        graph(
            "Migration: downtime",
            "Expected downtime of a running migration, and the downtime of the last one to here. Bad: above 1 s.",
            Query("libvirt_domain_job_info_downtime_expected_seconds{GUEST}", "{{instance}} expected"),
            Query("libvirt_domain_last_migration_downtime_seconds{GUEST}", "{{instance}} last"),
            unit="s",
            warn=0.3,
            bad=1,
            width=8,
            empty="no migration",
        ),
        graph(
            "Migration: iterations",
            "How many times the migration went through the guest's memory. Bad: growth without an end.",
            Query("libvirt_domain_job_info_iteration{GUEST}", "{{instance}}"),
            width=8,
            empty="no migration",
        ),
        graph(
            "Time since start",
            "Age of the QEMU process. Bad: an unplanned drop, which is a restart.",
            Query("time() - libvirt_domain_start_timestamp_seconds{GUEST}", "{{instance}}"),
            unit="s",
        ),
    ),
)
_LIFE = Row(
    title="Signs of life",
    panels=(
        states(
            "Checks",
            "System: the host serves the guest. Instance: the guest does something. Bad: failed. A gap is unknown.",
            Query("libvirt_domain_check{GUEST}", "{{check}} {{instance}}"),
            states={"0": ("failed", "red"), "1": ("passed", "green")},
            unit="none",
            width=8,
            empty="unknown: see the reasons",
        ),
        graph(
            "Reasons",
            "Why a check failed or is unknown (docs/liveness.md). Bad: a reason of a failed check.",
            Query("libvirt_domain_check_reason_info{GUEST}", "{{check}} {{result}}: {{reason}}"),
            width=8,
            empty="both checks pass",
        ),
        states(
            "Guest agent",
            "Whether an agent in the guest holds its channel open. Bad: lost after it was connected.",
            Query("libvirt_domain_agent_connected{GUEST}", "{{instance}}"),
            states={"0": ("disconnected", "orange"), "1": ("connected", "green")},
            unit="none",
            width=8,
            empty="the guest has no agent channel",
        ),
        graph(
            "Service level",
            "Share of the last hour in which the host served the guest, without planned and unknown time. Bad: below 99.9 %.",
            Query(
                'rate(libvirt_domain_availability_seconds_total{GUEST, state="available"}[1h]) / ignoring (state)'
                " (sum without (state)"
                ' (rate(libvirt_domain_availability_seconds_total{GUEST, state=~"available|unplanned"}[1h])) > 0)',
                "{{instance}}",
            ),
            unit="percentunit",
            maximum=1,
            warn=0.999,
            bad=0.99,
            low_is_bad=True,
            empty="less than an hour known, or not available as planned",
        ),
        graph(
            "Time by state",
            "Share of time available, and unavailable as planned or unplanned. Bad: unplanned.",
            Query("rate(libvirt_domain_availability_seconds_total{GUEST}[$__rate_interval])", "{{state}}"),
            unit="percentunit",
            maximum=1,
            stacked=True,
        ),
    ),
)
_CPU = Row(
    title="CPU",
    panels=(
        graph(
            "vCPU use",
            "Share of time that each vCPU ran. Bad: all at 100 % for long; the guest is too small.",
            Query("rate(libvirt_domain_vcpu_time_seconds_total{GUEST}[$__rate_interval])", "vCPU {{vcpu}}"),
            unit="percentunit",
            maximum=1,
        ),
        graph(
            "Run delay",
            "Time that each vCPU waited for a CPU; the guest sees it as steal. Bad: above 10 %.",
            Query("rate(libvirt_domain_vcpu_delay_seconds_total{GUEST}[$__rate_interval])", "vCPU {{vcpu}}"),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
        ),
        graph(
            "QEMU's other threads",
            "CPUs that emulator, I/O and vhost threads use. Bad: one thread at 100 % is a bottleneck.",
            Query("rate(libvirt_domain_emulator_cpu_seconds_total{GUEST}[$__rate_interval])", "emulator"),
            Query(
                "rate(libvirt_domain_iothread_cpu_seconds_total{GUEST}[$__rate_interval])", "I/O {{iothread}}"
            ),
            Query(
                "rate(libvirt_domain_vhost_cpu_seconds_total{GUEST}[$__rate_interval])", "vhost {{thread}}"
            ),
            unit="percentunit",
            warn=0.8,
            bad=0.95,
        ),
        graph(
            "Run delay of QEMU's other threads",
            "Time that these threads waited for a CPU; disks and network wait with them. Bad: above 10 %.",
            Query("rate(libvirt_domain_emulator_delay_seconds_total{GUEST}[$__rate_interval])", "emulator"),
            Query(
                "rate(libvirt_domain_iothread_delay_seconds_total{GUEST}[$__rate_interval])",
                "I/O {{iothread}}",
            ),
            Query(
                "rate(libvirt_domain_vhost_delay_seconds_total{GUEST}[$__rate_interval])", "vhost {{thread}}"
            ),
            unit="percentunit",
            warn=0.05,
            bad=0.1,
        ),
        graph(
            "Throttled by quota",
            "Share of periods in which each part ran out of its CPU quota. Bad for the emulator: any.",
            Query(
                "rate(libvirt_domain_cgroup_cpu_throttled_periods_total{GUEST}[$__rate_interval])"
                " / (rate(libvirt_domain_cgroup_cpu_periods_total{GUEST}[$__rate_interval]) > 0)",
                "{{group}}",
            ),
            unit="percentunit",
            warn=0.1,
            bad=0.25,
            empty="no CPU quota, or the guest is idle",
        ),
        graph(
            "Preemptions",
            "How often each vCPU was preempted. Bad: thousands per second.",
            Query(
                'rate(libvirt_domain_vcpu_context_switches_total{GUEST, type="involuntary"}[$__rate_interval])',
                "vCPU {{vcpu}}",
            ),
            unit="ops",
            warn=1000,
        ),
    ),
)
_MEMORY = Row(
    title="Memory",
    panels=(
        graph(
            "Memory",
            "Memory that the guest may use, still has free, and holds on the host. Bad: usable near 0.",
            Query("libvirt_domain_info_memory_usage_bytes{GUEST}", "granted"),
            Query("libvirt_domain_memory_stats_usable_bytes{GUEST}", "usable inside"),
            Query("libvirt_domain_memory_stats_disk_caches_bytes{GUEST}", "caches inside"),
            Query("libvirt_domain_memory_stats_rss_bytes{GUEST}", "resident on the host"),
            unit="bytes",
        ),
        graph(
            "Guest swapping",
            "Memory that the guest reads from its swap (up) and writes to it (down). Bad: a rate that stays.",
            Query(
                "rate(libvirt_domain_memory_stats_swap_in_bytes{GUEST}[$__rate_interval])",
                "read from swap inside",
            ),
            Query(
                "rate(libvirt_domain_memory_stats_swap_out_bytes{GUEST}[$__rate_interval])",
                "written to swap inside",
                below=True,
            ),
            unit="Bps",
            empty="the guest's balloon driver does not report",
        ),
        graph(
            "Major page faults",
            "Pages that the guest had to read from its disk. Bad: hundreds per second for long.",
            Query(
                "rate(libvirt_domain_memory_stats_major_fault_total{GUEST}[$__rate_interval])", "major faults"
            ),
            unit="ops",
            warn=100,
            bad=500,
            empty="the guest's balloon driver does not report",
        ),
        graph(
            "Memory by NUMA node",
            "The guest's memory on each node of the host. Bad: memory on nodes where its vCPUs do not run.",
            Query("libvirt_domain_cgroup_memory_numa_bytes{GUEST}", "node {{node}}"),
            Query("libvirt_domain_memory_hugepages_bytes{GUEST}", "reserved huge pages"),
            unit="bytes",
            stacked=True,
        ),
        graph(
            "Transparent huge pages",
            "Guest memory in transparent huge pages. Bad: a small share of the memory; address translation is slow.",
            Query("libvirt_domain_cgroup_memory_thp_bytes{GUEST}", "{{kind}}"),
            unit="bytes",
        ),
        graph(
            "Swapped out by the host, and read back",
            "Memory of QEMU that the host has swapped out, and faults that read from disk. Bad: hundreds of faults per second.",
            Query("libvirt_domain_memory_swapped_bytes{GUEST}", "swapped out (bytes)"),
            Query(
                "rate(libvirt_domain_memory_host_major_faults_total{GUEST}[$__rate_interval])",
                "faults per second",
            ),
            unit="none",
        ),
        graph(
            "Age of balloon statistics",
            "Age of the balloon driver's statistics. Bad: above a minute; the graphs above are then outdated.",
            Query("libvirt_domain_memory_stats_age_seconds{GUEST}", "{{instance}}"),
            unit="s",
            warn=60,
            bad=600,
            empty="the guest's balloon driver never reported",
        ),
    ),
)

BOARD = Board(
    name="guest",
    title="Guest",
    description="One guest: what it does, what it waits for, which events it had.",
    scope=Scope.GUEST,
    rows=(_STATE, _LIFE, _CPU, _MEMORY, DISKS, NETWORK, *DEVICES),
)
