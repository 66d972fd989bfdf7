"""The operator's map file: UUIDs and name patterns to tenants.

uuids:
  7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55: acme
names:
  - {pattern: "i-2-*-VM", tenant: globex, name: Globex Ltd}

Values are taken as they are written: a tenant ``101`` or ``2026-13-45`` is that text, quoted or not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

import yaml

from hostcollector.config.document import (
    Place,
    Read,
    UnfitError,
    described,
    entries,
    kind,
    known,
    leaf,
    list_of,
    quoted,
)
from hostcollector.config.files import read_map

LONGEST_ID = 256
"""Characters of a tenant's id or name."""

# As libvirt writes it, and as other tools do: without dashes, in braces, in upper case.
_UUID = re.compile(
    r"(?P<brace>\{)?(?P<digits>[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(?(brace)\})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedTenant:
    """A tenant as the map file names it."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class TenantMap:
    """The content of a map file: exact UUIDs first, then name patterns in file order."""

    uuids: Mapping[str, MappedTenant]
    names: tuple[tuple[str, MappedTenant], ...] = ()

    def lookup(self, uuid: str, name: str) -> MappedTenant | None:
        """Return the tenant for a domain, or None.

        Patterns are the shell's: ``*``, ``?`` and ``[...]``; ``[[]`` is a bracket.
        """
        exact = self.uuids.get(uuid.lower())
        if exact:
            return exact
        return next((tenant for pattern, tenant in self.names if fnmatchcase(name, pattern)), None)


def read(path: Path) -> TenantMap:
    """Read a map file. Raises `ConfigError` with every problem in it, each with its line."""
    return read_map(path, _tenants) or TenantMap(MappingProxyType({}))


def _tenants(root: yaml.Node, place: Place) -> TenantMap:
    found = known(root, place, {"uuids": _uuids, "names": _names})
    return TenantMap(MappingProxyType(found.get("uuids", {})), found.get("names", ()))


def _uuids(node: yaml.Node, place: Place) -> dict[str, MappedTenant]:
    found: dict[str, MappedTenant] = {}
    lines: dict[str, int] = {}
    for key, key_node, value in entries(node, place):
        here = place.key(key)
        uuid = _canonical(key)
        if uuid is None:
            here.refuse(key_node, "not a UUID such as 7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55")
        elif uuid in lines:
            here.refuse(key_node, f"the same UUID as in line {lines[uuid]}")
        else:
            lines[uuid] = key_node.start_mark.line + 1
            try:
                found[uuid] = MappedTenant(id=_label(value))
            except UnfitError as error:
                here.refuse(value, str(error))
    return found


def _names(node: yaml.Node, place: Place) -> tuple[tuple[str, MappedTenant], ...]:
    if kind(node) == "null":
        return ()
    found: list[tuple[str, MappedTenant]] = []
    lines: dict[str, int] = {}
    for index, entry in enumerate(list_of(_name)(node, place)):
        if entry is None:
            continue
        line = node.value[index].start_mark.line + 1
        if entry[0] in lines:
            place.item(index).refuse(node.value[index], f"the same pattern as in line {lines[entry[0]]}")
        lines.setdefault(entry[0], line)
        found.append(entry)
    return tuple(found)


def _name(node: yaml.Node, place: Place) -> tuple[str, MappedTenant] | None:
    noted = len(place.problems)
    found = known(node, place, _NAME)
    missing = [key for key in ("pattern", "tenant") if key not in found]
    if len(place.problems) > noted:
        return None
    if missing:
        raise UnfitError(f"{' and '.join(missing)} missing")
    return found["pattern"], MappedTenant(id=found["tenant"], name=found.get("name", ""))


def _canonical(key: str) -> str | None:
    """Return a UUID as libvirt writes it, None for what is none."""
    form = _UUID.fullmatch(key.lower())
    if form is None:
        return None
    digits = form["digits"].replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _label(node: yaml.Node) -> str:
    """Return text that can be a label's value as it is written: a repaired one could be another tenant's."""
    if not isinstance(node, yaml.ScalarNode) or kind(node) == "null" or not node.value:
        raise UnfitError(f"expected text, not {described(node)}")
    text: str = node.value
    if len(text) > LONGEST_ID:
        raise UnfitError(f"longer than {LONGEST_ID} characters")
    if not text.isprintable() or text != text.strip():
        raise UnfitError(f"expected text without control characters and outer blanks, not {quoted(text)}")
    return text


_NAME: Mapping[str, Read] = {"pattern": leaf(_label), "tenant": leaf(_label), "name": leaf(_label)}
