"""Checks of single values: a node of the document in, a Python value out, or `UnfitError` with a sentence."""

import fnmatch
import math
import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import yaml

from hostcollector.base import infiniband
from hostcollector.config.address import Remote, Transport, parse_address, parse_remotes
from hostcollector.config.document import Place, Read, UnfitError, described, entries, kind, list_of, quoted

LONGEST_PATTERN = 256
"""Characters of a pattern."""

RESERVED_PATHS = ("/", "/still", "/-/healthy", "/-/ready", "/tenants/metrics", "/tenants/usage")

_DECIMAL = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL = re.compile(r"[-+]?0[0-9]+")
_PORT = re.compile(r":[0-9]+\Z")
_URI = re.compile(
    r"[a-z][a-z0-9.-]*(\+(?P<transport>[a-z0-9.-]+))?://(?P<host>[^/?#]*)[/?#]?.*", re.IGNORECASE
)
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{0,200}")
_PREFIX = re.compile(r"[A-Za-z_][\w.-]*")
_URL_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?")
_LONGEST_URL_PATH = 200
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Check(NamedTuple):
    """What a key takes, in the annotation of its field. `takes` and `allowed` are for CONFIG.md."""

    takes: str
    read: Read
    allowed: str = ""


def whole(lowest: int, highest: int) -> Check:
    """Return the check for a decimal whole number in the range, both ends included."""

    def read(node: yaml.Node, _: Place) -> int:
        # YAML 1.1 reads 010 as octal and 1:30 as base 60: the operator means neither.
        if kind(node) != "int" or not _DECIMAL.fullmatch(node.value) or _OCTAL.fullmatch(node.value):
            raise UnfitError(f"expected a whole number, not {described(node)}")
        return int(_within(int(node.value), lowest, highest))

    return Check("whole number", read, f"{lowest} to {highest}")


def number(lowest: float, highest: float) -> Check:
    """Return the check for a decimal number in the range, both ends included."""

    def read(node: yaml.Node, _: Place) -> float:
        value = math.nan
        if kind(node) in {"int", "float"} and not _OCTAL.fullmatch(node.value):
            value = _float(node.value)
        if not math.isfinite(value):
            raise UnfitError(f"expected a number, not {described(node)}")
        return _within(value, lowest, highest)

    return Check("number", read, f"{lowest} to {highest}")


def choice(options: type[StrEnum]) -> Check:
    """Return the check for one word of an enumeration."""
    words = [str(option) for option in options]

    def read(node: yaml.Node, _: Place) -> StrEnum:
        if not isinstance(node, yaml.ScalarNode) or node.value not in words:
            raise UnfitError(f"expected one of {', '.join(words)}, not {described(node)}")
        return options(node.value)

    return Check("word", read, ", ".join(words))


def text(parse: Callable[[str], Any] = str, takes: str = "text", allowed: str = "") -> Check:
    """Return the check for text that `parse` takes; it raises `ValueError` with a sentence."""

    def read(node: yaml.Node, _: Place) -> Any:
        value = plain_text(node)
        try:
            return parse(value)
        except ValueError as error:
            raise UnfitError(str(error)) from None

    return Check(takes, read, allowed)


def written(parse: Callable[[str], Any], what: str, takes: str, allowed: str = "") -> Check:
    """Return the check for what `parse` takes as it is written: YAML may read a number from it.

    `parse` returns nothing for what it does not take; `what` says in the error what is expected.
    """

    def read(node: yaml.Node, _: Place) -> Any:
        found = parse(node.value) if isinstance(node, yaml.ScalarNode) else None
        if not found:
            raise UnfitError(f"expected {what}, not {described(node)}")
        return found

    return Check(takes, read, allowed)


def pattern(*, empty: bool = False) -> Check:
    """Return the check for a pattern of the shell as it is written: YAML may read a number from it.

    Patterns are short, and `fnmatch` compiles them without backtracking: their time is bounded.
    """

    def read(node: yaml.Node, _: Place) -> str:
        if not isinstance(node, yaml.ScalarNode) or kind(node) == "null" or not (node.value or empty):
            raise UnfitError(f"expected a pattern such as infra-*, not {described(node)}")
        value: str = node.value
        if not value.isprintable() or len(value) > LONGEST_PATTERN:
            raise UnfitError(
                f"expected at most {LONGEST_PATTERN} characters, none of them control, not {quoted(value)}"
            )
        try:
            re.compile(fnmatch.translate(value))
        except re.error as error:
            raise UnfitError(f"not a pattern: {error}") from None
        return value

    return Check("pattern", read, "*, ? and [...]")


