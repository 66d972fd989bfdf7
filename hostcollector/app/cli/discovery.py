"""The command ``sd``: Prometheus's targets, made from an inventory of Ansible.

The inventory is the JSON of ``ansible-inventory --list``, which every inventory script and plugin gives too
(Ansible, "Developing dynamic inventory"). The targets have the form of file_sd and http_sd (Prometheus,
"Writing service discovery"): a list of objects with ``targets`` and ``labels``.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from hostcollector.base.errors import HostcollectorError
from hostcollector.base.state_file import replace_in, sentence
from hostcollector.config.address import Address, parse_address

_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
STANDARD_INPUT = Path("-")
"""What means standard input among the arguments."""


class InventoryError(HostcollectorError):
    """The inventory cannot be read, or does not have the group."""


class Label(NamedTuple):
    """A label of the targets, and the inventory's variable that it comes from."""

    name: str
    variable: str


class Wanted(NamedTuple):
    """Which hosts become targets, and how."""

    group: str
    port: int
    labels: Sequence[Label]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "inventory",
        metavar="INVENTORY",
        type=Path,
        help="a file with what `ansible-inventory --list` prints; - for standard input",
    )
    parser.add_argument("--group", default="hypervisors", help="the hosts' group (default: hypervisors)")
    parser.add_argument(
        "--port", type=int, default=10177, metavar="N", help="the collectors' port (default: 10177)"
    )
    parser.add_argument(
        "--label",
        dest="labels",
        action="append",
        type=_label,
        default=[],
        metavar="NAME[=VARIABLE]",
        help="a label from a variable of the host, such as rack or az=availability_zone; may be repeated",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--output", type=Path, metavar="FILE", help="write FILE for file_sd_configs, as a whole or not at all"
    )
    where.add_argument(
        "--listen",
        type=_loopback,
        metavar="ADDRESS",
        help="serve them for http_sd_configs at a loopback address, from the file as it then is",
    )
    parser.set_defaults(wrong_use=parser.error)


def targets(inventory: Mapping[str, Any], wanted: Wanted) -> list[dict[str, Any]]:
    """Return the targets, sorted by name; labels ``instance`` and ``host`` are the inventory's name.

    A host without the variable has no such label; one whose variable is a template of Ansible, which only
    Ansible can fill in, has none either. Raises `InventoryError`.
    """
    if not isinstance(inventory.get(wanted.group), Mapping):
        raise InventoryError(f"the inventory has no group {wanted.group}")
    variables = inventory.get("_meta", {}).get("hostvars", {})
    found = []
    for host in sorted(set(_hosts(inventory, wanted.group, frozenset()))):
        own = variables.get(host, {})
        named = {label.name: str(own[label.variable]) for label in wanted.labels if label.variable in own}
        labels = {name: value for name, value in named.items() if "{{" not in value}
        address = Address(str(own.get("ansible_host", host)), wanted.port)
        found.append({"targets": [str(address)], "labels": {**labels, "instance": host, "host": host}})
    return found


def document(found: Sequence[Mapping[str, Any]]) -> bytes:
    """Return targets as the JSON that Prometheus reads."""
    return json.dumps(found, indent=1).encode() + b"\n"


def read(path: Path) -> Mapping[str, Any]:
    """Return the inventory of a file or of standard input. Raises `InventoryError`."""
    try:
        text = sys.stdin.read() if path == STANDARD_INPUT else path.read_text()
        inventory = json.loads(text)
    except OSError as error:
        raise InventoryError(f"{path} cannot be read: {sentence(error)}") from error
    except ValueError as error:
        raise InventoryError(f"{path} is not what ansible-inventory --list prints: {error}") from error
    if not isinstance(inventory, dict):
        raise InventoryError(f"{path} is not what ansible-inventory --list prints: no mapping of groups")
    return inventory


def put(path: Path | None, text: bytes) -> None:
    """Replace the file, or print without one. Raises `InventoryError`; the old file is then kept."""
    if path is None:
        sys.stdout.write(text.decode())
        return
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            replace_in(directory, path.name, text, 0o644)
        finally:
            os.close(directory)
    except OSError as error:
        raise InventoryError(f"{path} cannot be written: {sentence(error)}") from error


def _hosts(inventory: Mapping[str, Any], group: str, above: frozenset[str]) -> Iterator[str]:
    """Give the hosts of a group and of the groups below it; `above` are those that it was reached by."""
    if group in above:
        raise InventoryError(f"the group {group} is below itself")
    members = inventory.get(group, {})
    yield from members.get("hosts", [])
    for child in members.get("children", []):
        yield from _hosts(inventory, child, above | {group})


def _label(text: str) -> Label:
    name, _, variable = text.partition("=")
    if not _LABEL.fullmatch(name) or name in {"instance", "host"}:
        raise argparse.ArgumentTypeError(f"{name!r} is not the name of a label that can be chosen")
    return Label(name, variable or name)


def _loopback(text: str) -> Address:
    # The list names every hypervisor, and every client may read it.
    try:
        address = parse_address(text)
        inside = ip_address(address.host).is_loopback
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not inside:
        raise argparse.ArgumentTypeError(f"{text!r} is not a loopback address, such as 127.0.0.1:10178")
    return address
