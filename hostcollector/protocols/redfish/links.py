"""Links, members and texts of a resource; nothing where a document has another shape."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

from hostcollector.base.errors import SourceMalformedError

Resource = dict[str, Any]

LONGEST_TEXT = 512
# Characters that stay as they are in an address (RFC 3986); all others are percent-encoded.
_OF_ADDRESSES = "%/:?#[]@!$&'()*+,;=~-._"
_SERVICE = "/redfish/v1"
_SLASHES = re.compile("/+")


def resource(document: Any, path: str) -> Resource:
    """Return a document that is a resource, which has an id or a type. Raises `SourceMalformedError`."""
    if not isinstance(document, dict) or not document.keys() & {"@odata.id", "@odata.type"}:
        raise SourceMalformedError(f"{path} is not a resource")
    return document


def text(document: Any, name: str) -> str:
    """Return a property that is a text of reasonable length; empty for anything else."""
    value = document.get(name) if isinstance(document, dict) else None
    return value.strip() if isinstance(value, str) and len(value) <= LONGEST_TEXT else ""


def link(document: Any, name: str) -> str:
    """Return the first path that a property links to; empty for none."""
    return next(links(document, name), "")


def links(document: Any, name: str) -> Iterator[str]:
    """Yield the paths that a property links to, percent-encoded, without the pointer into the resource."""
    linked = document.get(name) if isinstance(document, dict) else None
    for entry in linked if isinstance(linked, list) else [linked]:
        path = address(text(entry, "@odata.id"))
        if path:
            yield path


def address(path: str) -> str:
    """Return a path, or a whole address, as it can be requested; empty for any other text."""
    if not path.startswith(("/", "https://")):
        return ""
    try:
        return quote(path.partition("#")[0], safe=_OF_ADDRESSES)
    except UnicodeEncodeError:  # half a character
        return ""


def canonical(path: str) -> str:
    """Return one spelling for all that differ in slashes, case, percent-encoding or pointer.

    The path of a proxy is left out: it may rewrite the links of an answer, and not the names in reports.
    """
    path = path.partition("#")[0]
    _, scheme, rest = path.partition("://")
    if scheme:
        path = "/" + rest.partition("/")[2]
    spelled = _SLASHES.sub("/", unquote(path)).rstrip("/").casefold()
    _, service, rest = spelled.partition(_SERVICE)
    return service + rest if service else spelled


def last_part(path: str) -> str:
    """Return the last part of a path, with or without a slash behind it."""
    return path.rstrip("/").rpartition("/")[2]


def source_of(environment: Resource) -> str:
    """Return the sensor behind an environment's temperature; empty where it is not a single sensor."""
    path = address(text(environment.get("TemperatureCelsius"), "DataSourceUri"))
    return path if "/sensors/" in path.casefold() else ""
