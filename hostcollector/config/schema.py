"""Which keys there are, and what each of them takes: one table per section, named as the settings' fields."""

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

import yaml

from hostcollector.config import values
from hostcollector.config.document import Place, UnfitError, described, entries, quoted
from hostcollector.config.remote import Transport
from hostcollector.config.settings import (
    CollectionSettings,
    LibvirtSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    NdfcSettings,
    OvnSettings,
    OvsSettings,
    PathSettings,
    ResolverName,
    Settings,
    TenancySettings,
    WebSettings,
    XPathRule,
)

Check = Callable[[yaml.Node], Any]
Read = Callable[[yaml.Node, Place], Any]

_PREFIX = re.compile(r"[A-Za-z_][\w.-]*")

LIBVIRT: Mapping[str, Check] = {
    "uri": values.text,
    "keepalive_interval_seconds": values.whole_number(1, 3600),
    "keepalive_count": values.whole_number(1, 100),
    "listing_interval_seconds": values.whole_number(10, 86400),
    "kvm_extras": values.boolean,
}
WEB: Mapping[str, Check] = {
    "listen_address": values.listen_address,
    "telemetry_path": values.telemetry_path,
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
}
LOG: Mapping[str, Check] = {
    "level": values.choice(LogLevel),
    "format": values.choice(LogFormat),
}


def read_settings(root: yaml.Node, place: Place, source_names: Collection[str]) -> Settings:
    """Return the settings of a document. What is wrong is noted in `place`; the result then means nothing."""
    sections: Mapping[str, Read] = {
        "libvirt": _section(LibvirtSettings, LIBVIRT),
        "web": _section(WebSettings, WEB),
        "collection": _section(CollectionSettings, COLLECTION),
        "sources": lambda node, here: _known(node, here, dict.fromkeys(source_names, _leaf(values.boolean))),
        "tenancy": lambda node, here: TenancySettings(**_known(node, here, TENANCY)),
        "ovs": _section(OvsSettings, OVS),
        "ovn": _ovn,
        "ndfc": _ndfc,
        "paths": _section(PathSettings, PATHS),
        "log": _section(LogSettings, LOG),
    }
    return Settings(**_known(root, place, sections))


def _leaf(check: Check) -> Read:
    return lambda node, _: check(node)


def _section(settings: Callable[..., Any], checks: Mapping[str, Check]) -> Read:
    readers = {name: _leaf(check) for name, check in checks.items()}
    return lambda node, place: settings(**_known(node, place, readers))


def _known(node: yaml.Node, place: Place, readers: Mapping[str, Read]) -> dict[str, Any]:
    """Return what stands under the known keys of a mapping; everything else is noted as a problem."""
    found = {}
    for key, key_node, value in entries(node, place):
        if key not in readers:
            place.key(key).refuse(key_node, _unknown(key, readers))
            continue
        try:
            found[key] = readers[key](value, place.key(key))
        except UnfitError as error:
            place.key(key).refuse(value, str(error))
    return found


def _unknown(key: str, known: Collection[str]) -> str:
    near = get_close_matches(key[:100], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key; {hint}"


def _list(read: Read) -> Read:
    def check(node: yaml.Node, place: Place) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise UnfitError(f"expected a list, not {described(node)}")
        found = []
        for index, item in enumerate(node.value):
            try:
                found.append(read(item, place.item(index)))
            except UnfitError as error:
                place.item(index).refuse(item, str(error))
        return tuple(found)

    return check


def _resolvers(node: yaml.Node, place: Place) -> tuple[ResolverName, ...]:
    names: tuple[ResolverName, ...] = _list(_leaf(values.choice(ResolverName)))(node, place)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnfitError(f"given twice: {', '.join(twice)}")
    return names


def _ovn(node: yaml.Node, place: Place) -> OvnSettings:
    settings: OvnSettings = _section(OvnSettings, OVN)(node, place)
    tls = any(remote.transport is Transport.TLS for remote in settings.remote)
    if tls and settings.ca_file is None:
        raise UnfitError("ca_file is missing: the certificates that an ssl: server is checked against")
    if (settings.certificate_file is None) != (settings.private_key_file is None):
        raise UnfitError("certificate_file and private_key_file go together: give both or neither")
    return settings


def _ndfc(node: yaml.Node, place: Place) -> NdfcSettings:
    settings = NdfcSettings(**_known(node, place, NDFC))
    if not settings.url and settings != NdfcSettings():
        raise UnfitError("url is missing: the address of the controller")
    if settings.url and not settings.user:
        raise UnfitError("user is missing: an account with a role that may only read")
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
    found = _known(
        node,
        place,
        {"tenant": _leaf(values.text), "name": _leaf(values.text), "namespaces": _namespaces},
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
    "xpath": _list(_xpath_rule),
    "map_file": _leaf(values.absolute_path_or_null),
}
NDFC: Mapping[str, Read] = {
    "url": _leaf(values.https_url),
    "user": _leaf(values.text),
    "domain": _leaf(values.text),
    "password_file": _leaf(values.absolute_path_or_null),
    "ca_file": _leaf(values.absolute_path_or_null),
    "insecure_skip_verify": _leaf(values.boolean),
    "fabrics": _list(_leaf(values.text)),
    "switches": _list(_leaf(values.text)),
    "cluster": _leaf(values.text),
    "interval_seconds": _leaf(values.whole_number(60, 86400)),
}
