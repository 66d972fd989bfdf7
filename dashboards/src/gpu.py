"""The board that answers: which GPU is unhealthy, which one idles, and which tenant has it."""

from collections.abc import Callable

from dashboards.src.board import Board
from dashboards.src.panels import (
    FAULT,
    GOOD,
    Column,
    Panel,
    Query,
    Row,
    States,
    Table,
    Target,
    graph,
    states,
)
from dashboards.src.queries import NAMES, SERVER, named
from dashboards.src.variables import Scope

_SLOW = "15m"
"""A window for what the BMC reports every `redfish.ports_interval_seconds` (300): three of its readings."""


def _both(
    title: str,
    description: str,
    pattern: str,
    legend: str,
    empty: str = "no GPU reports it",
    *,
    draw: Callable[..., Panel] = graph,
    **about: object,
) -> Panel:
    """Return a panel of a family that GPUs of guests and those of the host share; `@` is its prefix and `{ALL` its scope."""
    of_guests = pattern.replace("@", "libvirt_domain").replace("{ALL", "{OWNED")
    of_host = pattern.replace("@", "hostcollector_host").replace("{ALL", "{HOST")
    return draw(
        title,
        description,
        Query(named(f"({of_guests})", "OWNED"), f"{legend}, {SERVER}"),
        Query(of_host, f"{legend}, host"),
        empty=empty,
        **about,
    )


def _states(
    title: str,
    description: str,
    pattern: str,
    legend: str,
    empty: str = "no GPU reports it",
    *,
    values: States = FAULT,
    **about: object,
) -> Panel:
    """Return the same as bands of named states."""
    return _both(title, description, pattern, legend, empty, draw=states, states=values, unit="none", **about)


