"""Rows about PCI functions: the health of what guests were given, and of the host's GPUs and NVSwitches.

A GPU, an NVSwitch and a network card that went to one guest are described by the same rows.
"""

from functools import partial

from hostcollector.catalogue.rows import counter, gauge, info
from hostcollector.model import Metric, Scope

_PCI = ("pci_address",)

# Key, which is also the name's ending; further labels; help.
_GAUGES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("link_transfers_per_second", (), "Speed of the PCIe link per lane; absent while the device sleeps."),
    ("link_maximum_transfers_per_second", (), "Speed per lane that device and upstream port can do."),
    ("link_width", (), "Lanes of the PCIe link in use; absent while the device sleeps."),
    ("link_maximum_width", (), "Lanes that device and upstream port have."),
    (
        "link_degraded",
        ("aspect",),
        "1 if the link is below what both ends can do, in speed or in width; idle GPUs lower the speed.",
    ),
    ("power_state_id", (), "Power state: 0 D0, 1 D1, 2 D2, 3 D3hot, 4 D3cold."),
    (
        "runtime_active",
        (),
        "1 if the device is awake, 0 if it sleeps (runtime power management).",
    ),
)


def _rows(prefix: str, scope: Scope, whose: str) -> dict[str, Metric]:
    """Return all rows of a PCI function by key, for guests' functions or for the host's."""
    count = partial(counter, source="vfio", scope=scope, note=whose)
    rows = {
        key: gauge(name=f"{prefix}_{key}", source="vfio", scope=scope, labels=(*_PCI, *labels), help=text)
        for key, labels, text in _GAUGES
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
