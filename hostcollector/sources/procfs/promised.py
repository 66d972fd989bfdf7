"""Which threads a guest's definition promises, and which of them its QEMU has."""

from collections.abc import Collection

from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Domain
from hostcollector.sources.procfs.duties import Duty, Role, iothread_name
from hostcollector.sources.procfs.seen import Seen


def lacking(domain: Domain, roles: Collection[Role], unplugged: int = 0) -> list[str]:
    """Return the names of the threads that are promised and not among `roles`.

    Of vCPUs the number is promised, not which ones: some may be unplugged. `unplugged` is how many were there
    and have ended since: libvirt has no event for that, and the definition may be older.
    """
    vcpus = {role.label for role in roles if role.duty is Duty.VCPU}
    iothreads = {role.label for role in roles if role.duty is Duty.IOTHREAD}
    names = []
    few = (domain.vcpus or 0) - len(vcpus) - unplugged
    if few > 0:
        absent = (str(number) for number in range(len(vcpus) + few))
        names = [f"vCPU {number}" for number in absent if number not in vcpus][:few]
    return names + [name for name in map(iothread_name, domain.iothreads) if name not in iothreads]


def miss(domain: Domain, seen: Seen, gaps: Gaps) -> None:
    """Note the threads that are promised and not there."""
    names = lacking(domain, seen.roles, seen.unplugged)
    if seen.one_for_all:
        gaps.fact(
            f"one thread runs all vCPUs of guest {domain.name!r} (TCG): they have no times of their own"
        )
        names = [name for name in names if not name.startswith("vCPU")]
    for name in names:
        gaps.missing("thread", f"{name} of guest {domain.name!r}")