def metrics(known: Collection[str] = ()) -> Check:
    """Return the check for a list of names of metrics, or patterns of the shell, that fit one of the `known`.

    Without `known` ones any name will do.
    """
    one = pattern()

    def read(node: yaml.Node, place: Place) -> str:
        value: str = one.read(node, place)
        if known and not fnmatch.filter(known, value):
            near = get_close_matches(value, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`hostcollector metrics` lists all names"
            raise UnfitError(f"no metric is called {quoted(value)}; {hint}")
        return value

    return Check("list: pattern", list_of(read), "names of metrics; *, ? and [...]")


def mapping(
    complaint: Callable[[str], str],
    value: Check,
    *,
    takes: str,
    allowed: str = "",
    empty: str = "",
) -> Check:
    """Return the check for a mapping with the operator's own keys.

    `complaint` returns what is wrong with a key, empty if nothing is. With `empty` an entry is needed.
    """

    def read(node: yaml.Node, place: Place) -> dict[str, Any]:
        found = {}
        for key, key_node, node_of_value in entries(node, place):
            here = place.key(key)
            if problem := complaint(key):
                here.refuse(key_node, problem)
            try:
                found[key] = value.read(node_of_value, here)
            except UnfitError as error:
                here.refuse(node_of_value, str(error))
        if empty and not (isinstance(node, yaml.MappingNode) and node.value):
            raise UnfitError(empty)
        return found

    return Check(takes, read, allowed)


def plain_text(node: yaml.Node) -> str:
    """Return non-empty text without control characters."""
    if kind(node) != "str":
        raise UnfitError(f"expected text, not {described(node)}")
    value: str = node.value
    if not value.strip():
        raise UnfitError("expected text, not an empty one")
    if not value.isprintable():
        raise UnfitError(f"expected text without control characters, not {quoted(value)}")
    return value


def libvirt_uri(uri: str) -> str:
    """Return the URI of a libvirt on this machine. Raises `ValueError` with a sentence.

    The form of libvirt's URIs is ``driver[+transport]://[user@][host][:port]/path``. A host, or another
    transport than ``unix``, leads to another machine. A name without ``://`` is an alias for any URI.
    """
    form = _URI.fullmatch(uri)
    if form is None or not uri.isprintable():
        raise ValueError(f"expected a libvirt connection URI such as qemu:///system, not {quoted(uri)}")
    if form["host"] or form["transport"] not in {None, "unix"}:
        # The text is not repeated: it may contain a password.
        raise ValueError(
            "expected the libvirt of this machine, such as qemu:///system, not one that is reached over the "
            "network: processes, interfaces and devices are this machine's, and would be shown as that one's"
        )
    return uri


def url_path(path: str) -> str:
    """Return a path of a page. Raises `ValueError` with a sentence."""
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"expected a path such as /metrics of letters, digits and . _ ~ - /, not {quoted(path)}"
        )
    return path


def telemetry_path(path: str) -> str:
    """Return a URL path that no other page of the collector has. Raises `ValueError` with a sentence."""
    url_path(path)
    if path in RESERVED_PATHS:
        raise ValueError(f"{path} is taken by the collector's own pages")
    return path


def xpath_complaint(path: str, namespaces: dict[str, str]) -> str:
    """Return why ElementTree does not take the path, empty if it does; it may end in ``/@attribute``."""
    where, separator, attribute = path.rpartition("/@")
    if separator and not re.fullmatch(r"(\{[^{}]+\})?[\w.-]+", attribute):
        return f"{quoted(attribute)} is not the name of an attribute"
    if re.search(r"[|&,;\s]", re.sub(r"'[^']*'|\"[^\"]*\"", "", path)):
        # Outside quotes ElementTree takes them for a part of a tag's name and never finds anything.
        return f"not a path that ElementTree knows: {quoted(path)}"
    try:
        ET.Element("metadata").findall(where or path, namespaces)
    except SyntaxError as error:
        return f"not a path that ElementTree knows: {error}"
    except (KeyError, TypeError, ValueError):
        # ElementTree's parser raises these for tokens that it does not expect, such as functions and unions.
        return f"not a path that ElementTree knows: {quoted(path)}"
    return ""


