"""Usage over all that happens to a guest: the sum of its records is what the guest itself has counted."""

import re
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import libvirt
import pytest

from hostcollector.catalogue.usage import Ended, UsageRecord
from tests.lab.fixtures import Boot
from tests.lab.guest import MIB, Disk, Guest, disk_file
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.metadata import own_tenant
from tests.lab.metered import Metered, metering, show, total
from tests.lab.migration import migrating
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.tenant_hosts import assign
from tests.lab.wall_clock import WallClock
from tests.lab.workload import SECTOR, Account, Workload

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.full, pytest.mark.timeout(400)]

WORK = Workload(
    read_bytes=3 * MIB,
    write_bytes=2 * MIB,
    packets=200,
    packet_bytes=300,
    packets_per_second=50,
    delay_seconds=8,  # a disk is plugged in meanwhile
)


def accounts(guest: RunningGuest) -> list[Account]:
    """Return the guest's account of each boot."""
    lines = re.findall(r"@account (\{.*\})\r?\n", guest.serial())
    return [one for one in map(Account.parse, lines) if one.phase == "done"]


def check(records: Sequence[UsageRecord], boots: Sequence[Account]) -> None:
    """Compare the sum of all records with the guest's own account of all of its boots, exactly."""
    show(records)
    disks = [disk for boot in boots for disk in boot.disks.values()]
    nics = [nic for boot in boots for nic in boot.nics.values()]
    # The firmware reads the boot sector of the first disk before the guest's kernel counts.
    assert total(records, "disk_read_bytes") == sum(disk.read_bytes for disk in disks) + len(boots) * SECTOR
    assert total(records, "disk_reads") == sum(disk.reads for disk in disks) + len(boots)
    assert total(records, "disk_written_bytes") == sum(disk.written_bytes for disk in disks)
    assert total(records, "disk_writes") == sum(disk.writes for disk in disks)
    assert total(records, "network_transmitted_packets") == sum(nic.tx_packets for nic in nics)
    assert total(records, "network_transmitted_bytes") == sum(nic.tx_bytes for nic in nics)


def test_reboot_new_tenant_new_libvirtd_and_a_disk_that_comes_and_goes(
    own_hypervisor: PrivateHypervisor, guest_image: GuestImage, tmp_path: Path
) -> None:
    """Across an hour: nothing is counted twice or lost, whichever tenant the guest has."""
    hypervisor, clock = own_hypervisor, WallClock(tmp_path)
    inside = ("nsenter", f"--mount=/proc/{hypervisor.pid}/ns/mnt", *clock.within)
    with metering(hypervisor.uri_readonly, tmp_path / "host", inside) as metered:
        for _ in range(2):
            metered.scrape()
        hour = clock.set_before_the_hour(20)
        metered.scrape()
        began = time.time()
        ours = Guest(name="usage-lives", metadata=own_tenant("acme"), workload=WORK)
        guest = hypervisor.boot(ours, guest_image)
        booted = time.time()
        guest.account("ready")
        disk = disk_file(guest.directory, 7)
        disk.write_bytes(bytes(8 * MIB))
        xml = f"""<disk type='file'><driver name='qemu' type='raw'/><source file='{disk}'/>
            <target dev='vdb' bus='virtio'/></disk>"""
        with guest.domain() as domain:
            domain.attachDevice(xml)
        guest.account("done", 90)
        metered.scrape()
        with guest.domain() as domain:
            domain.detachDevice(xml)
        until(lambda: "vdb" not in guest.xml(), 30, "the disk's removal")
        assign(guest, "globex")
        metered.scrape()
        hypervisor.kill()
        time.sleep(1)
        metered.scrape()
        hypervisor.restart()
        until(lambda: metered.served.page().one("libvirt_up") == 1, 60, "libvirt's return")
        until(lambda: metered.served.page().one("hostcollector_inventory_age_seconds") < 5, 60, "a listing")
        with guest.domain() as domain:
            domain.reset(0)
        until(lambda: len(accounts(guest)) == 2, 90, "the second boot's account")
        clock.wait_until(hour + 1)
        metered.scrape()
        boots = accounts(guest)
        stopping = time.time()
        guest.destroy()
        ended = time.time()
        records = metered.ended(guest.guest.uuid)
    check(records, boots)
    assert "vdb" in boots[0].disks
    assert {record.tenant for record in records} == {"acme", "globex"}
    assert [record.ended for record in records if record.ended] == [
        Ended.TENANT_CHANGED,
        Ended.REBOOT,
        Ended.SHUTDOWN,
    ]
    assert len({record.hour for record in records}) == 2
    assert stopping - booted - 1 <= total(records, "running_seconds") <= ended - began + 1


