"""What the common exporters show and this page leaves out on purpose, by their name, with the reason.

Everything else that the Tinkoff exporter 2.3 and the inovex exporter 2.5 show has a row of the same name.
"""

from collections.abc import Mapping
from types import MappingProxyType

_REFRESH = (
    "Figures of a storage pool are as old as its last refresh, and a refresh is a write that scans all its "
    "volumes and hangs on an NFS server that does not answer. The host's file system metrics have the space."
)
_STATE = (
    "Shows that the pool was started, not that its storage answers. "
    "A guest that lost its disk has libvirt_domain_state_reason and libvirt_domain_events_total."
)
_NO_CALL = (
    "Goes with the storage pools: nothing is asked that could time out. Guests have libvirt_domain_timed_out."
)

PEER_METRICS: Mapping[str, str] = MappingProxyType(
    {
        "libvirt_pool_info_capacity_bytes": _REFRESH,
        "libvirt_pool_info_allocation_bytes": _REFRESH,
        "libvirt_pool_info_available_bytes": _REFRESH,
        "libvirt_storage_pool_state": _STATE,
        "libvirt_storage_pool_capacity_bytes": _REFRESH,
        "libvirt_storage_pool_allocation_bytes": _REFRESH,
        "libvirt_storage_pool_available_bytes": _REFRESH,
        "libvirt_storage_pool_timed_out": _NO_CALL,
    }
)
"""Name of another exporter's metric to the reason why it has no row here."""
