"""What happens inside the emulated hypervisor: guests with huge pages and on NUMA nodes, and a hung one.

Run as `python -m tests.lab.memory.inside DIRECTORY`; writes pages and the kernel's own account there.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.lab.guest import BOOT_SECTOR, Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Page
from tests.lab.sriov.card import ip
from tests.lab.sriov.collector import PATIENCE, Collector

UP, DONE = "the host is up", "facts.json"
MEMORY_MIB = 64
WRITTEN = 1 << 20
"""Bytes that another process of the hung guest's group writes while QEMU is stopped."""
DISK = """<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source dev='/dev/vda'/><target dev='vda' bus='virtio'/></disk>"""


def main(outbox: Path) -> None:
    """Boot the guests, take a page, stop one QEMU and take another page."""
    say(UP)
    ip("link", "set", "lo", "up")
    Path("/dev/hugepages").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "hugetlbfs", "hugetlbfs", "/dev/hugepages"], check=True)
    Path("/dev/vda").write_bytes(BOOT_SECTOR)
    hypervisor = PrivateHypervisor.start()
    collector = Collector.start(hypervisor.uri_readonly, outbox)
    wanted = (
        _guest("huge", "<memoryBacking><hugepages/></memoryBacking>"),
        _guest("bound", _placed(memory=1, cpus="2-3"), disk=True),
        _guest("astray", _placed(memory=0, cpus="2-3")),
    )
    guests = {guest.guest.name: guest for guest in hypervisor.boot_all(wanted)}
    bound = guests["bound"]
    say("three guests run")
    until(collector.is_ready, PATIENCE, "the collector")
    say("the collector is ready")
    page = _page(collector, lambda page: len(page.all("libvirt_domain_memory_hugepages_bytes")) == 3)
    (outbox / "running.prom").write_text(page.text)
    facts = {name: _account(guest) for name, guest in guests.items()}
    facts["host"] = {"meminfo": Path("/proc/meminfo").read_text()}
    facts["before"] = {"io": _io(bound)}
    # From here on: pages that are merged are in numa_maps still, and no longer in the group's account.
    Path("/sys/kernel/mm/ksm/run").write_text("1")
    say("the first page is taken")
    bound.stop()
    _write_in_group(bound)
    facts["after"] = {"io": _io(bound)}
    blocked = "libvirt_domain_monitor_blocked_seconds"
    hung = _page(collector, lambda page: max(page.all(blocked, domain="bound").values(), default=0) > 0)
    (outbox / "hung.prom").write_text(hung.text)
    say("the page of the hung guest is taken")
    (outbox / DONE).write_text(json.dumps(facts))


def _guest(name: str, elements: str, *, disk: bool = False) -> Guest:
    idle = Guest.idle(name, memory_mib=MEMORY_MIB)
    if disk:
        return replace(idle, nics=0, elements=elements, disks=(), devices=DISK)
    return replace(idle, nics=0, elements=elements)


def _placed(*, memory: int, cpus: str) -> str:
    """Return elements that bind memory to a node and the vCPU to CPUs; all memory is allocated at once."""
    return (
        f"<cputune><vcpupin vcpu='0' cpuset='{cpus}'/></cputune>"
        f"<numatune><memory mode='strict' nodeset='{memory}'/></numatune>"
        "<memoryBacking><allocation mode='immediate'/></memoryBacking>"
    )


def _page(collector: Collector, condition: Callable[[Page], bool]) -> Page:
    """Return the first page that meets the condition, after a while the page that there is."""
    deadline = time.monotonic() + 90.0
    page = collector.served.page(PATIENCE)
    while not condition(page) and time.monotonic() < deadline:
        say(f"a page of {len(page.series)} series")
        time.sleep(1.0)
        page = collector.served.page(PATIENCE)
    return page


def _account(guest: RunningGuest) -> dict[str, str]:
    """Return what the kernel says of the process: its status, its memory by node, its group."""
    proc = Path(f"/proc/{guest.qemu.pid}")
    return {name: (proc / name).read_text() for name in ("status", "numa_maps", "cgroup", "stat")} | {
        "memory.stat": (_group(guest) / "memory.stat").read_text(),
        "memory.numa_stat": (_group(guest) / "memory.numa_stat").read_text(),
    }


def _group(guest: RunningGuest) -> Path:
    membership = Path(f"/proc/{guest.qemu.pid}/cgroup").read_text()
    found = re.search(r"^0::(/.*?\.libvirt-qemu)", membership, re.MULTILINE)
    assert found, membership
    return Path("/sys/fs/cgroup" + found[1])


def _io(guest: RunningGuest) -> str:
    return (_group(guest) / "io.stat").read_text()


def _write_in_group(guest: RunningGuest) -> None:
    """Write to the guest's disk from its own control group, past its stopped QEMU."""
    place = _group(guest) / "cgroup.procs"
    script = 'echo $$ > "$0" && exec dd if=/dev/zero of=/dev/vda bs=65536 count=16 seek=16 oflag=direct'
    subprocess.run(["sh", "-c", script, str(place)], check=True)


def say(what: str) -> None:
    """Write a line with the time since the machine was switched on to its serial line."""
    print(f"{time.clock_gettime(time.CLOCK_BOOTTIME):6.1f} s  {what}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