_INFO = "gpu:hostcollector_gpu:info"
_WHICH = Row(
    title="Inventory",
    panels=(
        Table(
            title="GPUs of guests",
            description="Passed-through GPUs and vGPUs by owner. Bad: a mode or model that differs from the flavour.",
            columns=(
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Serial", "serial"),
                Column("Mode", "mode"),
                Column("Server", "server", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Flavour", "flavor"),
                Column("UUID", "uuid", hidden=True),
                Column(
                    "Is",
                    expr=f"{_INFO}{{OWNED}} * on (job, instance, uuid) group_left (server, project, flavor) {NAMES}{{OWNED}}",
                    hidden=True,
                ),
            ),
            width=14,
            empty="no guest has a GPU",
        ),
        Table(
            title="GPUs of the host",
            description="GPUs without a guest, or split into vGPUs. Bad: an idle GPU that should be assigned.",
            columns=(
                Column("GPU", "gpu"),
                Column("Model", "model"),
                Column("Serial", "serial"),
                Column("Mode", "mode"),
                Column("Is", expr=f'{_INFO}{{HOST, uuid=""}}', hidden=True),
            ),
            width=10,
            empty="every GPU has a guest",
        ),
        _states(
            "Whether a source reports the GPU",
            "Bad: no; the BMC is the only source for a passed-through GPU.",
            "max without (source, pci_address) (@_gpu_observable{ALL})",
            "{{gpu}}",
            values=GOOD,
            width=24,
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
            "Share of the device memory, by NVIDIA's driver or by the BMC. Bad: 100 %, programs fail.",
            "@_gpu_memory_used_bytes{ALL} / (@_gpu_memory_bytes{ALL} > 0) or @_gpu_memory_used_ratio{ALL}",
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
            warn=0.9,
            bad=0.98,
        ),
        _both(
            "What the units do",
            "Share of time in which each unit was active: SM, tensor, memory and others. Bad: tensor near 0 in a training"
            " job.",
            "@_gpu_activity_ratio{ALL}",
            "{{gpu}} {{unit}}",
            "no GPU with data from a BMC",
            unit="percentunit",
            maximum=1,
        ),
        _both(
            "PCIe data",
            "Data over PCIe, received by the GPU. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_pcie_receive_bytes_total{{ALL}}[{_SLOW}])",
            "{{gpu}}",
            "no GPU with data from a BMC",
            unit="Bps",
        ),
        _both(
            "PCIe data sent",
            "Data over PCIe, sent by the GPU. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_pcie_transmit_bytes_total{{ALL}}[{_SLOW}])",
            "{{gpu}}",
            "no GPU with data from a BMC",
            unit="Bps",
        ),
        _both(
            "Power, share of the limit",
            "Power draw of the GPU by its limit. Bad: 100 % with low clocks; 0 with full use.",
            "@_gpu_power_watts{ALL} / (@_gpu_power_limit_watts{ALL} > 0)",
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
            Query(named("uuid:libvirt_domain_gpu_energy_joules:sum_rate5m{OWNED}", "OWNED"), SERVER),
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
            "Clocks",
            "Clocks at present. Bad: one GPU of a job below the others.",
            "@_gpu_clock_hertz{ALL}",
            "{{gpu}} {{clock}}",
            unit="hertz",
        ),
        _both(
            "Core voltage",
            "Voltage of the GPU. Bad: one GPU that differs from the others at the same clocks.",
            "@_gpu_voltage_volts{ALL}",
            "{{gpu}}",
            "no GPU with data from a BMC",
            unit="volt",
        ),
        _both(
            "Clock throttling",
            "Share of time in which clocks were throttled, by reason. Bad: thermal, board_limit, reliability.",
            "rate(@_gpu_throttle_seconds_total{ALL}[$__rate_interval])",
            "{{gpu}} {{reason}}",
            unit="percentunit",
            warn=0.1,
        ),
        _states(
            "Active throttle reasons",
            "Why clocks are below their maximum now. Bad: hw_slowdown, hw_thermal, hw_power_brake.",
            '@_gpu_clocks_held{ALL, reason!="idle"} == 1',
            "{{gpu}} {{reason}}",
            "none",
            values={"1": ("held", "orange")},
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
                "{{gpu}}",
            ),
            Query(
                "increase(hostcollector_host_gpu_xid_events_by_code_total{HOST}[$__rate_interval]) > 0",
                "{{gpu}} Xid {{xid}}",
            ),
            bad=1,
            empty="no GPU with NVIDIA's driver on the host",
        ),
        _states(
            "Health reported by the BMC",
            "Bad: warning and critical; the BMC's event log has the reason.",
            "@_gpu_health_id{ALL}",
            "{{gpu}}",
            "no GPU with data from a BMC",
            values={"0": ("OK", "green"), "1": ("warning", "orange"), "2": ("critical", "red")},
        ),
        _both(
            "PCIe errors counted by the GPU",
            "PCIe errors that the GPU itself counts, in each interval. Bad: nonfatal and fatal ones.",
            "increase(@_gpu_pcie_errors_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}}",
            bad=1,
            empty="no GPU with data from a BMC",
        ),
        _states(
            "Row remapping pending or failed",
            "Bad rows that wait for a reset, or could not be replaced. Bad: any; after a failure replace the GPU.",
            "@_gpu_row_remapping_pending{ALL} + 2 * @_gpu_row_remapping_failed{ALL}",
            "{{gpu}}",
            values={
                "0": ("no", "green"),
                "1": ("waits for a reset", "orange"),
                "2": ("failed", "red"),
                "3": ("failed, and waits", "red"),
            },
        ),
        _both(
            "Remapped rows",
            "Rows of memory that were replaced in a quarter of an hour. Bad: after uncorrected errors.",
            f"increase(@_gpu_remapped_rows_total{{ALL}}[{_SLOW}])",
            "{{gpu}} {{severity}}",
            warn=1,
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
        _states(
            "PCIe link degraded",
            "Whether speed or width is below what both ends support. Bad: width; an idle GPU lowers its speed.",
            "@_pci_link_degraded{ALL}",
            "{{pci_address}} {{aspect}}",
        ),
        _both(
            "Resets counted by the BMC",
            "Resets in each interval, by kind. Bad: any while a guest runs; entry without exit is a GPU stuck in reset.",
            "increase(@_gpu_resets_total{ALL}[$__rate_interval])",
            "{{gpu}} {{kind}} {{phase}}",
            bad=1,
            empty="no GPU with data from a BMC",
        ),
        states(
            "Lost GPUs",
            "Whether the GPU no longer answers its driver. Bad: any.",
            Query("hostcollector_host_gpu_lost{HOST}", "{{gpu}}"),
            states=FAULT,
            unit="none",
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
            f"rate(@_gpu_nvlink_receive_bytes_total{{ALL}}[{_SLOW}])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        _both(
            "Data sent",
            "Data over NVLink. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_nvlink_transmit_bytes_total{{ALL}}[{_SLOW}])",
            "{{gpu}}",
            unit="Bps",
            empty="no NVLinks",
        ),
        _both(
            "Errors",
            "Errors in a quarter of an hour, by kind. Bad: replay and recovery.",
            f"increase(@_gpu_nvlink_errors_total{{ALL}}[{_SLOW}])",
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
        states(
            "vGPU licences",
            "Whether the guest's driver has a licence. Bad: no; the vGPU is slowed down later.",
            Query(named("libvirt_domain_gpu_vgpu_licensed{OWNED}", "OWNED"), f"{{{{gpu}}}}, {SERVER}"),
            states=GOOD,
            unit="none",
            empty="no vGPUs",
            leads_to=Target.GUEST,
        ),
        graph(
            "Memory of MIG instances in use",
            "Share of each instance's memory. Bad: 100 %.",
            Query(
                "hostcollector_host_gpu_mig_memory_used_bytes{HOST} / hostcollector_host_gpu_mig_memory_bytes{HOST}",
                "{{gpu}} {{gpu_instance}}/{{compute_instance}}",
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
    description="GPUs of a hypervisor and of its guests: which one is unhealthy, which one idles, and which tenant has it?",
    scope=Scope.DEVICES,
    rows=(_WHICH, _USE, _HEAT, _HEALTH, _NVLINK, _SHARED),
)