def test_a_migrated_guest_is_counted_once(guest_image: GuestImage, tmp_path: Path) -> None:
    """Two hosts, two ledgers: their sum is the guest's account, and no second is of both."""
    with PrivateHypervisor.start() as first, PrivateHypervisor.start() as second, ExitStack() as stack:
        sides = [
            stack.enter_context(
                metering(
                    each.uri_readonly,
                    tmp_path / str(number),
                    ("nsenter", f"--mount=/proc/{each.pid}/ns/mnt"),
                )
            )
            for number, each in enumerate((first, second))
        ]
        for side in sides:
            side.scrape()
            side.scrape()
        work = replace(WORK, packets=0, cpu_seconds=2)  # taps of two libvirtds are not migrated
        ours = Guest(name="usage-mover", nics=0, disks=(Disk(),), metadata=own_tenant("acme"), workload=work)
        began = time.time()
        guest = first.boot(ours, guest_image)
        booted = time.time()
        guest.account("done", 90)
        own = accounts(guest)  # before the target's QEMU begins the file of the serial line anew
        sides[0].scrape()
        with migrating(guest, second) as errors:
            pass
        assert not errors
        sides[0].ended(ours.uuid)
        sides[1].scrape()
        time.sleep(3)
        sides[1].scrape()
        stopping = time.time()
        second.running(ours).destroy()
        over = time.time()
        records = [*sides[0].ended(ours.uuid), *sides[1].ended(ours.uuid)]
    check(records, own)
    assert [record.ended for record in records if record.ended] == [Ended.MIGRATED, Ended.SHUTDOWN]
    intervals = sorted(interval for record in records for interval in record.running)
    both = sum(max(0, a[1] - b[0]) for a, b in pairwise(intervals))
    print(f"{both} s of both hosts, {total(records, 'running_seconds')} s of {over - began:.1f} s")
    assert both <= 1
    assert stopping - booted - 1 <= total(records, "running_seconds") <= over - began + 1


