"""The operator's map file: UUIDs and name patterns to tenants, read again when it changes.

uuids:
  7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55: acme
names:
  - {pattern: "i-2-*-VM", tenant: globex, name: Globex Ltd}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from hostcollector.errors import ConfigError
from hostcollector.followed_file import FollowedFile

Complain = Callable[[str], None]


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
        """Return the tenant for a domain, or None."""
        exact = self.uuids.get(uuid.lower())
        if exact:
            return exact
        return next((tenant for pattern, tenant in self.names if fnmatchcase(name, pattern)), None)


class TenantMapFile(FollowedFile[TenantMap]):
    """A map file that is followed. The first reading raises `ConfigError`; later ones keep the old map.

    `complain` hears the errors of later readings, once per change of the file.
    """

    def __init__(self, path: Path, complain: Complain = lambda _text: None) -> None:
        super().__init__(path, read, "tenant map", complain)


def read(path: Path) -> TenantMap:
    """Read a map file. Raises `ConfigError` with every problem in it."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), [f"is not YAML: {error}"]) from error
    problems: list[str] = []
    content = document if document is not None else {}
    if not isinstance(content, dict):
        raise ConfigError(str(path), ["must be a mapping with the keys uuids and names"])
    problems += [
        f"{key}: unknown key; known are uuids and names" for key in content if key not in ("uuids", "names")
    ]
    result = TenantMap(
        MappingProxyType(_uuids(content.get("uuids") or {}, problems)),
        tuple(_names(content.get("names") or [], problems)),
    )
    if problems:
        raise ConfigError(str(path), problems)
    return result


def _uuids(section: Any, problems: list[str]) -> dict[str, MappedTenant]:
    if not isinstance(section, dict):
        problems.append("uuids: must be a mapping of UUID to tenant")
        return {}
    found = {}
    for uuid, tenant in section.items():
        if isinstance(uuid, str) and isinstance(tenant, str) and tenant:
            found[uuid.lower()] = MappedTenant(id=tenant)
        else:
            problems.append(f"uuids.{uuid}: must be text (quote it), the tenant too")
    return found


def _names(section: Any, problems: list[str]) -> list[tuple[str, MappedTenant]]:
    if not isinstance(section, list):
        problems.append("names: must be a list of {pattern, tenant, name}")
        return []
    found = []
    for index, entry in enumerate(section):
        keys = entry.keys() if isinstance(entry, dict) else set()
        if not {"pattern", "tenant"} <= keys <= {"pattern", "tenant", "name"}:
            problems.append(f"names[{index}]: must have pattern and tenant, and may have name")
        elif not all(isinstance(value, str) and value for value in entry.values()):
            problems.append(f"names[{index}]: every value must be text that is not empty")
        else:
            found.append((entry["pattern"], MappedTenant(id=entry["tenant"], name=entry.get("name", ""))))
    return found
