"""What happens inside the emulated hypervisor, with control groups of version 2: an OOM kill of a guest.

Run as `python -m tests.lab.sriov.oom_inside DIRECTORY`; writes `ends.json` into the directory.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.lab.cgroups import groups_of
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.served import Served
from tests.lab.sriov.card import ip
from tests.lab.sriov.collector import PATIENCE, Collector
from tests.lab.sriov.findings import UP
from tests.lab.sriov.inside import say

ENDED = "hostcollector_host_domain_ended_timestamp_seconds"
KILLED = "killed"
STATE = "libvirt_domain_cgroup_memory_oom_kills_total"
GREEDY = "x = []\nwhile True: x.append(bytearray(1 << 20))"


def main(outbox: Path) -> None:
    """Boot guests, end them, and write each one's reason and how many seconds it took."""
    say(UP)
    ip("link", "set", "lo", "up")
    hypervisor = PrivateHypervisor.start()
    collector = Collector.start(hypervisor.uri_readonly, outbox)
    idle = [Guest.idle(name, metadata=own_tenant("acme")) for name in ("oom", KILLED)]
    guests = [replace(guest, nics=0) for guest in idle]
    starved, killed = hypervisor.boot_all(guests)
    say("two guests run")
    served = collector.served
    until(collector.is_ready, PATIENCE, "the collector")
    until(lambda: len(served.page(PATIENCE).all(STATE)) == len(guests), PATIENCE, "both guests' groups")
    say("the collector has read both guests' control groups")

    # A kill elsewhere on the host explains no guest's end.
    _starve_another(Path("/sys/fs/cgroup/other"))
    since = time.monotonic()
    killed.qemu.send(signal.SIGKILL)
    found = {KILLED: _end(served, killed, since)}
    (group,) = groups_of(starved.qemu)
    since = time.monotonic()
    (group / "memory.max").write_text("1M")
    found["oom"] = _end(served, starved, since)
    kills = int(Path("/proc/vmstat").read_text().partition("\noom_kill ")[2].split()[0])
    (outbox / "ends.json").write_text(json.dumps({"ends": found, "kills": kills}))


def _end(served: Served, guest: RunningGuest, since: float) -> tuple[str, float]:
    uuid = guest.guest.uuid
    while not (found := served.page(PATIENCE).all(ENDED, uuid=uuid)):
        time.sleep(0.2)
    (labels,) = found
    reason = dict(labels)["reason"]
    say(f"{guest.guest.name} ended: {reason}")
    return reason, time.monotonic() - since


def _starve_another(group: Path) -> None:
    group.mkdir()
    (group / "memory.max").write_text("20M")
    script = f"echo $$ > {group}/cgroup.procs && exec {sys.executable} -c '{GREEDY}'"
    ran = subprocess.run(["sh", "-c", script], check=False)
    say(f"another process ended: {ran.returncode}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
