"""Rows about GPUs that only the BMC of their baseboard has (Redfish), and about the BMC itself.

The rows that NVIDIA's driver has too are in `gpu`: at one time only one of the two reports a GPU.
"""

from functools import partial

from hostcollector.base.model import Neighbours, Scope
from hostcollector.catalogue import vm
from hostcollector.catalogue.possible import (
    CELSIUS,
    DURATION,
    ERRORS,
    FLAG,
    PCIE_BYTES,
    RATIO,
    VOLTS,
    code,
    counted,
    measured,
    number_of,
)
from hostcollector.catalogue.rows import TwinRows, gauge, info, view

_GPU = ("gpu",)
# A reset takes a second or more.
_RESETS = counted(100)

_rows = TwinRows(
    source="redfish",
    labels=_GPU,
    guest_prefix="libvirt_domain_gpu",
    host_prefix="hostcollector_host_gpu",
    guest_note="Starts at 0 for each owner.",
    host_note="Starts at 0 whenever the GPU comes to the host.",
)

PCIE_ERRORS = _rows.counter(
    "pcie_errors", ERRORS, "PCIe errors of the GPU: correctable, nonfatal, fatal and more.", ("kind",)
)
PCIE_RECEIVED = _rows.counter(
    "pcie_receive_bytes", PCIE_BYTES, "Data that the GPU received over PCIe.", unit="bytes"
)
PCIE_TRANSMITTED = _rows.counter(
    "pcie_transmit_bytes", PCIE_BYTES, "Data that the GPU sent over PCIe.", unit="bytes"
)
RESETS = _rows.counter(
    "resets",
    _RESETS,
    "Resets of the GPU by kind: pf_flr, conventional, fundamental, irot; by phase: entry, exit.",
    ("kind", "phase"),
)
LAST_RESET = _rows.gauge(
    "last_reset_id",
    # 0 has no meaning: a BMC without a word for it has no series.
    measured(1, 4, unknown=()),
    "Kind of the last reset: 1 conventional, 2 fundamental, 3 irot, 4 pf_flr.",
)
HEALTH = _rows.gauge("health_id", code(2), "Health: 0 OK, 1 warning, 2 critical.")
VOLTAGE = _rows.gauge("voltage_volts", VOLTS, "Voltage of the GPU's core.", unit="volts")
MEMORY_USED_RATIO = _rows.gauge(
    "memory_used_ratio",
    RATIO,
    "Share of the device memory in use.",
    unit="ratio",
    tenant=view(vm.GPU_MEMORY_USED_RATIO, Neighbours.NONE, labels={"gpu": "gpu"}, whole=True),
)
ACTIVITY = _rows.gauge(
    "activity_ratio",
    RATIO,
    "Share of the last interval in which the unit was active.",
    ("unit",),
    unit="ratio",
)
SLOT_INFO = _rows.info(
    "slot_info",
    "Which GPU of the BMC this is, for joins with metrics that another exporter reads from the BMC.",
    ("pci_address", "bmc_gpu", "bmc_system", "serial", "gpu_uuid"),
    note="From the BMC, the map file, or what NVIDIA's driver reported; also without a BMC.",
    tenant=view(vm.GPU_INFO, Neighbours.NONE, labels={"gpu": "gpu", "gpu_uuid": "gpu_uuid"}, whole=True),
)
_host = partial(gauge, source="redfish", scope=Scope.HOST)

AIR_TEMPERATURE = _host(
    name="hostcollector_host_air_temperature_celsius",
    can_be=CELSIUS,
    labels=("chassis", "place", "sensor"),
    unit="celsius",
    help="Temperature of the air that comes in (inlet) or goes out (exhaust), from the BMC.",
)
LEAK = _host(
    name="hostcollector_host_leak_detector_state_id",
    can_be=code(2),
    labels=("chassis", "detector"),
    help="Leak detector of the liquid cooling: 0 OK, 1 warning, 2 critical.",
)
CHASSIS_POWER = _host(
    name="hostcollector_host_chassis_power_watts",
    can_be=measured(0, 10**6, unknown=(65.535, 65535)),
    labels=("chassis",),
    unit="watts",
    help="Power that the whole chassis draws, from the BMC.",
)
SUPPLY_HEALTH = _host(
    name="hostcollector_host_power_supply_health_id",
    can_be=code(2),
    labels=("chassis", "supply"),
    help="Health of the power supply: 0 OK, 1 warning, 2 critical.",
)
SUPPLY_POWER = _host(
    name="hostcollector_host_power_supply_power_watts",
    can_be=measured(0, 10**6, unknown=(65.535, 65535)),
    labels=("chassis", "supply"),
    unit="watts",
    help="Power that the power supply takes in.",
)
LOG_ENTRIES = _host(
    name="hostcollector_host_bmc_log_entries",
    can_be=number_of(10**7),
    labels=("log", "severity"),
    help="Entries of the BMC's event log by severity: warning, critical. Falls when the log is cleared.",
)

REDFISH_UP = gauge(
    name="hostcollector_host_redfish_up",
    can_be=FLAG,
    source="redfish",
    scope=Scope.HOST,
    help="1 if the BMC's last answer is recent; with 0 nothing that it said before is shown any more.",
)
REDFISH_INFO = info(
    name="hostcollector_host_redfish_info",
    source="redfish",
    scope=Scope.HOST,
    labels=("product", "redfish_version"),
    help="The BMC of the GPUs' baseboard.",
)
REDFISH_AGE = gauge(
    name="hostcollector_host_redfish_age_seconds",
    can_be=DURATION,
    source="redfish",
    scope=Scope.HOST,
    labels=("part",),
    unit="seconds",
    help="How long ago the BMC was polled: for its reports, NVLink ports, GPUs' resources, and chassis.",
)
GPU_INFO = info(
    name="hostcollector_host_gpu_bmc_info",
    source="redfish",
    scope=Scope.HOST,
    labels=(
        *_GPU,
        "bmc_gpu",
        "bmc_system",
        "pci_address",
        "mapped_by",
        "model",
        "serial",
        "gpu_uuid",
        "firmware_version",
    ),
    help="A GPU as the BMC knows it; pci_address is set if its map or its identity says which one it is.",
)
