"""Which keys there are, and what each of them takes: one table per section, named as the settings' fields."""

import re
from collections.abc import Collection, Mapping

import yaml

from hostcollector.base.log import LogFormat, LogLevel
from hostcollector.config import checks as values
from hostcollector.config.document import Place, UnfitError, entries, quoted
from hostcollector.config.infiniband import infiniband
from hostcollector.config.remote import Transport
from hostcollector.config.sections import Check, Read, known, leaf, list_of, repeated, section
from hostcollector.config.services import NDFC, REDFISH, UFM, service
from hostcollector.config.settings import (
    CollectionSettings,
    LibvirtSettings,
    LogSettings,
    NdfcSettings,
    OvnSettings,
    OvsSettings,
    PathSettings,
    RedfishSettings,
    ResolverName,
    Settings,
    TenancySettings,
    UfmSettings,
    WebSettings,
    XPathRule,
)

_PREFIX = re.compile(r"[A-Za-z_][\w.-]*")

LIBVIRT: Mapping[str, Check] = {
    "uri": values.libvirt_uri,
    "keepalive_interval_seconds": values.whole_number(1, 3600),
    "keepalive_count": values.whole_number(1, 100),
    "listing_interval_seconds": values.whole_number(10, 86400),
    "kvm_extras": values.boolean,
}
WEB: Mapping[str, Check] = {
    "listen_address": values.listen_address,
    "telemetry_path": values.telemetry_path,
    "config_file": values.absolute_path_or_null,
    "systemd_socket": values.boolean,
}
COLLECTION: Mapping[str, Check] = {
    "budget_seconds": values.number(0.1, 300),
    "timeout_margin_seconds": values.number(0, 60),
    "maximum_age_seconds": values.number(0, 60),
    "series_limit": values.whole_number(1, 10_000_000),
}
OVS: Mapping[str, Check] = {
    "remote": values.local_remote,
    "maximum_age_seconds": values.number(1, 300),
}
OVN: Mapping[str, Check] = {
    "remote": values.remotes,
    "maximum_age_seconds": values.number(1, 3600),
    "ca_file": values.absolute_path_or_null,
    "certificate_file": values.absolute_path_or_null,
    "private_key_file": values.absolute_path_or_null,
}
PATHS: Mapping[str, Check] = {
    "root": values.absolute_path,
    "state_directory": values.absolute_path,
    "runtime_directory": values.absolute_path_or_empty,
}
LOG: Mapping[str, Check] = {
    "level": values.choice(LogLevel),
    "format": values.choice(LogFormat),
}


def read_settings(root: yaml.Node, place: Place, source_names: Collection[str]) -> Settings:
    """Return the settings of a document. What is wrong is noted in `place`; the result then means nothing."""
    sections: Mapping[str, Read] = {
        "libvirt": section(LibvirtSettings, LIBVIRT),
        "web": section(WebSettings, WEB),
        "collection": section(CollectionSettings, COLLECTION),
        "sources": lambda node, here: known(node, here, dict.fromkeys(source_names, leaf(values.boolean))),
        "tenancy": lambda node, here: TenancySettings(**known(node, here, TENANCY)),
        "ovs": section(OvsSettings, OVS),
        "ovn": _ovn,
        "ndfc": service(NdfcSettings, NDFC, "the controller"),
        "infiniband": infiniband,
        "ufm": service(UfmSettings, UFM, "the fabric's manager"),
        "redfish": service(RedfishSettings, REDFISH, "the BMC"),
        "paths": section(PathSettings, PATHS),
        "log": section(LogSettings, LOG),
    }
    return Settings(**known(root, place, sections))


def _resolvers(node: yaml.Node, place: Place) -> tuple[ResolverName, ...]:
    names: tuple[ResolverName, ...] = list_of(leaf(values.choice(ResolverName)))(node, place)
    if twice := repeated(names):
        raise UnfitError(f"given twice: {', '.join(twice)}")
    return names


def _ovn(node: yaml.Node, place: Place) -> OvnSettings:
    settings: OvnSettings = section(OvnSettings, OVN)(node, place)
    tls = any(remote.transport is Transport.TLS for remote in settings.remote)
    if tls and settings.ca_file is None:
        raise UnfitError("ca_file is missing: the certificates that an ssl: server is checked against")
    if (settings.certificate_file is None) != (settings.private_key_file is None):
        raise UnfitError("certificate_file and private_key_file go together: give both or neither")
    return settings


def _namespaces(node: yaml.Node, place: Place) -> dict[str, str]:
    found = {}
    for prefix, key_node, value in entries(node, place):
        here = place.key(prefix)
        if not _PREFIX.fullmatch(prefix):
            here.refuse(key_node, f"{quoted(prefix)} cannot be a namespace prefix")
        try:
            found[prefix] = values.text(value)
        except UnfitError as error:
            here.refuse(value, str(error))
    return found


def _xpath_rule(node: yaml.Node, place: Place) -> XPathRule | None:
    noted = len(place.problems)
    found = known(
        node,
        place,
        {"tenant": leaf(values.text), "name": leaf(values.text), "namespaces": _namespaces},
    )
    if len(place.problems) > noted:
        return None  # a path cannot be judged without its prefixes
    if "tenant" not in found:
        raise UnfitError("tenant is missing: the path of the tenant's id")
    for field in ("tenant", "name"):
        complaint = (
            values.xpath_complaint(found[field], found.get("namespaces", {})) if field in found else ""
        )
        if complaint:
            place.key(field).refuse(node, complaint)
    return XPathRule(**found)


TENANCY: Mapping[str, Read] = {
    "resolvers": _resolvers,
    "xpath": list_of(_xpath_rule),
    "map_file": leaf(values.absolute_path_or_null),
}
