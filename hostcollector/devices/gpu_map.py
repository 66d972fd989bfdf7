"""The operator's map file of GPUs: the BMC's name for each PCI address.

"0000:1b:00.0": GPU_SXM_1
"0000:2b:00.0": GPU_SXM_2
"""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from hostcollector.config.document import Place, described, entries, kind, quoted
from hostcollector.config.files import read_map

GpuMap = Mapping[str, str]
"""The BMC's names by PCI address as sysfs writes it."""

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def read(path: Path) -> GpuMap:
    """Read a map file. Raises `ConfigError` with every problem in it."""
    return read_map(path, _addresses) or {}


def _addresses(root: yaml.Node, place: Place) -> dict[str, str]:
    """Return the entries. They are read as nodes: YAML parses an address without letters as a number."""
    found: dict[str, str] = {}
    names: set[str] = set()
    for key, key_node, value in entries(root, place):
        address = key.lower()
        if not _ADDRESS.fullmatch(address):
            place.key(key).refuse(key_node, "not a PCI address such as 0000:1b:00.0")
        elif address in found:
            place.key(key).refuse(key_node, "given twice, in upper and lower case")
        elif kind(value) in {"collection", "null"} or not value.value.strip():
            place.key(key).refuse(value, f"expected the BMC's name of the GPU, not {described(value)}")
        elif not value.value.isprintable():
            place.key(key).refuse(
                value, f"expected a name without control characters, not {quoted(value.value)}"
            )
        elif value.value in names:
            place.key(key).refuse(value, "another address has this name already")
        else:
            found[address] = value.value
            names.add(value.value)
    return found
