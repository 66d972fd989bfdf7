"""Checks of single values: a node of the document in, a Python value out, or `UnfitError` with a sentence."""

import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar
from xml.etree import ElementTree as ET

import yaml

from hostcollector.base import infiniband as ib_names
from hostcollector.config.address import Address, parse_address
from hostcollector.config.document import UnfitError, described, kind, quoted
from hostcollector.config.remote import Remote, Transport, parse_remotes

Choice = TypeVar("Choice", bound=StrEnum)

RESERVED_PATHS = ("/", "/-/healthy", "/-/ready")

_DECIMAL = re.compile(r"[-+]?[0-9]{1,18}")
_PORT = re.compile(r":[0-9]+\Z")
_URI = re.compile(
    r"[a-z][a-z0-9.-]*(\+(?P<transport>[a-z0-9.-]+))?://(?P<host>[^/?#]*)[/?#]?.*", re.IGNORECASE
)
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{0,200}")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def text(node: yaml.Node) -> str:
    """Return non-empty text without control characters."""
    if kind(node) != "str":
        raise UnfitError(f"expected text, not {described(node)}")
    value: str = node.value
    if not value.strip():
        raise UnfitError("expected text, not an empty one")
    if not value.isprintable():
        raise UnfitError(f"expected text without control characters, not {quoted(value)}")
    return value


def libvirt_uri(node: yaml.Node) -> str:
    """Return the URI of a libvirt on this machine."""
    if complaint := libvirt_uri_complaint(uri := text(node)):
        raise UnfitError(complaint)
    return uri


def libvirt_uri_complaint(uri: str) -> str:
    """Return why a libvirt connection URI cannot be used, empty if it can.

    The rules of libvirt's URIs: ``driver[+transport]://[user@][host][:port]/path``; a host or another
    transport than ``unix`` leads to another machine, and a name without ``://`` is an alias for any URI.
    """
    form = _URI.fullmatch(uri)
    if form is None or not uri.isprintable():
        return f"expected a libvirt connection URI such as qemu:///system, not {quoted(uri)}"
    if form["host"] or form["transport"] not in {None, "unix"}:
        # The text is not repeated: a password may stand in it.
        return (
            "expected the libvirt of this machine, such as qemu:///system, not one that is reached over the "
            "network: processes, interfaces and devices are this machine's, and would be shown as that one's"
        )
    return ""


def boolean(node: yaml.Node) -> bool:
    """Return true or false."""
    if kind(node) != "bool" or node.value.lower() not in _BOOLEANS:
        raise UnfitError(f"expected true or false, not {described(node)}")
    return _BOOLEANS[node.value.lower()]


def whole_number(lowest: int, highest: int) -> Callable[[yaml.Node], int]:
    """Return the check for a decimal whole number in the range, both ends included."""

    def check(node: yaml.Node) -> int:
        if kind(node) != "int" or not _DECIMAL.fullmatch(node.value) or _octal(node.value):
            raise UnfitError(f"expected a whole number, not {described(node)}")
        return int(_within(int(node.value), lowest, highest))

    return check


def number(lowest: float, highest: float) -> Callable[[yaml.Node], float]:
    """Return the check for a decimal number in the range, both ends included."""

    def check(node: yaml.Node) -> float:
        value = _float(node) if kind(node) in {"int", "float"} and not _octal(node.value) else math.nan
        if not math.isfinite(value):
            raise UnfitError(f"expected a number, not {described(node)}")
        return _within(value, lowest, highest)

    return check


def choice(options: type[Choice]) -> Callable[[yaml.Node], Choice]:
    """Return the check for one word out of an enumeration."""
    words = [str(option) for option in options]

    def check(node: yaml.Node) -> Choice:
        if not isinstance(node, yaml.ScalarNode) or node.value not in words:
            raise UnfitError(f"expected one of {', '.join(words)}, not {described(node)}")
        return options(node.value)

    return check


def listen_address(node: yaml.Node) -> Address:
    """Return the address of ``host:port``."""
    try:
        return parse_address(text(node))
    except ValueError as error:
        raise UnfitError(str(error)) from None


def telemetry_path(node: yaml.Node) -> str:
    """Return an absolute URL path that no other page of the collector has."""
    complaint = telemetry_path_complaint(value := text(node))
    if complaint:
        raise UnfitError(complaint)
    return value


