"""UFM's documents to values. What an entry does not say is left out, never guessed."""

from collections.abc import Iterator
from typing import Any

from hostcollector.base import infiniband as ib_names
from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.protocols.ufm.values import Answer, Member, Membership, Origin

_MEMBERSHIPS = frozenset(Membership)
_DEFAULT = 0x7FFF


def answer(document: Any) -> Answer:
    """Return what the document says of partitions; a partition or a member that cannot be read costs itself.

    Raises `SourceMalformedError` for what is no list of partitions. The document has the partitions by P_Key:
    ``{"0x1": {"partition": "acme", "guids": [{"guid": "0c42a10300abcdef", "membership": "full", ...}]}}``.
    """
    if not isinstance(document, dict) or not (document == {} or any(map(_is_object, document.values()))):
        raise SourceMalformedError("in place of the partitions came something else")
    if document and not any("guids" in entry for entry in document.values() if _is_object(entry)):
        raise SourceMalformedError("the partitions came without their members")
    gaps = Gaps()
    found: dict[str, tuple[Member, ...]] = {}
    everywhere: tuple[Member, ...] = ()
    for pkey, entry in document.items():
        with gaps.item(f"partition {pkey!r}"):
            for guid, member in _members(pkey, entry, gaps):
                others = found.get(guid, ()) if guid else everywhere
                if member not in others:
                    if guid:
                        found[guid] = (*others, member)
                    else:
                        everywhere = (*others, member)
    return Answer(
        partitions=len(document), members=found, everywhere=everywhere, notes=gaps.notes, unread=gaps.count
    )


def _members(pkey: str, entry: Any, gaps: Gaps) -> Iterator[tuple[str, Member]]:
    """Yield the members of a partition by GUID, which is empty for a membership of all ports.

    Raises `SourceMalformedError` for a partition that is none.
    """
    partition = ib_names.partition(pkey)
    if partition is None:
        raise SourceMalformedError("not a P_Key")
    if not _is_object(entry):
        raise SourceMalformedError("not a partition")
    name = _text(entry.get("partition"))

    def member(membership: Any) -> Member:
        kind = _membership(membership)
        return Member(partition=partition, name=name, membership=kind, origin=Origin.UFM)

    guids = entry.get("guids")
    if not isinstance(guids, list):
        raise SourceMalformedError("without a list of its members")
    if partition == _DEFAULT and not guids and "membership" in entry:
        # All ports are in the default partition, and no manager lists them.
        yield "", member(entry["membership"])
    for number, each in enumerate(guids):
        with gaps.item(f"partition {pkey!r}, member {number}"):
            yield _guid(each), member(each.get("membership"))


def version(document: Any) -> str:
    """Return UFM's version, such as ``6.19.3``; empty where the document has none."""
    return _text(document.get("ufm_release_version")) if isinstance(document, dict) else ""


def _guid(entry: Any) -> str:
    guid = ib_names.guid(_text(entry.get("guid"))) if _is_object(entry) else ""
    if not guid:
        raise SourceMalformedError("without a GUID")
    return guid


def _membership(value: Any) -> Membership:
    text = _text(value).lower()
    if text not in _MEMBERSHIPS:
        raise SourceMalformedError(f"an unknown membership: {str(value)[:40]!r}")
    return Membership(text)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
