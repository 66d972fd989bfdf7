"""The operator's map file of GPUs: which PCI address the BMC calls by which name.

"0000:1b:00.0": GPU_SXM_1
"0000:2b:00.0": GPU_SXM_2
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from hostcollector.config.document import Place, UnfitError, compose, described, entries
from hostcollector.errors import ConfigError
from hostcollector.followed_file import FollowedFile

GpuMap = Mapping[str, str]
"""The BMC's names by PCI address as sysfs writes it."""

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def follow(path: Path, complain: Callable[[str], None]) -> FollowedFile[GpuMap]:
    """Return the file, followed. Raises `ConfigError` when its first reading fails."""
    return FollowedFile(path, read, "map of GPUs", complain)


def read(path: Path) -> GpuMap:
    """Read a map file. Raises `ConfigError` with every problem in it."""
    place = Place()
    try:
        root = compose(path.read_text(encoding="utf-8"))
        found = {} if root is None else _addresses(root, place)
    except (OSError, UnicodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from error
    except UnfitError as error:
        raise ConfigError(str(path), [str(error)]) from None
    if place.problems:
        raise ConfigError(str(path), place.problems)
    return found


def _addresses(root: yaml.Node, place: Place) -> dict[str, str]:
    """Return the entries. As nodes: YAML would take an address without letters for a number."""
    found: dict[str, str] = {}
    for key, key_node, value in entries(root, place):
        address = key.lower()
        if not _ADDRESS.fullmatch(address):
            place.key(key).refuse(key_node, "not a PCI address such as 0000:1b:00.0")
        elif not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            place.key(key).refuse(value, f"expected the BMC's name of the GPU, not {described(value)}")
        elif value.value in found.values():
            place.key(key).refuse(value, "this name stands for another address already")
        else:
            found[address] = value.value
    return found
