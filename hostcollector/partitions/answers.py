"""UFM's documents to values. What an entry does not say is left out, never guessed."""

from collections.abc import Iterator
from typing import Any

from hostcollector import ib_names
from hostcollector.errors import SourceMalformedError
from hostcollector.partitions.values import Member, Membership, Origin

_MEMBERSHIPS = frozenset(Membership)


def members(document: Any) -> dict[str, tuple[Member, ...]]:
    """Return the memberships by port GUID. Raises `SourceMalformedError` for what is no list of partitions.

    The document has the partitions by P_Key: ``{"0x1": {"partition": "acme", "guids": [{"guid":
    "0c42a10300abcdef", "membership": "full", ...}]}}``.
    """
    if not isinstance(document, dict) or not all(isinstance(entry, dict) for entry in document.values()):
        raise SourceMalformedError("in place of the partitions came something else")
    if document and not any("guids" in entry for entry in document.values()):
        raise SourceMalformedError("the partitions came without their members")
    found: dict[str, tuple[Member, ...]] = {}
    for pkey, entry in document.items():
        partition = ib_names.partition(pkey)
        if partition is None:
            continue
        name = _text(entry.get("partition"))
        for guid, membership in _ports(entry.get("guids")):
            member = Member(partition=partition, name=name, membership=membership, origin=Origin.UFM)
            if member not in (others := found.get(guid, ())):
                found[guid] = (*others, member)
    return found


def version(document: Any) -> str:
    """Return UFM's version, such as ``6.19.3``; empty where the document has none."""
    return _text(document.get("ufm_release_version")) if isinstance(document, dict) else ""


def _ports(guids: Any) -> Iterator[tuple[str, Membership]]:
    for entry in guids if isinstance(guids, list) else ():
        if isinstance(entry, dict):
            guid = ib_names.guid(_text(entry.get("guid")))
            membership = _text(entry.get("membership")).lower()
            if guid and membership in _MEMBERSHIPS:
                yield guid, Membership(membership)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