def _boolean(node: yaml.Node, _: Place) -> bool:
    if kind(node) != "bool" or node.value.lower() not in _BOOLEANS:
        raise UnfitError(f"expected true or false, not {described(node)}")
    return _BOOLEANS[node.value.lower()]


def _local_remote(value: str) -> Remote:
    found = parse_remotes(value)
    if len(found) > 1 or found[0].transport is Transport.TLS:
        raise ValueError("expected one address, unix:/path or tcp:host:port")
    return found[0]


def _https_url(value: str) -> str:
    scheme, separator, rest = value.removesuffix("/").partition("://")
    if scheme != "https" or not separator:
        raise ValueError("expected https://host or https://host:port")
    # The text is not repeated: it may contain a password.
    try:
        address = parse_address(rest if _PORT.search(rest) else f"{rest}:443")
    except ValueError:
        raise ValueError("expected https://host or https://host:port, without user or path") from None
    if not address.host or not address.port:
        raise ValueError("expected https://host or https://host:port")
    return f"https://{address}"


def _https_address(value: str) -> str:
    """Return an address with a path, without a slash at its end."""
    scheme, separator, rest = value.partition("://")
    host, slash, path = rest.partition("/")
    if len(path) > _LONGEST_URL_PATH or not _URL_PATH.fullmatch(slash + path):
        raise ValueError("expected https://host/path with a path of letters, digits and . _ ~ -")
    return f"{_https_url(scheme + separator + host)}{slash}{path}".rstrip("/")


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"expected an absolute path, not the text {quoted(path)}")
    return path


def _file(content: str = "") -> Check:
    return Check(
        f"path of a file{content}",
        lambda node, place: None if kind(node) == "null" else DIRECTORY.read(node, place),
        "absolute, or null",
    )


def _prefix_complaint(prefix: str) -> str:
    return "" if _PREFIX.fullmatch(prefix) else f"{quoted(prefix)} cannot be a namespace prefix"


def _float(digits: str) -> float:
    try:
        return float(digits)
    except ValueError:
        return math.nan


def _within(value: float, lowest: float, highest: float) -> float:
    if not lowest <= value <= highest:
        raise UnfitError(f"expected {lowest} to {highest}, not {value}")
    return value


TEXT = text()
BOOLEAN = Check("true or false", _boolean)
LIBVIRT_URI = text(libvirt_uri, "URI", "a libvirt of this machine")
LISTEN_ADDRESS = text(parse_address, "address", "host:port, [IPv6]:port or :port; port 0 to 65535")
URL_PATH = text(url_path, "path of a URL")
TELEMETRY_PATH = text(telemetry_path, "path of a URL", "none of the collector's own pages")
HTTPS_URL = text(_https_url, "URL", "https://host or https://host:port")
HTTPS_ADDRESS = text(_https_address, "URL", "https://host, https://host:port or https://host/path")
LOCAL_REMOTE = text(_local_remote, "database server", "unix:/path or tcp:host:port")
REMOTES = text(parse_remotes, "database servers", "unix:/path, tcp:host:port or ssl:host:port, with commas")
PARTITION = written(infiniband.partition, "a P_Key such as 0x8001", "P_Key", "0x1 to 0x7fff")
PORT_GUID = written(infiniband.guid, "a GUID of 16 hexadecimal digits", "GUID", "16 hexadecimal digits")
DIRECTORY = text(_absolute, "path of a directory", "absolute")
DIRECTORY_OR_EMPTY = Check(
    "path of a directory",
    lambda node, place: "" if kind(node) == "null" or node.value == "" else DIRECTORY.read(node, place),
    "absolute, or empty",
)
FILE = _file()
CERTIFICATES = _file(" with certificates in PEM")
PRIVATE_KEY = _file(" with a private key in PEM")
PASSWORD = _file(" with a password")
TOKEN = _file(" with a token")
METRICS = metrics()
PATTERN = pattern()
PATTERN_OR_EMPTY = pattern(empty=True)
NAMESPACES = mapping(_prefix_complaint, TEXT, takes="mapping", allowed="prefix: namespace URI")
