"""Reads resources by their shape: links, members, texts; nothing where a document has something else."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

from hostcollector.base.errors import SourceMalformedError

Resource = dict[str, Any]

LONGEST_TEXT = 512
# What may be in an address as it is (RFC 3986); everything else is percent-encoded.
_OF_ADDRESSES = "%/:?#[]@!$&'()*+,;=~-._"
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
    """Return the path that a property links to, of several the first; empty for none."""
    return next(links(document, name), "")


def links(document: Any, name: str) -> Iterator[str]:
    """Yield the paths that a property links to, fit for a question, without the pointer into the resource."""
    linked = document.get(name) if isinstance(document, dict) else None
    for entry in linked if isinstance(linked, list) else [linked]:
        path = address(text(entry, "@odata.id"))
        if path:
            yield path


def address(path: str) -> str:
    """Return a path, or a whole address, as it can be asked for; empty for what is neither."""
    if not path.startswith(("/", "https://")):
        return ""
    try:
        return quote(path.partition("#")[0], safe=_OF_ADDRESSES)
    except UnicodeEncodeError:  # half a character
        return ""


def canonical(path: str) -> str:
    """Return what is the same for all spellings of a path: by slashes, case, percent-encoding and pointer."""
    path = path.partition("#")[0]
    _, scheme, rest = path.partition("://")
    if scheme:
        path = "/" + rest.partition("/")[2]
    return _SLASHES.sub("/", unquote(path)).rstrip("/").casefold()


def last_part(path: str) -> str:
    """Return the last part of a path, with or without a slash behind it."""
    return path.rstrip("/").rpartition("/")[2]


def source_of(environment: Resource) -> str:
    """Return the sensor that an environment's temperature is of; empty where it is of no single sensor."""
    path = address(text(environment.get("TemperatureCelsius"), "DataSourceUri"))
    return path if "/sensors/" in path.casefold() else ""
