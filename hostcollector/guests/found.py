"""What was found: each guest's QEMU, the kernel's threads that work for it, and notes on what is missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hostcollector.base.model import Guest
from hostcollector.base.wording import counted
from hostcollector.guests.process_claims import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuProcess:
    """A guest's QEMU. `start_ticks`, in clock ticks since boot, tells it from a later owner of its PID."""

    uuid: str
    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The QEMU of each guest by UUID, and what is missing.

    `vhost_threads` by QEMU's PID are kernel threads; from Linux 6.4 on there are none, they are QEMU's own.
    """

    processes: Mapping[str, QemuProcess]
    vhost_threads: Mapping[int, tuple[int, ...]]
    notes: tuple[str, ...] = ()


def notes_on(missing: Iterable[Guest], claims: Mapping[str, Sequence[Claim]]) -> Iterator[str]:
    """Yield a note for those whose process cannot be told, and one for those without any."""
    unseen = []
    for guest in missing:
        name = guest.domain.name
        if pids := ", ".join(str(claim.pid) for claim in claims.get(guest.domain.uuid, ())):
            yield f"none of the processes {pids} is provably the QEMU of guest {name!r}"
        else:
            unseen.append(name)
    if unseen:
        yield f"{counted(len(unseen), 'guest')} without a QEMU process that can be seen ({unseen[0]!r} first)"
