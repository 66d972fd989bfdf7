"""A host of the imagination with VMs, clocks, a daemon that crashes, and its own account of the truth."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hostcollector.catalogue.usage import Ended, HourClosed, UsageRecord, parse_line
from hostcollector.outputs.usage import document
from hostcollector.outputs.usage.books import Account, Books, Round
from hostcollector.outputs.usage.reading import BILLION, HOUR, SECOND, Given, Moment, Reading

START = 1795906800 * SECOND + 1799 * SECOND
"""A second before 2026-11-28T23:30:00Z."""

LEDGER = "0123456789abcdef" * 2


def vm_name(number: int) -> str:
    """Return a VM's UUID."""
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass(slots=True)
class Vm:
    """A running VM: its counters as its QEMU has them, and when it started by the steady clock."""

    name: str
    qemu: int
    began: int
    tenant: str = "acme"
    cpu: int = 0
    disks: dict[str, int] = field(default_factory=lambda: {"vda": 0})


class World:
    """The host. What the truth says is in `counted` and `ran`."""

    def __init__(self) -> None:
        self.now = Moment(START, 10**12)
        self.offset = 0
        self.vms: dict[str, Vm] = {}
        self.ledger: list[UsageRecord | HourClosed] = []
        self.lives = 0
        self.books = Books(Account.opened(LEDGER, "boot", self.now), self.now, "boot", self._life)
        self.saved = document.write(self.books.account)
        self.counted: dict[tuple[str, int, str], dict[str, int]] = defaultdict(dict)
        self.gone: dict[str, int] = defaultdict(int)
        self.ran: dict[str, int] = defaultdict(int)
        self.qemus = 0
        self.last: Round | None = None
        self.read()
        self.pass_time(1)

    def pass_time(self, seconds: float, work: int = 0) -> None:
        """Let time pass, in which every VM works."""
        step = round(seconds * SECOND)
        self.now = Moment(self.now.wall + step, self.now.steady + step)
        for vm in self.vms.values():
            vm.cpu += work * 1_234_567
            for disk in vm.disks:
                vm.disks[disk] += work

    def set_clock(self, seconds: float) -> None:
        """Set the host's clock."""
        self.now = replace(self.now, wall=self.now.wall + round(seconds * SECOND))

    def start(self, number: int) -> None:
        """Start a VM; no event of it is lost."""
        name = vm_name(number)
        if name not in self.vms:
            self.qemus += 1
            self.vms[name] = Vm(name, self.qemus, self.now.steady)
            self.books.started(name, self.now, incoming=False)

    def stop(self, number: int, *, seen: bool = True) -> None:
        """End a VM, with libvirt's event or without."""
        vm = self.vms.pop(vm_name(number), None)
        if vm is not None:
            self.ran[vm.name] += self.now.steady - vm.began
            if seen:
                self.books.ended(vm.name, self.now, Ended.SHUTDOWN)

    def reboot(self, number: int) -> None:
        """Reboot a VM."""
        if vm_name(number) in self.vms:
            self.books.restarted(vm_name(number), self.now)

    def plug(self, number: int, disk: str) -> None:
        """Plug a disk in, or take it out again."""
        vm = self.vms.get(vm_name(number))
        if vm is None:
            return
        if disk not in vm.disks:
            vm.disks[disk] = 0
            return
        del vm.disks[disk]
        self.gone[vm.name] += self.counted[vm.name, vm.qemu, "disks"].pop(disk, 0)
        self.books.unplugged(vm.name, disk)

    def assign(self, number: int, tenant: str) -> None:
        """Give a VM to a tenant; empty is a resolver that finds none."""
        if vm_name(number) in self.vms:
            self.vms[vm_name(number)].tenant = tenant

    def read(self, unread: tuple[str, ...] = ()) -> None:
        """Make a collection, without the VMs in `unread`, and save the books."""
        self.last = self.round_(unread)
        self.books.take(self.last)
        self.save(whole=True)

    def round_(self, unread: tuple[str, ...] = ()) -> Round:
        """Return a collection."""
        seen = {name: vm for name, vm in self.vms.items() if name not in unread}
        for vm in seen.values():
            self.counted[vm.name, vm.qemu, "disks"].update(vm.disks)
            self.counted[vm.name, vm.qemu, "cpu"]["0"] = vm.cpu
        readings = {name: self._reading(vm) for name, vm in seen.items()}
        return Round(at=self.now.wall, now=self.now, readings=readings, here=frozenset(self.vms))

    def replay(self) -> None:
        """Take the last collection once more."""
        last = self.last
        if last is None or not last.readings.keys() <= self.vms.keys():
            return
        if all(self._reading(self.vms[vm]) == old for vm, old in last.readings.items()):
            self.books.take(last)

    def save(self, *, whole: bool, lines: int = 0) -> None:
        """Save as the keeper does: the account first, then the lines, of which a crash leaves `lines`."""
        account = self.books.account
        self.saved = document.write(account)
        self.ledger += account.lines if whole else account.lines[:lines]
        if whole:
            account.lines.clear()

    def crash(self, lines: int, *, saved: bool) -> None:
        """End the daemon at some point of its work, and start it again."""
        if saved:
            self.save(whole=False, lines=lines)
        account = document.read(self.saved)
        account.lines = [line for line in account.lines if line.sequence > len(self.ledger)]
        self.books = Books(account, self.now, "boot", self._life)

    def end(self) -> list[UsageRecord]:
        """Stop everything and return all records, each as a reader of the ledger gets it."""
        self.read()
        for number in range(9):
            self.stop(number)
        self.pass_time(2)
        self.read()
        self.pass_time(2 * HOUR // SECOND)
        self.read()
        lines = [parse_line(line.line().encode()) for line in self.ledger]
        assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
        return [line for line in lines if isinstance(line, UsageRecord)]

    def written(self, name: str) -> int:
        """Return how many bytes readings have seen the VM write."""
        disks = [one for (vm, _, what), one in self.counted.items() if (vm, what) == (name, "disks")]
        return self.gone[name] + sum(sum(one.values()) for one in disks)

    def burned(self, name: str) -> float:
        """Return how many seconds of processor time readings have seen."""
        all_cpus = [one for (vm, _, what), one in self.counted.items() if (vm, what) == (name, "cpu")]
        return sum(sum(one.values()) for one in all_cpus) / BILLION

    def _reading(self, vm: Vm) -> Reading:
        return Reading(
            tenant=vm.tenant,
            qemu=str(vm.qemu),
            started=self.now.wall - (self.now.steady - vm.began),
            given=Given(vcpus=2, memory_bytes=1000, disk_bytes=10),
            counters={"disk_written_bytes": dict(vm.disks), "vcpu_used_seconds": {"0": vm.cpu}},
            devices=lambda: {*vm.disks, "0"},
        )

    def _life(self) -> str:
        self.lives += 1
        return f"{self.lives:016x}"


def by_vm(records: list[UsageRecord]) -> Mapping[str, list[UsageRecord]]:
    """Return the records of each VM."""
    found: dict[str, list[UsageRecord]] = defaultdict(list)
    for record in records:
        found[record.vm].append(record)
    return found


def total(records: list[UsageRecord], meter: str) -> int:
    """Return a meter's sum."""
    return sum(record.meters.get(meter, 0) for record in records)
