"""The board that answers: which GPU is unhealthy, which one idles, and which tenant has it."""

from dashboards.src.board import Board
from dashboards.src.gpu_health import HEALTH, NVLINK, SHARED
from dashboards.src.gpu_panels import SLOW, both, in_states
from dashboards.src.panels import (
    GOOD,
    Column,
    Query,
    Row,
    Table,
    Target,
    graph,
)
from dashboards.src.queries import NAMES, SERVER, named
from dashboards.src.variables import Scope

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
        in_states(
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
        both(
            "GPU utilization",
            "Share of time in which the GPU was busy. Bad: 0 on an assigned GPU, or on one GPU of a job.",
            '@_gpu_utilization_ratio{ALL, engine="gpu"}',
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
        ),
        both(
            "Device memory in use",
            "Share of the device memory, by NVIDIA's driver or by the BMC. Bad: 100 %, programs fail.",
            "@_gpu_memory_used_bytes{ALL} / (@_gpu_memory_bytes{ALL} > 0) or @_gpu_memory_used_ratio{ALL}",
            "{{gpu}}",
            unit="percentunit",
            maximum=1,
            warn=0.9,
            bad=0.98,
        ),
        both(
            "What the units do",
            "Share of time in which each unit was active: SM, tensor, memory and others. Bad: tensor near 0 in a training"
            " job.",
            "@_gpu_activity_ratio{ALL}",
            "{{gpu}} {{unit}}",
            "no GPU with data from a BMC",
            unit="percentunit",
            maximum=1,
        ),
        both(
            "PCIe data",
            "Data over PCIe, received by the GPU. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_pcie_receive_bytes_total{{ALL}}[{SLOW}])",
            "{{gpu}}",
            "no GPU with data from a BMC",
            unit="Bps",
        ),
        both(
            "PCIe data sent",
            "Data over PCIe, sent by the GPU. Bad: one GPU of a job far below the others.",
            f"rate(@_gpu_pcie_transmit_bytes_total{{ALL}}[{SLOW}])",
            "{{gpu}}",
            "no GPU with data from a BMC",
            unit="Bps",
        ),
        both(
            "Power, share of the limit",
            "Power draw of the GPU by its limit. Bad: 100 % with low clocks; 0 with full use.",
            "@_gpu_power_watts{ALL} / (@_gpu_power_limit_watts{ALL} > 0)",
            "{{gpu}}",
            unit="percentunit",
        ),
        both(
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
        both(
            "Temperature",
            "Temperature of each GPU. Bad: above 85 °C; the GPU slows down, then shuts off.",
            "@_gpu_temperature_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=80,
            bad=85,
        ),
        both(
            "Memory temperature",
            "Temperature of the device memory. Bad: above 95 °C.",
            "@_gpu_memory_temperature_celsius{ALL}",
            "{{gpu}}",
            unit="celsius",
            warn=90,
            bad=95,
        ),
        both(
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
        both(
            "Clocks",
            "Clocks at present. Bad: one GPU of a job below the others.",
            "@_gpu_clock_hertz{ALL}",
            "{{gpu}} {{clock}}",
            unit="hertz",
        ),
        both(
            "Core voltage",
            "Voltage of the GPU. Bad: one GPU that differs from the others at the same clocks.",
            "@_gpu_voltage_volts{ALL}",
            "{{gpu}}",
            "no GPU with data from a BMC",
            unit="volt",
        ),
        both(
            "Clock throttling",
            "Share of time in which clocks were throttled, by reason. Bad: thermal, board_limit, reliability.",
            "rate(@_gpu_throttle_seconds_total{ALL}[$__rate_interval])",
            "{{gpu}} {{reason}}",
            unit="percentunit",
            warn=0.1,
        ),
        in_states(
            "Active throttle reasons",
            "Why clocks are below their maximum now. Bad: hw_slowdown, hw_thermal, hw_power_brake.",
            '@_gpu_clocks_held{ALL, reason!="idle"} == 1',
            "{{gpu}} {{reason}}",
            "none",
            values={"1": ("held", "orange")},
        ),
    ),
)
BOARD = Board(
    name="gpu",
    title="GPUs",
    description="GPUs of a hypervisor and of its guests: which one is unhealthy, which one idles, and which tenant has it?",
    scope=Scope.DEVICES,
    rows=(_WHICH, _USE, _HEAT, HEALTH, NVLINK, SHARED),
)