def telemetry_path_complaint(path: str) -> str:
    """Return what is wrong with a telemetry path, empty if nothing is."""
    if not _PATH.fullmatch(path):
        return f"expected a path such as /metrics of letters, digits and . _ ~ - /, not {quoted(path)}"
    return f"{path} is taken by the collector's own pages" if path in RESERVED_PATHS else ""


def remotes(node: yaml.Node) -> tuple[Remote, ...]:
    """Return the addresses of a database server or of the members of a cluster."""
    try:
        return parse_remotes(text(node))
    except ValueError as error:
        raise UnfitError(str(error)) from None


def local_remote(node: yaml.Node) -> Remote:
    """Return the address of one database server that is reached without certificates."""
    found = remotes(node)
    if len(found) > 1 or found[0].transport is Transport.TLS:
        raise UnfitError("expected one address, unix:/path or tcp:host:port")
    return found[0]


def https_url(node: yaml.Node) -> str:
    """Return ``https://host[:port]``: no path, no user, and never a password in the clear."""
    scheme, separator, rest = text(node).removesuffix("/").partition("://")
    if scheme != "https" or not separator:
        raise UnfitError("expected https://host or https://host:port")
    # What the text was is not repeated: somebody may have put a password into it.
    try:
        address = parse_address(rest if _PORT.search(rest) else f"{rest}:443")
    except ValueError:
        raise UnfitError("expected https://host or https://host:port, without user or path") from None
    if not address.host or not address.port:
        raise UnfitError("expected https://host or https://host:port")
    return f"https://{address}"


def partition(node: yaml.Node) -> int:
    """Return the partition of a P_Key in hexadecimal digits, without the membership bit."""
    found = ib_names.partition(_scalar(node))
    if found is None:
        raise UnfitError(f"expected a P_Key such as 0x8001, not {described(node)}")
    return found


def port_guid(node: yaml.Node) -> str:
    """Return the GUID of a port in one form, whichever it is written in."""
    found = ib_names.guid(_scalar(node))
    if not found:
        raise UnfitError(f"expected a GUID of 16 hexadecimal digits, not {described(node)}")
    return found


def absolute_path(node: yaml.Node) -> str:
    """Return an absolute path of the file system."""
    value = text(node)
    if not value.startswith("/"):
        raise UnfitError(f"expected an absolute path, not {described(node)}")
    return value


def absolute_path_or_empty(node: yaml.Node) -> str:
    """Return an absolute path of the file system, or nothing."""
    return "" if kind(node) == "null" or node.value == "" else absolute_path(node)


def absolute_path_or_null(node: yaml.Node) -> str | None:
    """Return an absolute path of the file system, or None for null."""
    return None if kind(node) == "null" else absolute_path(node)


def xpath_complaint(path: str, namespaces: dict[str, str]) -> str:
    """Return why ElementTree does not take the path, empty if it does; it may end in ``/@attribute``."""
    where, separator, attribute = path.rpartition("/@")
    if separator and not re.fullmatch(r"(\{[^{}]+\})?[\w.-]+", attribute):
        return f"{quoted(attribute)} is not the name of an attribute"
    if re.search(r"[|&,;\s]", re.sub(r"'[^']*'|\"[^\"]*\"", "", path)):
        # Outside quotes ElementTree would take them for a part of a tag's name and never find anything.
        return f"not a path that ElementTree knows: {quoted(path)}"
    try:
        ET.Element("metadata").findall(where or path, namespaces)
    except SyntaxError as error:
        return f"not a path that ElementTree knows: {error}"
    except (KeyError, TypeError, ValueError):
        # What its parser does with tokens that it does not expect, such as functions and unions.
        return f"not a path that ElementTree knows: {quoted(path)}"
    return ""


def _scalar(node: yaml.Node) -> str:
    """Return what is written, also where YAML would read a number of whatever base out of it."""
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _octal(digits: str) -> bool:
    """Return whether YAML 1.1 would read the digits as octal, which nobody means."""
    return re.fullmatch(r"[-+]?0[0-9]+", digits) is not None


def _float(node: yaml.Node) -> float:
    try:
        return float(node.value)
    except ValueError:
        return math.nan


def _within(value: float, lowest: float, highest: float) -> float:
    if not lowest <= value <= highest:
        raise UnfitError(f"expected {lowest} to {highest}, not {value}")
    return value
