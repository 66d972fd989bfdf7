"""Many QEMUs that hang, as a table: what the others lose on the page, and whether libvirtd takes orders.

``make hung``; HUNG_GUESTS is how many guests there are (30), HUNG how many of them are stopped, one table
after the other, SILENT how many hang where /proc does not show it, TREE another checkout whose collector is
tried. Beside each reload, each look by hand and each restart `virsh` creates a guest and describes a healthy
one, and has six seconds for it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench import locked, starts
from tests.bench.virsh import Virsh
from tests.lab import laboratory
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.mute import mute, wake
from tests.lab.process import Process
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served, serving
from tests.lab.trees import TREE, inside

GUESTS = int(os.environ.get("HUNG_GUESTS", "30"))
HUNG = tuple(int(number) for number in os.environ.get("HUNG", "5 9 10 15 25 29").split())
SILENT = tuple(int(number) for number in os.environ.get("SILENT", "5 10 25").split())
SCRAPES, PAUSE_SECONDS = 6, 2.0
DIAGNOSE_SECONDS = 40.0

DISK = "libvirt_domain_block_stats_read_bytes_total"
VCPU = "libvirt_domain_vcpu_time_seconds_total"
ACCUSED = "libvirt_domain_timed_out"
STUCK = "hostcollector_libvirt_stuck_calls"
HEADINGS = (
    "| hung | when | page after | others with disks | with vCPUs | others called hung | stuck calls "
    "| libvirt_up | virsh create | virsh dumpxml |\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Way:
    """How QEMUs hang and go on."""

    name: str
    hang: Callable[[Process], None]
    go_on: Callable[[Process], None]


STOPPED = Way("stopped", lambda qemu: qemu.send(signal.SIGSTOP), lambda qemu: qemu.send(signal.SIGCONT))
MUTED = Way("silent", mute, wake)


@dataclass(frozen=True, slots=True)
class Trial:
    """Some guests hang, and the others do not."""

    hypervisor: PrivateHypervisor
    way: Way
    hung: Sequence[RunningGuest]
    others: Sequence[RunningGuest]
    directory: Path
    virsh: Virsh

    def row(self, when: str, served: Served | None, *, orders: bool = False) -> None:
        """Scrape once, give `virsh` its orders where they are wanted, and print a line of the table."""
        shown = self._scrape(served)
        given = self.virsh.orders(self.others[0]) if orders else ("", "")
        print(f"| {len(self.hung)} {self.way.name} | {when} | {' | '.join([*shown, *given])} |", flush=True)

    def _scrape(self, served: Served | None) -> list[str]:
        if served is None:
            return ["not ready in 30 s", "", "", "", "", ""]
        try:
            page = served.page()
        except (OSError, urllib.error.URLError) as error:
            return [f"none: {error}", "", "", "", "", ""]
        return [f"{page.seconds:.1f} s", *self._seen(page)]

    def _seen(self, page: Page) -> list[str]:
        uuids = [guest.guest.uuid for guest in self.others]
        disks, vcpus = (_uuids(page, name) for name in (DISK, VCPU))
        accused = {dict(labels)["uuid"] for labels, value in page.all(ACCUSED).items() if value}
        all_guests = [guest.guest.uuid for guest in (*self.hung, *self.others)]
        up = page.all("libvirt_up")
        return [
            f"{sum(uuid in disks for uuid in uuids)} of {len(uuids)}",
            f"{sum(uuid in vcpus for uuid in all_guests)} of {len(all_guests)}",
            str(sum(uuid in accused for uuid in uuids)),
            " ".join(f"{value:g}" for value in page.all(STUCK).values()),
            " ".join(f"{value:g}" for value in up.values()),
        ]


def _uuids(page: Page, name: str) -> set[str]:
    return {dict(labels)["uuid"] for labels in page.all(name)}


def main() -> int:
    """Run all trials and print their tables."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    print(f"{GUESTS} guests, the collector of {TREE}\n\n{HEADINGS}", flush=True)
    with PrivateHypervisor.start() as hypervisor:
        guests = hypervisor.boot_all(Guest.idle(f"hung-{number}") for number in range(GUESTS))
        for way, numbers in ((STOPPED, HUNG), (MUTED, SILENT)):
            for number in numbers:
                try_with(hypervisor, way, guests[:number], guests[number:])
        starts.show(hypervisor, guests)
        locked.show(hypervisor, guests)
    return 0


def try_with(
    hypervisor: PrivateHypervisor, way: Way, hung: Sequence[RunningGuest], others: Sequence[RunningGuest]
) -> None:
    """Let some guests hang, and look at what that does to the others and to libvirtd."""
    with tempfile.TemporaryDirectory() as name, Virsh(hypervisor, Path(name)) as virsh:
        trial = Trial(hypervisor, way, hung, others, Path(name), virsh)
        with ExitStack() as going_on:
            with collector(trial) as served:
                trial.row("before", served, orders=True)
                for guest in hung:
                    going_on.callback(way.go_on, guest.qemu)
                    way.hang(guest.qemu)
                for number in range(SCRAPES):
                    time.sleep(PAUSE_SECONDS)
                    trial.row(f"scrape {number + 1}", served)
                assert served is not None
                served.child.send_signal(signal.SIGHUP)
                time.sleep(PAUSE_SECONDS)
                trial.row("after SIGHUP", served, orders=True)
                trial.row(f"after diagnose ({diagnose(trial)})", served, orders=True)
            with collector(trial) as served:
                trial.row("after a restart", served, orders=True)
                going_on.close()
                time.sleep(PAUSE_SECONDS)
                trial.row("they go on", served, orders=True)


@contextmanager
def collector(trial: Trial) -> Iterator[Served | None]:
    """Run a collector for the block; None when it is not ready in time."""
    configuration = trial.directory / "config.yml"
    configuration.write_text(f"paths: {{state_directory: {trial.directory / 'state'}}}\n")
    with ExitStack() as stack:
        running = None
        with suppress(TimeoutError):
            flags = (f"--config.file={configuration}",)
            uri = trial.hypervisor.uri_readonly
            running = stack.enter_context(serving(uri, trial.directory, *flags, within=inside()))
        yield running


def diagnose(trial: Trial) -> str:
    """Run `hostcollector diagnose` by hand, and return how it ended."""
    flags = (f"--libvirt.uri={trial.hypervisor.uri_readonly}", f"--config.file={trial.directory}/config.yml")
    command = [*inside(), sys.executable, "-m", "hostcollector", "diagnose", *flags]
    began = time.monotonic()
    try:
        done = subprocess.run(command, check=False, timeout=DIAGNOSE_SECONDS, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return f"not done in {DIAGNOSE_SECONDS:g} s"
    return f"status {done.returncode}, {time.monotonic() - began:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
