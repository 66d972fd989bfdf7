"""Reads resources by their shape: links, members, texts; nothing where a document has something else."""

from collections.abc import Iterator
from typing import Any

from hostcollector.errors import SourceMalformedError

# Of hostile or broken answers no more than this is followed.
_MOST_MEMBERS = 256
_LONGEST_TEXT = 512


def resource(document: Any, path: str) -> dict[str, Any]:
    """Return a document that is a resource. Raises `SourceMalformedError`."""
    if not isinstance(document, dict):
        raise SourceMalformedError(f"{path} is not a resource")
    return document


def text(document: dict[str, Any], name: str) -> str:
    """Return a property that is a text of reasonable length; empty for anything else."""
    value = document.get(name)
    return value.strip() if isinstance(value, str) and len(value) <= _LONGEST_TEXT else ""


def link(document: Any, name: str) -> str:
    """Return the path that a property links to, of several the first; empty for none."""
    return next(links(document, name), "")


def links(document: Any, name: str) -> Iterator[str]:
    """Yield the paths that a property links to."""
    linked = document.get(name) if isinstance(document, dict) else None
    for entry in (linked if isinstance(linked, list) else [linked])[:_MOST_MEMBERS]:
        path = text(entry, "@odata.id") if isinstance(entry, dict) else ""
        if path.startswith("/"):
            yield path
