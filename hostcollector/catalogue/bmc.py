"""Rows about GPUs that only the BMC of their baseboard tells (Redfish), and about the BMC itself.

What BMC and NVIDIA's driver both tell are rows of `gpu`: of one GPU at one time only one of them tells it.
"""

from functools import partial

from hostcollector.base.model import Metric, Possible, Scope
from hostcollector.catalogue.possible import DURATION, ERRORS, FLAG, PCIE_BYTES, RATIO, VOLTS, code
from hostcollector.catalogue.rows import counter, gauge, info

_GPU = ("gpu",)

# Key, which is also the name's ending before `_total`; further labels; unit; what it can be; help.
_COUNTERS: tuple[tuple[str, tuple[str, ...], str, Possible, str], ...] = (
    ("pcie_errors", ("kind",), "", ERRORS, "PCIe errors of the GPU: correctable, nonfatal, fatal and more."),
    ("pcie_receive_bytes", (), "bytes", PCIE_BYTES, "Data that the GPU received over PCIe."),
    ("pcie_transmit_bytes", (), "bytes", PCIE_BYTES, "Data that the GPU sent over PCIe."),
)
# Key, which is also the name's ending; further labels; unit; what it can be; help.
_GAUGES: tuple[tuple[str, tuple[str, ...], str, Possible, str], ...] = (
    ("health_id", (), "", code(2), "Health: 0 OK, 1 warning, 2 critical."),
    ("voltage_volts", (), "volts", VOLTS, "Voltage of the GPU's core."),
    ("memory_used_ratio", (), "ratio", RATIO, "Share of the device memory in use."),
    ("activity_ratio", ("unit",), "ratio", RATIO, "Share of the last interval in which the unit was active."),
)


def _rows(prefix: str, scope: Scope, note: str) -> dict[str, Metric]:
    """Return the rows of a GPU by key, for GPUs with an owner or for those of the host."""
    count = partial(counter, source="redfish", scope=scope, note=note)
    show = partial(gauge, source="redfish", scope=scope)
    rows = {
        key: count(name=f"{prefix}_{key}_total", can_be=can_be, labels=_GPU + labels, unit=unit, help=text)
        for key, labels, unit, can_be, text in _COUNTERS
    }
    for key, labels, unit, can_be, text in _GAUGES:
        rows[key] = show(name=f"{prefix}_{key}", can_be=can_be, labels=_GPU + labels, unit=unit, help=text)
    return rows


GUEST = _rows("libvirt_domain_gpu", Scope.DOMAIN, "Starts at 0 for each owner.")
HOST = _rows("hostcollector_host_gpu", Scope.HOST, "Starts at 0 whenever the GPU comes to the host.")

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
    help="How long ago the BMC was asked: for its reports, for the NVLinks' ports, for the GPUs' resources.",
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
