"""Rows about PCI functions: the health of what guests were given, and of the host's GPUs and NVSwitches.

A GPU, an NVSwitch and a network card that went to one guest are described by the same rows.
"""

from hostcollector.catalogue.possible import ERRORS, FLAG, code, measured, number_of
from hostcollector.catalogue.rows import TwinRows

# 2.5 GT/s is the slowest link; a width of 63 or 255 is a link that is down.
_TRANSFERS = measured(1e9, 1e12, unknown=())
_LANES = number_of(32, least=1)

_rows = TwinRows(
    source="vfio",
    labels=("pci_address",),
    guest_prefix="libvirt_domain_pci",
    host_prefix="hostcollector_host_pci",
    guest_note="Starts at 0 for each owner.",
    host_note="Starts at 0 whenever the device becomes free.",
)

LINK_SPEED = _rows.gauge(
    "link_transfers_per_second",
    _TRANSFERS,
    "Speed of the PCIe link per lane; absent while the device sleeps.",
)
LINK_MAXIMUM_SPEED = _rows.gauge(
    "link_maximum_transfers_per_second",
    _TRANSFERS,
    "Speed per lane that device and upstream port can do.",
)
LINK_WIDTH = _rows.gauge(
    "link_width", _LANES, "Lanes of the PCIe link in use; absent while the device sleeps."
)
LINK_MAXIMUM_WIDTH = _rows.gauge("link_maximum_width", _LANES, "Lanes that device and upstream port have.")
LINK_DEGRADED = _rows.gauge(
    "link_degraded",
    FLAG,
    "1 if the link is below what both ends can do, in speed or in width; idle GPUs lower the speed.",
    ("aspect",),
)
UPLINK_DEGRADED = _rows.gauge(
    "uplink_degraded",
    FLAG,
    "The same of the link above a switch, which is named by the switch's upper port.",
    ("switch_port", "aspect"),
)
POWER_STATE = _rows.gauge("power_state_id", code(4), "Power state: 0 D0, 1 D1, 2 D2, 3 D3hot, 4 D3cold.")
RUNTIME_ACTIVE = _rows.gauge(
    "runtime_active", FLAG, "1 if the device is awake, 0 if it sleeps (runtime power management)."
)
INFO = _rows.info(
    "info",
    "What the PCI function is, and how the host handles it.",
    (
        *("device_class", "vendor", "model", "driver", "numa_node"),
        *("iommu_group", "reset_method", "upstream_port"),
    ),
)
ERRORS_BY_SEVERITY = _rows.counter(
    "aer_errors",
    ERRORS,
    "Errors that PCIe advanced error reporting (AER) found at the device, by severity.",
    ("severity",),
)
ERRORS_BY_KIND = _rows.counter(
    "aer_errors_by_kind",
    ERRORS,
    "The same errors by the kernel's name for their kind; kinds never met are absent.",
    ("severity", "kind"),
)
UPSTREAM_ERRORS_BY_SEVERITY = _rows.counter(
    "upstream_aer_errors",
    ERRORS,
    "Errors at the other end of the device's link, by severity.",
    ("upstream_port", "severity"),
)
UPSTREAM_ERRORS_BY_KIND = _rows.counter(
    "upstream_aer_errors_by_kind",
    ERRORS,
    "The same errors by the kernel's name for their kind.",
    ("upstream_port", "severity", "kind"),
)
