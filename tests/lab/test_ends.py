"""Each end of a real guest has its reason on the page, and ends by failure have their alerts."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import libvirt
import pytest

from tests.dashboards import server
from tests.dashboards.execution import result
from tests.lab.cgroups import groups_of
from tests.lab.guest import MIB, Disk, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.image import GuestImage
from tests.lab.metadata import own_tenant
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served, serving
from tests.lab.workload import Workload
from tests.ports import reserved_port

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

ENDS = "hostcollector_host_domain_ends_total"
ENDED = "hostcollector_host_domain_ended_timestamp_seconds"
INCIDENT = "hostcollector_host_domain_incident_timestamp_seconds"
INCIDENTS = "hostcollector_host_tenant_incidents_total"
DISK_ERRORS = "libvirt_domain_block_io_errors_total"
MEMORY_LIMITS = ("memory.limit_in_bytes", "memory.max")
MIGRATE = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_UNSAFE


def _sector(code: str) -> bytes:
    return bytes.fromhex(code).ljust(510, b"\0") + b"\x55\xaa"


HALT = "faf4ebfc"
# PM1_CNT of QEMU's i440fx at 0x604: sleep type 0, sleep enable.
POWER_OFF = "ba0406b80020ef" + HALT
# PM1_EN and PM1_STS at 0x602 and 0x600: enable the power button, wait for it, and power off.
OBEY = "ba0206b80001efba0006edf6c40174fa" + POWER_OFF
# The panic device's port 0x505: "panicked".
PANIC = "ba0505b001ee" + HALT
# The ib700 watchdog's port 0x443: fire at once.
WATCHDOG = "ba4304b00fee" + HALT


@dataclass(frozen=True, slots=True)
class Host:
    """A libvirtd with a collector that is scraped each second by a Prometheus with the shipped rules."""

    hypervisor: PrivateHypervisor
    served: Served
    prometheus: str

    def paused(self, guest: Guest, image: GuestImage | None = None) -> RunningGuest:
        """Boot a guest, stopped before its first instruction, and wait until the page has it."""
        running = self.hypervisor.boot(guest, image, paused=True)
        has_it = _named("libvirt_domain_info_vstate", uuid=guest.uuid)
        self.served.page_where(has_it, f"guest {guest.name} on the page")
        return running

    def ended(self, guest: Guest, since: float) -> tuple[str, float]:
        """Wait for the end of the guest; return its reason, and the seconds since."""
        page = self.served.page_where(_named(ENDED, uuid=guest.uuid), f"the end of {guest.name}", 60)
        (labels,) = page.all(ENDED, uuid=guest.uuid)
        named = dict(labels)
        assert (named["tenant"], named["domain"]) == ("acme", guest.name)
        return named["reason"], time.monotonic() - since

    def fires(self, alert: str, guest: Guest, since: float) -> float:
        """Wait for the alert about the guest, and return the seconds since."""
        query = f'ALERTS{{alertname="{alert}", alertstate="firing", tenant="acme", uuid="{guest.uuid}"}}'
        until(lambda: bool(result(self.prometheus, query)), 30, f"the alert {alert}")
        return time.monotonic() - since


def _named(metric: str, **labels: str) -> Callable[[Page], bool]:
    return lambda page: bool(page.all(metric, **labels))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give the host, whose collector sees libvirt's PID files."""
    directory = tmp_path_factory.mktemp("ends")
    with ExitStack() as stack:
        hypervisor = stack.enter_context(PrivateHypervisor.start())
        served = stack.enter_context(serving(hypervisor.uri_readonly, directory))
        url = stack.enter_context(server.serving(directory, served.url.removeprefix("http://")))
        yield Host(hypervisor, served, url)


def _guest(name: str, code: str = HALT, devices: str = "", elements: str = "") -> Guest:
    return Guest(
        name=name,
        metadata=own_tenant("acme"),
        memory_mib=32,
        disks=(Disk(size=MIB),),
        nics=0,
        workload=None,
        boot_sector=_sector(code),
        devices=devices,
        elements=elements,
    )


def _resume(running: RunningGuest) -> None:
    with running.domain() as domain:
        domain.resume()


def _button(running: RunningGuest) -> None:
    """Press the power button again and again: the guest's firmware does not see it at first."""
    _resume(running)
    with suppress(libvirt.libvirtError), running.domain() as domain:
        while domain.isActive():
            domain.shutdown()
            time.sleep(0.5)


def _destroy(running: RunningGuest) -> None:
    with running.domain() as domain:
        domain.destroy()


def _save(running: RunningGuest) -> None:
    with running.domain() as domain:
        domain.save(str(running.directory / "saved"))


def _sends(number: signal.Signals) -> Callable[[RunningGuest], None]:
    return lambda running: running.qemu.send(number)


PANIC_DEVICE = "<panic model='isa'/>"
EACH = [
    (_guest("poweroff", POWER_OFF), _resume, "shutdown_by_guest", ""),
    (_guest("button", OBEY), _button, "shutdown_by_guest", ""),
    (_guest("term"), _sends(signal.SIGTERM), "shutdown_by_host", ""),
    (_guest("destroy"), _destroy, "destroyed", ""),
    (_guest("save"), _save, "saved", ""),
    (_guest("kill"), _sends(signal.SIGKILL), "failed", "GuestEndedUnexpectedly"),
    (_guest("segfault"), _sends(signal.SIGSEGV), "failed", "GuestEndedUnexpectedly"),
    (
        _guest("panic", PANIC, PANIC_DEVICE, "<on_crash>destroy</on_crash>"),
        _resume,
        "crashed",
        "GuestPanicked",
    ),
    (
        _guest("watchdog", WATCHDOG, "<watchdog model='ib700' action='poweroff'/>"),
        _resume,
        "failed",
        "GuestWatchdogFired",
    ),
]