def test_processor_time_is_what_the_guest_burned(
    boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Between two changes of its tenant a guest burns for a minute: the record says so within 1 %.

    The kernel's scheduler has the account of the vCPU's thread. The guest's own one has waiting in it too:
    under software emulation a guest does not see that it waits for a processor.
    """
    seconds = 60.0
    with metering(hypervisor.uri_readonly, tmp_path / "host") as metered:
        for _ in range(2):
            metered.scrape()
        work = Workload(cpu_seconds=seconds, delay_seconds=8)
        guest = boot(Guest(name="usage-cpu", metadata=own_tenant("before"), workload=work))
        guest.account("ready")
        time.sleep(5)  # the kernel settles during the rest before the work
        before = _scheduled(guest)
        _assign(metered, guest, "burning")
        burned = guest.account("done", 200).done.cpu_seconds[0]
        _assign(metered, guest, "after")
        ran, waited = (now - then for now, then in zip(_scheduled(guest), before, strict=True))
        guest.destroy()
        records = [one for one in metered.ended(guest.guest.uuid) if one.tenant == "burning"]
    show(records)
    used = total(records, "vcpu_used_seconds")
    print(f"burned {burned:.2f} s, recorded {used} s; the thread ran {ran:.2f} s and waited {waited:.2f} s")
    assert used == pytest.approx(ran, abs=1 + 0.01 * ran)  # a record has whole seconds
    assert burned - waited - 1 <= used * 1.01
    assert used <= burned * 1.01 + _BESIDE


_BESIDE = 5
"""Seconds that the guest's kernel may take beside the work, before and after it."""


def _scheduled(guest: RunningGuest) -> tuple[float, float]:
    """Return for how many seconds the vCPU's thread has run and has waited, as the scheduler counts."""
    (vcpu,) = (
        task
        for task in Path(f"/proc/{guest.qemu.pid}/task").iterdir()
        if (task / "comm").read_text().startswith("CPU ")
    )
    ran, waited, _ = map(int, (vcpu / "schedstat").read_text().split())
    return ran / 1e9, waited / 1e9


def _assign(metered: Metered, guest: RunningGuest, tenant: str) -> None:
    """Give the guest to a tenant, and wait until a collection knows it."""
    assign(guest, tenant)
    name, uuid = "libvirt_domain_info_virtual_cpus", guest.guest.uuid
    metered.served.page_where(lambda page: bool(page.all(name, uuid=uuid, tenant=tenant)), "the tenant")


def test_a_set_clock_loses_nothing(boot: Boot, hypervisor: PrivateHypervisor, tmp_path: Path) -> None:
    """The host's clock is set forward over an hour and back while the guest works."""
    clock = WallClock(tmp_path)
    with metering(hypervisor.uri_readonly, tmp_path / "host", clock.within) as metered:
        for _ in range(2):
            metered.scrape()
        guest = boot(Guest(name="usage-clock", metadata=own_tenant("acme"), workload=WORK))
        guest.account("ready")
        metered.scrape()
        for step in (4000, -4000):
            time.sleep(1.2)  # a page that is kept for a second is no collection
            clock.add(step)
            metered.scrape()
        guest.account("done", 90)
        metered.scrape()
        own = accounts(guest)
        guest.destroy()
        records = metered.ended(guest.guest.uuid)
    check(records, own)
    assert [record.ended for record in records if record.ended] == [
        Ended.CLOCK_STEP,
        Ended.CLOCK_STEP,
        Ended.SHUTDOWN,
    ]


@pytest.mark.parametrize("end", ["killed", "shut_down", "migrated"])
def test_what_is_unseen_at_an_end_under_load(end: str, guest_image: GuestImage, tmp_path: Path) -> None:
    """A guest that writes and sends as fast as it can ends: less than an interval of it is in no record."""
    packets = 0 if end == "migrated" else 4000
    work = Workload(write_bytes=4 * MIB, packets=packets, packet_bytes=1400, period_seconds=0.05)
    with PrivateHypervisor.start() as first, PrivateHypervisor.start() as second:
        inside = ("nsenter", f"--mount=/proc/{first.pid}/ns/mnt")
        with metering(first.uri_readonly, tmp_path / "host", inside) as metered:
            for _ in range(2):
                metered.scrape()
            nics = 0 if end == "migrated" else 1
            ours = Guest(name=f"usage-{end.replace('_', '-')}", nics=nics, workload=work)
            guest = first.boot(ours, guest_image)
            guest.account("done", 120)
            metered.scrape()
            watch = _Watch(guest)
            time.sleep(8.3)
            metered.scrape()
            time.sleep(4.7)
            ending = time.time()
            match end:
                case "killed":
                    guest.kill()
                case "shut_down":
                    with guest.domain() as domain:
                        domain.destroy()
                case _:
                    with migrating(guest, second) as errors:
                        pass
                    assert not errors
            ended = time.time()
            records = metered.ended(ours.uuid)
            watch.close()
            if end == "migrated":
                second.running(ours).destroy()
    show(records)
    last = records[-1]
    for meter, seen, rate in watch.results():
        missing = seen - total(records, meter)
        print(
            f"{end}: {meter} {seen} seen by the watch, {missing} not recorded, "
            f"{missing / max(rate, 1):.2f} s of its rate; unseen_seconds {last.unseen_seconds}; "
            f"the last scrape was 4.7 s before the end began, which took {ended - ending:.1f} s"
        )
        assert missing <= rate * (last.unseen_seconds + 2)
    assert last.unseen_seconds <= 31


class _Watch:
    """Looks at a guest's counters as often as it can: what was the last that there was to see."""

    def __init__(self, guest: RunningGuest) -> None:
        self._taps = [Path(f"/sys/class/net/{tap}/statistics/rx_bytes") for tap in guest.taps()]
        self._guest, self._over = guest, threading.Event()
        self._looks: dict[str, list[tuple[float, int]]] = {"disk_written_bytes": []}
        if self._taps:
            self._looks["network_transmitted_bytes"] = []
        self._threads = [threading.Thread(target=look) for look in (self._disk, self._nics)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def results(self) -> list[tuple[str, int, float]]:
        """Return of each meter the last value, and its rate over all looks."""
        found = []
        for meter, looks in self._looks.items():
            (start, before), (end, after) = looks[0], looks[-1]
            found.append((meter, after, (after - before) / (end - start)))
        return found

    def _disk(self) -> None:
        try:
            with self._guest.domain() as domain:
                while not self._over.is_set():
                    self._looks["disk_written_bytes"].append((time.time(), domain.blockStats("vda")[3]))
                    time.sleep(0.25)  # while libvirt answers this, a collection gets no statistics
        except libvirt.libvirtError:
            return  # the guest is gone

    def _nics(self) -> None:
        try:
            while self._taps and not self._over.is_set():
                sent = sum(int(tap.read_text()) for tap in self._taps)
                self._looks["network_transmitted_bytes"].append((time.time(), sent))
                time.sleep(0.001)
        except OSError:
            return
