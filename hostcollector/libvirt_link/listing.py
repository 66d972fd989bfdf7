"""Lists active domains and reads their live XML, as plain values."""

from dataclasses import dataclass
from typing import Any

import libvirt

from hostcollector.errors import DomainXmlError, SourceUnavailableError
from hostcollector.libvirt_link.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDomain:
    """An active domain: its UUID and name, and `handle` to read its XML with on the same connection."""

    uuid: str
    name: str
    handle: Any


def list_active(connection: Connection) -> list[ListedDomain]:
    """Return all active domains, running, paused or whatever. Raises `SourceUnavailableError`.

    Only active ones: asking anything of a shut-off domain may open its disk images.
    """
    try:
        handles = connection.raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    except libvirt.libvirtError as error:
        raise SourceUnavailableError(f"libvirt cannot list its domains: {error}") from error
    return [ListedDomain(uuid=handle.UUIDString(), name=handle.name(), handle=handle) for handle in handles]


def find_active(connection: Connection, uuid: str) -> ListedDomain | None:
    """Return the active domain with `uuid`, or None when it is gone. Raises `SourceUnavailableError`."""
    try:
        handle = connection.raw.lookupByUUIDString(uuid)
        if not handle.isActive():
            return None
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise SourceUnavailableError(f"libvirt cannot look up domain {uuid}: {error}") from error
    return ListedDomain(uuid=uuid, name=handle.name(), handle=handle)


def read_xml(connection: Connection, listed: ListedDomain) -> str:
    """Return the domain's live XML.

    Raises `DomainXmlError` when it cannot be had, and `SourceUnavailableError` when that is the connection's
    fault, which says nothing about the domain.
    """
    try:
        return str(listed.handle.XMLDesc(0))
    except UnicodeError as error:
        raise DomainXmlError(str(error)) from error
    except libvirt.libvirtError as error:
        if not connection.is_open():
            raise SourceUnavailableError(f"libvirt went away during its listing: {error}") from error
        raise DomainXmlError(str(error)) from error
