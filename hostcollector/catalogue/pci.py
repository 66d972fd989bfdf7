"""Rows about PCI functions: the health of what guests were given, and of the host's GPUs and NVSwitches.

A GPU, an NVSwitch and a network card that went to one guest are described by the same rows.
"""

from functools import partial

from hostcollector.base.model import Metric, Possible, Scope
from hostcollector.catalogue.possible import ERRORS, FLAG, code, measured, number_of
from hostcollector.catalogue.rows import counter, gauge, info

_PCI = ("pci_address",)
# 2.5 GT/s is the slowest link; a width of 63 or 255 is a link that is down.
_TRANSFERS = measured(1e9, 1e12, unknown=())
_LANES = number_of(32, least=1)

# Key, which is also the name's ending; further labels; what it can be; help.
_GAUGES: tuple[tuple[str, tuple[str, ...], Possible, str], ...] = (
    (
        "link_transfers_per_second",
        (),
        _TRANSFERS,
        "Speed of the PCIe link per lane; absent while the device sleeps.",
    ),
    (
        "link_maximum_transfers_per_second",
        (),
        _TRANSFERS,
        "Speed per lane that device and upstream port can do.",
    ),
    ("link_width", (), _LANES, "Lanes of the PCIe link in use; absent while the device sleeps."),
    ("link_maximum_width", (), _LANES, "Lanes that device and upstream port have."),
    (
        "link_degraded",
        ("aspect",),
        FLAG,
        "1 if the link is below what both ends can do, in speed or in width; idle GPUs lower the speed.",
    ),
    (
        "uplink_degraded",
        ("switch_port", "aspect"),
        FLAG,
        "The same of the link above a switch, for which the switch's upper port stands.",
    ),
    ("power_state_id", (), code(4), "Power state: 0 D0, 1 D1, 2 D2, 3 D3hot, 4 D3cold."),
    (
        "runtime_active",
        (),
        FLAG,
        "1 if the device is awake, 0 if it sleeps (runtime power management).",
    ),
)


def _rows(prefix: str, scope: Scope, whose: str) -> dict[str, Metric]:
    """Return all rows of a PCI function by key, for guests' functions or for the host's."""
    count = partial(counter, source="vfio", scope=scope, can_be=ERRORS, note=whose)
    show = partial(gauge, source="vfio", scope=scope)
    rows = {
        key: show(name=f"{prefix}_{key}", can_be=can_be, labels=(*_PCI, *labels), help=text)
        for key, labels, can_be, text in _GAUGES
    }
    rows["info"] = info(
        name=f"{prefix}_info",
        source="vfio",
        scope=scope,
        labels=(
            *_PCI,
            "device_class",
            "vendor",
            "model",
            "driver",
            "numa_node",
            "iommu_group",
            "reset_method",
            "upstream_port",
        ),
        help="What the PCI function is, and how the host handles it.",
    )
    rows["errors"] = count(
        name=f"{prefix}_aer_errors_total",
        labels=(*_PCI, "severity"),
        help="Errors that PCIe advanced error reporting (AER) found at the device, by severity.",
    )
    rows["errors_by_kind"] = count(
        name=f"{prefix}_aer_errors_by_kind_total",
        labels=(*_PCI, "severity", "kind"),
        help="The same errors by the kernel's name for their kind; kinds never met are absent.",
    )
    rows["upstream_errors"] = count(
        name=f"{prefix}_upstream_aer_errors_total",
        labels=(*_PCI, "upstream_port", "severity"),
        help="Errors at the other end of the device's link, by severity.",
    )
    rows["upstream_errors_by_kind"] = count(
        name=f"{prefix}_upstream_aer_errors_by_kind_total",
        labels=(*_PCI, "upstream_port", "severity", "kind"),
        help="The same errors by the kernel's name for their kind.",
    )
    return rows


GUEST = _rows("libvirt_domain_pci", Scope.DOMAIN, "Starts at 0 for each owner.")
HOST = _rows("hostcollector_host_pci", Scope.HOST, "Starts at 0 whenever the device becomes free.")
