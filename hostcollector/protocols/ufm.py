"""Follows NVIDIA's UFM Enterprise in the background: which port is in which InfiniBand partition.

UFM Enterprise REST API guide, PKey GUIDs. A round has two requests, which only read; a read-only account is
enough. What an entry does not say is left out, never guessed.
"""

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from hostcollector.base import infiniband
from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.config.services import UfmSettings
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import DEFAULT_LIMITS, Limits, Poller
from hostcollector.protocols.rest.refusals import LoginRefusedError, NoSuchPathError, TokenRefusedError
from hostcollector.protocols.rest.target import Service, Target

_DEFAULT = 0x7FFF
SERVICE = Service(name="UFM", section="ufm")
PKEYS = "/ufmRest/resources/pkeys?guids_data=true"
VERSION = "/ufmRest/app/ufm_version"


class Membership(StrEnum):
    """Limited members of a partition do not reach each other, only full ones; `BOTH` is both at once.

    A port has two keys of the partition then, with and without the membership bit (opensm(8), "PARTITION
    CONFIGURATION").
    """

    FULL = "full"
    LIMITED = "limited"
    BOTH = "both"


class Origin(StrEnum):
    """Where a membership is configured: in hostcollector's configuration, or in UFM."""

    STATIC = "static"
    UFM = "ufm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A port's membership in a partition, from 1 to 0x7fff; `name` is the partition's, if it has one."""

    partition: int
    name: str = ""
    membership: Membership
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class UfmAnswer:
    """UFM's answer: its version, the number of its partitions, and memberships by port GUID.

    `everywhere` are the memberships of all ports of the fabric. `notes` name the entries that could not be
    read, `unread` is how many there are.
    """

    version: str = ""
    partitions: int = 0
    members: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    everywhere: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()
    unread: int = 0

    def of(self, port_guid: str) -> tuple[Member, ...]:
        """Return a port's memberships; its own ones go before those of all ports."""
        own = self.members.get(port_guid, ())
        named = {member.partition for member in own}
        return (*own, *(member for member in self.everywhere if member.partition not in named))


_MEMBERSHIPS = frozenset(Membership)


def read_partitions(document: Any) -> UfmAnswer:
    """Return the partitions of a document; a partition or a member that cannot be read costs itself.

    Raises `SourceMalformedError` for another document. The document has the partitions by P_Key:
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
    return UfmAnswer(
        partitions=len(document), members=found, everywhere=everywhere, notes=gaps.notes, unread=gaps.count
    )


def _members(pkey: str, entry: Any, gaps: Gaps) -> Iterator[tuple[str, Member]]:
    """Yield the members of a partition by GUID, which is empty for a membership of all ports.

    Raises `SourceMalformedError` for a malformed partition.
    """
    partition = infiniband.partition(pkey)
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


def read_version(document: Any) -> str:
    """Return UFM's version, such as ``6.19.3``; empty where the document has none."""
    return _text(document.get("ufm_release_version")) if isinstance(document, dict) else ""


def _guid(entry: Any) -> str:
    guid = infiniband.guid(_text(entry.get("guid"))) if _is_object(entry) else ""
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


class UfmClient(Poller[UfmAnswer]):
    """Follows one UFM. Nothing is opened before `start`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: UfmSettings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(SERVICE, settings, _Questions(), limits=limits, environment=environment, clock=clock)


class _Questions:
    """Each request carries the password; nothing is kept."""

    secrets: Collection[str] = ()

    async def ask(self, http: Http, target: Target) -> UfmAnswer:
        """Request the partitions with their members. Raises `SourceError`."""
        headers = {"Authorization": f"Basic {target.basic}"}
        try:
            document = await http.get(PKEYS, headers)
        except TokenRefusedError as error:
            text = f"{target.user!r} is not let in: user or password is wrong"
            raise LoginRefusedError(text) from error
        answer = read_partitions(document)
        version = ""
        with suppress(NoSuchPathError, SourceMalformedError):  # the rest can be shown without it
            version = read_version(await http.get(VERSION, headers))
        return replace(answer, version=version)

    def forget(self) -> None:
        """Nothing is kept."""
