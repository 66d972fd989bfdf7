"""The board that answers: which GPU is unhealthy, which one idles, and which tenant has it."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Panel, Query, Row, Table, Target, graph
from dashboards.src.variables import Depth


def _both(
    title: str,
    description: str,
    pattern: str,
    legend: str,
    empty: str = "no GPU reports it",
    **about: object,
) -> Panel:
    """Return a graph of a family that GPUs of guests and those of the host share; `@` is its prefix and scope."""
    of_guests = pattern.replace("@", "libvirt_domain").replace("{ALL", "{GUEST")
    of_host = pattern.replace("@", "hostcollector_host").replace("{ALL", "{HOST")
    return graph(
        title,
        description,
        Query(of_guests, f"{legend}, {{{{domain}}}} ({{{{tenant}}}})"),
        Query(of_host, f"{legend}, host {{{{instance}}}}"),
        empty=empty,
        **about,
    )


_WHICH = Row(
    title="Inventory",
    panels=(
        Table(
            title="GPUs of guests",
            description="Passed-through GPUs and vGPUs by owner. Bad: a mode or model that differs from the flavour.",
            columns=(
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Mode", "mode"),
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr="libvirt_domain_gpu_info{GUEST}", hidden=True),
            ),
            width=14,
            empty="no guest has a GPU",
        ),
        Table(
            title="GPUs of the host",
            description="GPUs that no guest owns, or that are split into vGPUs. Bad: an idle GPU that should be assigned.",
            columns=(
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Is", expr="hostcollector_host_gpu_info{HOST}", hidden=True),
            ),
            width=10,
            empty="the host keeps no GPU",
        ),
        _both(
            "GPU telemetry sources",
            "1 if a source reports the GPU. Bad: 0; the BMC is the only source for a passed-through GPU.",
            "max without (source, pci_address) (@_gpu_observable{ALL})",
            "{{gpu}}",
            width=24,
            bad=0.5,
            low_is_bad=True,
            height=6,
        ),
    ),
)
_USE = Row(
    title="Utilization",
    panels=(
        _both(
            "GPU utilization",
            "Share of time in which the GPU was busy. Bad: 0 on an assigned GPU, or on one GPU of a job.",
            '@_gpu_utilization_ratio{ALL, engine="gpu"}',
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
        ),
        _both(
            "Device memory in use",
            "Share of the device memory. Bad: 100 %, programs fail.",
            "@_gpu_memory_used_bytes{ALL} / @_gpu_memory_bytes{ALL}",
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
            warn=0.9,
            bad=0.98,
        ),
        _both(
            "Power, share of the limit",
            "Power draw of the GPU by its limit. Bad: 100 % with low clocks; 0 with full use.",
            "@_gpu_power_watts{ALL} / @_gpu_power_limit_watts{ALL}",
            "{{gpu}}",
            unit="percentunit",
        ),
        _both(
            "Energy",
            "Mean power from the energy counter, for billing.",
            "rate(@_gpu_energy_joules_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="watt",
        ),
        graph(
            "Energy by guest",
            "Joules per second of all GPUs of each guest, measured. vGPUs have no meter. Bad: full draw without use.",
            Query(
                "sum without (gpu) (increase(libvirt_domain_gpu_energy_joules_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}})",
            ),
            unit="watt",
            empty="no guest has a GPU with an energy counter",
            leads_to=Target.GUEST,
        ),
    ),
)
_HEAT = Row(
    title="Temperature and clocks",
    panels=(
        _both(
            "Temperature",
            "Temperature of each GPU. Bad: above 85 °C; the GPU slows down, then shuts off.",
            "@_gpu_temperature_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=80,
            bad=85,
        ),
        _both(
            "Memory temperature",
            "Temperature of the device memory. Bad: above 95 °C.",
            "@_gpu_memory_temperature_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=90,
            bad=95,
        ),
        _both(
            "Temperature headroom",
            "Distance to thermal throttling. Bad: below 5 °C.",
            "@_gpu_temperature_headroom_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=10,
            bad=5,
            low_is_bad=True,
            empty="no GPU with data from a BMC",
        ),
        _both(
            "Clock throttling",
            "Share of time in which clocks were throttled, by reason. Bad: thermal, board_limit, reliability.",
            "rate(@_gpu_throttle_seconds_total{ALL}[$__rate_interval])",
            "{{gpu}} {{reason}}",
            unit="percentunit",
            warn=0.1,
        ),
        _both(
            "Active throttle reasons",
            "Why clocks are below their maximum now. Bad: hw_slowdown, hw_thermal, hw_power_brake.",
            '@_gpu_clocks_held{ALL, reason!="idle"} == 1',
            "{{gpu}} {{reason}}",
            empty="none",
        ),
    ),
)
_HEALTH = Row(
    title="Health",
    panels=(
        _both(
            "Memory errors (ECC)",
            "Errors in each interval. Bad: any uncorrected one; corrected ones that repeat.",
            "increase(@_gpu_memory_ecc_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{memory}} {{severity}}",
            bad=1,
        ),
        graph(
            "Driver errors (Xid)",
            "Errors that the driver reported in each interval. Bad: 48, 63, 64, 74, 79, 94, 95 are hardware.",
            Query(
                "increase(hostcollector_host_gpu_xid_events_total{HOST}[$__rate_interval])",
                "{{gpu}} {{instance}}",
            ),
            Query(
                "increase(hostcollector_host_gpu_xid_events_by_code_total{HOST}[$__rate_interval]) > 0",
                "{{gpu}} Xid {{xid}} {{instance}}",
            ),
            bad=1,
            empty="no GPU with NVIDIA's driver on the host",
        ),
        _both(
            "Health reported by the BMC",
            "0 is OK, 1 a warning, 2 critical. Bad: above 0; the BMC's event log has the reason.",
            "@_gpu_health_id{ALL}",
            "{{gpu}}",
            warn=1,
            bad=2,
            empty="no GPU with data from a BMC",
        ),
        _both(
            "PCIe errors counted by the GPU",
            "PCIe errors that the GPU itself counts, in each interval. Bad: nonfatal and fatal ones.",
            "increase(@_gpu_pcie_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no GPU with data from a BMC",
        ),
        _both(
            "Row remapping pending or failed",
            "1 if bad rows wait for a reset or could not be replaced, 2 if both. Bad: any; after a failure replace the GPU.",
            "@_gpu_row_remapping_pending{ALL} + @_gpu_row_remapping_failed{ALL}",
            "{{gpu}}",
            bad=1,
        ),
        _both(
            "Memory banks low on spare rows",
            "Memory banks with few or no spare rows left. Bad: banks with none.",
            '@_gpu_row_remapping_banks{ALL, spares=~"low|none"}',
            "{{gpu}} {{spares}}",
            warn=1,
        ),
        _both(
            "PCIe replays",
            "PCIe packets that were sent again. Bad: a rate that stays; the link is bad.",
            "rate(@_gpu_pcie_replays_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="ops",
            warn=1,
        ),
        _both(
            "PCIe link degraded",
            "1 if speed or width is below what both ends support. Bad: width; an idle GPU lowers its speed.",
            "@_pci_link_degraded{ALL}",
            "{{pci_address}} {{aspect}}",
            bad=1,
        ),
        _both(
            "Resets counted by the BMC",
            "Resets in each interval, by kind. Bad: any while a guest runs; entry without exit is a GPU stuck in reset.",
            "increase(@_gpu_resets_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}} {{phase}}",
            bad=1,
            empty="no GPU with data from a BMC",
        ),
        graph(
            "Lost GPUs",
            "1 if the GPU no longer answers its driver. Bad: any.",
            Query("hostcollector_host_gpu_lost{HOST}", "{{gpu}} {{instance}}"),
            bad=1,
            empty="no GPU with NVIDIA's driver on the host",
        ),
    ),
)
_NVLINK = Row(
    title="NVLink",
    panels=(
        _both(
            "Data received",
            "Data over NVLink. Bad: one GPU of a job far below the others.",
            "rate(@_gpu_nvlink_receive_bytes_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        _both(
            "Data sent",
            "Data over NVLink. Bad: one GPU of a job far below the others.",
            "rate(@_gpu_nvlink_transmit_bytes_total{ALL}[$__rate_interval])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        _both(
            "Errors",
            "Errors in each interval, by kind. Bad: replay and recovery.",
            "increase(@_gpu_nvlink_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no NVLinks",
        ),
        _both(
            "Links up",
            "Active NVLinks. Bad: fewer than on other GPUs of the host.",
            "sum without (link) (@_gpu_nvlink_up{ALL})",
            "{{gpu}}",
            empty="no NVLinks",
        ),
    ),
)
_SHARED = Row(
    title="vGPUs and MIG",
    panels=(
        graph(
            "vGPU licences",
            "1 if the guest's driver has a licence. Bad: 0; the vGPU is slowed down later.",
            Query("libvirt_domain_gpu_vgpu_licensed{GUEST}", "{{gpu}}, {{domain}} ({{tenant}})"),
            bad=0.5,
            low_is_bad=True,
            empty="no vGPUs",
            leads_to=Target.GUEST,
        ),
        graph(
            "Memory of MIG instances in use",
            "Share of each instance's memory. Bad: 100 %.",
            Query(
                "hostcollector_host_gpu_mig_memory_used_bytes{HOST} / hostcollector_host_gpu_mig_memory_bytes{HOST}",
                "{{gpu}} {{gpu_instance}}/{{compute_instance}} {{instance}}",
            ),
            unit="percentunit",
            maximum=1,
            empty="no MIG instances",
        ),
    ),
)

BOARD = Board(
    name="gpu",
    title="GPUs",
    description="GPUs of guests and of the host: which one is unhealthy, which one idles, and which tenant has it?",
    depth=Depth.GUESTS,
    rows=(_WHICH, _USE, _HEAT, _HEALTH, _NVLINK, _SHARED),
)
