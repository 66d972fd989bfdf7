"""Whose a running VM is, and from where its counters count for this tenant; kept on disk.

A life is one run of a QEMU for one tenant. A tenant never sees what a VM did for another one: the counters of
a life that did not begin with its QEMU are shown from their first value on. A resolver that finds no tenant
changes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostcollector.devices.kept_record import PATIENCE_SECONDS, Form, KeptRecord
from hostcollector.outputs.tenant_page.devices import Numbers

FILE_NAME = "tenants/lives.json"
"""In a folder of its own: a folder has one writer at a time."""

VERSION = 1

NEW_SECONDS = 90.0
"""A QEMU that is no older at the first look has only worked for the tenant that it has then.

It must have started while this process watched: before, the record may have been lost.
"""

SAME_SECONDS = 2.0
"""By how much the start of one QEMU may differ between two looks: the host's clock is adjusted.

It decides only where the QEMU itself is not known, such as in a record of an older release.
"""


@dataclass(slots=True, kw_only=True)
class Life:
    """A run of a VM for a tenant; an empty `tenant` is a VM of which no tenant was ever found.

    `started` is when its QEMU started and `since` from when the counters count, as Unix times. `qemu` names
    the QEMU as `Lives` finds it, which no step of the clock changes; empty if it is not known. `first` has
    the first values of the counters where they count from there. `held` are the values that move once a
    minute, each with its minute.
    """

    tenant: str
    started: float
    since: float
    whole: bool
    qemu: str = ""
    first: dict[str, float] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=Numbers)
    held: dict[str, tuple[int, float]] = field(default_factory=dict)

    def own_part(self, key: str, value: float) -> tuple[float, bool]:
        """Return the tenant's part of a counter, and whether `first` changed.

        A counter that is lower than its first value has begun anew, such as one that the guest keeps.
        """
        if self.whole:
            return value, False
        first = self.first.get(key)
        if first is None or value < first:
            first = self.first[key] = value if first is None else 0.0
            return value - first, True
        return value - first, False


class Lives:
    """The lives by UUID; in use by one thread at a time. Read from disk at the first use.

    `since` is the Unix time at which this process began. `qemu_of` takes a UUID and the start time that a
    collection has given, and returns what names that QEMU on all boots of the host; empty text if it is not
    known. With `writes` False (a collection by hand, beside a
    daemon) the file is not changed.
    """

    def __init__(
        self,
        directory: Path,
        since: float,
        *,
        qemu_of: Callable[[str, float], str] = lambda _uuid, _started: "",
        writes: bool = True,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._since = since
        self._qemu_of = qemu_of
        self._kept = KeptRecord(directory, _FORM, writes=writes, patience=patience)

    def of(self, uuid: str, tenant: str, started: float | None, now: float) -> Life | None:
        """Return the life of a VM; None while the disk or the start of its QEMU is not known.

        `tenant` is empty if none was found. `started` and `now` are Unix times.
        """
        with self._kept.entries() as lives:
            if lives is None:
                return None
            life = lives.get(uuid)
            qemu = "" if started is None else self._qemu_of(uuid, started)
            if life is not None and _same(life, qemu, started):
                known = qemu or life.qemu
                if tenant in ("", life.tenant) and life.qemu == known:
                    return life
                if tenant in ("", life.tenant):
                    life.qemu = known
                else:
                    life = Life(tenant=tenant, started=life.started, since=now, whole=False, qemu=known)
            elif started is not None:
                whole = self._since <= started and now - started <= NEW_SECONDS
                since = started if whole else now
                life = Life(tenant=tenant, started=started, since=since, whole=whole, qemu=qemu)
            else:
                return None
            lives[uuid] = life
            self._kept.changed()
            return life

    def changed(self) -> None:
        """Note that a life has changed."""
        with self._kept.entries() as lives:
            if lives is not None:
                self._kept.changed()

    def keep_only(self, uuids: Collection[str]) -> None:
        """Forget the VMs that are not here any more, and write what has changed."""
        with self._kept.entries() as lives:
            if lives is not None and (gone := lives.keys() - uuids):
                for uuid in gone:
                    del lives[uuid]
                self._kept.changed()
        self._kept.flush()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the failed reads and writes, each a sentence with its consequence."""
        return self._kept.problems


def _same(life: Life, qemu: str, started: float | None) -> bool:
    """Whether the QEMU is still the life's: by its name, and where that is not known by its start."""
    if qemu and life.qemu:
        return qemu == life.qemu
    return started is None or abs(life.started - started) <= SAME_SECONDS


def _write(lives: Mapping[str, Life]) -> dict[str, Any]:
    return {
        "lives": {
            uuid: {
                "tenant": life.tenant,
                "started": life.started,
                "since": life.since,
                "whole": life.whole,
                "qemu": life.qemu,
                "first": dict(life.first),
                "numbers": {kind: dict(known) for kind, known in life.numbers.given.items()},
                "following": dict(life.numbers.following),
            }
            for uuid, life in lives.items()
        }
    }


def _read(document: Mapping[str, Any]) -> Iterable[tuple[str, Life] | None]:
    entries = document.get("lives")
    if isinstance(entries, dict):
        return (_entry(uuid, entry) for uuid, entry in entries.items())
    raise ValueError("no lives")


def _entry(uuid: str, entry: object) -> tuple[str, Life] | None:
    match entry:
        case {
            "tenant": str(tenant),
            "started": int() | float() as started,
            "since": int() | float() as since,
            "whole": bool(whole),
            "first": dict(first),
            "numbers": dict(numbers),
            "following": dict(following),
            **others,
        } if _numbers(first) and all(map(_numbers, numbers.values())) and _numbers(following):
            qemu = others.get("qemu", "")  # not in a record of an older release
            if not isinstance(qemu, str):
                return None
            return uuid, Life(
                tenant=tenant,
                started=started,
                since=since,
                whole=whole,
                qemu=qemu,
                first=first,
                numbers=Numbers(numbers, following),
            )
    return None


def _numbers(values: object) -> bool:
    return isinstance(values, dict) and all(type(value) in (int, float) for value in values.values())


_FORM = Form(
    name=FILE_NAME,
    version=VERSION,
    write=_write,
    read=_read,
    unread="counters of the tenant page begin at 0 again",
    unwritten="counters of the tenant page begin at 0 again after a restart",
)
