"""The link to libvirt: read-only connections, their event loop, events as plain values.

With the calls and the `libvirt_*` sources this is the only importer of `libvirt`; everybody else sees frozen
values.
"""

from hostcollector.libvirt_link.connection import Connection, Link, Slot, Versions
from hostcollector.libvirt_link.events import DomainEvent, subscribe

__all__ = [
    "Connection",
    "DomainEvent",
    "Link",
    "Slot",
    "Versions",
    "subscribe",
]