@pytest.mark.parametrize(("guest", "end", "reason", "alert"), EACH, ids=[guest.name for guest, *_ in EACH])
def test_an_end_has_its_reason_and_its_alert(
    host: Host, guest: Guest, end: Callable[[RunningGuest], None], reason: str, alert: str
) -> None:
    """The host's counter grows by one, under that reason only."""
    running = host.paused(guest)
    before = host.served.page().all(ENDS)
    since = time.monotonic()
    end(running)
    found, seconds = host.ended(guest, since)
    assert found == reason
    after = host.served.page().all(ENDS)
    grown = {dict(labels)["reason"]: count - before[labels] for labels, count in after.items()}
    assert {which: count for which, count in grown.items() if count} == {reason: 1}
    alerted = f" after {host.fires(alert, guest, since):.1f} s" if alert else ""
    print(f"@end {guest.name}: {reason} after {seconds:.1f} s, {alert or 'no alert'}{alerted}")


def test_a_killed_qemu_is_found_while_libvirt_is_away(host: Host) -> None:
    """It is counted once: when libvirt comes back and cleans up, nothing is added."""
    guest = _guest("away")
    running = host.paused(guest)
    host.hypervisor.kill()
    try:
        since = time.monotonic()
        running.qemu.send(signal.SIGKILL)
        reason, seconds = host.ended(guest, since)
        assert reason == "failed"
        alerted = host.fires("GuestEndedUnexpectedly", guest, since)
        before = host.served.page().all(ENDS)
    finally:
        host.hypervisor.restart()

    def gone(page: Page) -> bool:
        return page.one("libvirt_up") == 1 and not page.all("libvirt_domain_info_vstate", uuid=guest.uuid)

    page = host.served.page_where(gone, "the end of the guest in libvirt")
    assert page.all(ENDS) == before
    print(f"@end away: {reason} after {seconds:.1f} s, GuestEndedUnexpectedly after {alerted:.1f}")


def test_a_guest_that_migrates_is_migrated_away(host: Host) -> None:
    """At its source; at its target it runs and nothing has ended."""
    guest = _guest("migrate")
    running = host.paused(guest)
    _resume(running)
    with PrivateHypervisor.start() as target, reserved_port() as port, running.domain() as domain:
        since = time.monotonic()
        domain.migrateToURI3(target.uri, {"migrate_uri": f"tcp://127.0.0.1:{port}"}, MIGRATE)
        reason, seconds = host.ended(guest, since)
    assert reason == "migrated_away"
    print(f"@end migrate: {reason} after {seconds:.1f} s")


def test_the_oom_killer_is_known_by_the_kernels_counter(host: Host, guest_image: GuestImage) -> None:
    """The guest touches more memory than its control group may have."""
    guest = replace(_guest("oom"), memory_mib=512, disks=(Disk(),), workload=Workload(memory_bytes=300 * MIB))
    running = host.paused(guest, guest_image)
    limits = [group / name for group in groups_of(running.qemu) for name in MEMORY_LIMITS]
    for limit in filter(Path.exists, limits):
        limit.write_text(str(200 * MIB))
    since = time.monotonic()
    _resume(running)
    reason, seconds = host.ended(guest, since)
    assert reason == "oom_kill"
    alerted = host.fires("GuestOOMKilled", guest, since)
    assert host.served.page().one(INCIDENTS, tenant="acme", incident="oom_kill") == 1
    print(f"@end oom: {reason} after {seconds:.1f} s of a boot, GuestOOMKilled after {alerted:.1f}")


def test_a_panic_that_keeps_the_guest_is_an_incident(host: Host) -> None:
    """The guest is not over; libvirt knows of the panic by the panic device."""
    guest = _guest("keeps", PANIC, PANIC_DEVICE, "<on_crash>preserve</on_crash>")
    running = host.paused(guest)
    since = time.monotonic()
    _resume(running)
    host.served.page_where(_named(INCIDENT, uuid=guest.uuid, incident="panicked", detail="panicked"), "panic")
    seconds = host.fires("GuestPanicked", guest, since)
    assert not host.served.page().all(ENDED, uuid=guest.uuid)
    running.destroy()
    assert host.ended(guest, since)[0] == "destroyed"
    print(f"@end panic, kept: GuestPanicked after {seconds:.1f} s")


def test_a_full_disk_is_counted_by_disk(host: Host, guest_image: GuestImage) -> None:
    """QEMU pauses the guest and reports the request that failed with the disk's alias."""
    make = "mkdir /run/full && mount -t tmpfs -o size=1m full /run/full && truncate -s 8M /run/full/disk"
    namespace = f"--mount=/proc/{host.hypervisor.pid}/ns/mnt"
    subprocess.run(["nsenter", namespace, "sh", "-c", make], check=True)
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='/run/full/disk'/><target dev='vda' bus='virtio'/></disk>"
    )
    work = Workload(write_bytes=4 * MIB)
    guest = replace(_guest("full", devices=disk), memory_mib=128, disks=(), workload=work)
    running = host.paused(guest, guest_image)
    assert host.served.page().one(DISK_ERRORS, uuid=guest.uuid, target_device="vda") == 0
    since = time.monotonic()
    _resume(running)
    failed = _named(INCIDENT, uuid=guest.uuid, incident="io_error", detail="virtio-disk0")
    page = host.served.page_where(failed, "the I/O error", 60)
    assert page.one(DISK_ERRORS, uuid=guest.uuid, target_device="vda") >= 1
    seconds = host.fires("GuestDiskError", guest, since)
    running.destroy()
    print(f"@end full disk: GuestDiskError after {seconds:.1f} s of a boot")
