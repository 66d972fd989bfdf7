"""A day of looks at a baseboard's BMC, one a second, as fast as they go: what has grown at its end.

``python -m tests.bench.gpu_day [READS]``: the real source and client against a BMC over HTTPS, 86,400 reads
with a round of questions for each 15 of them, the ports each 300, and sessions that the BMC ends each 1,800.
"""

import gc
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from hostcollector.base.source import Request
from tests.simulated.gpu_host import GpuHost, gpu_host

DAY = 86_400
BETWEEN_ROUNDS, BETWEEN_PORTS, SESSION_SECONDS = 15, 300, 1_800
# What caches and pools take in the beginning is no growth.
WARM_UP = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What was done, and by how much things were more at the end than after the warm-up.

    `blocks` are the interpreter's allocated blocks, `resident` is in bytes.
    """

    reads: int
    rounds: int
    logins: int
    most_sessions: int
    threads: int
    files: int
    blocks: int
    resident: int


def measure(host: GpuHost, *, reads: int, session: int) -> Growth:
    """Read so often, a simulated second apart; the BMC ends its sessions every `session` seconds."""
    request = Request(guests=dict(host.guests), deadline=0.0, taken_at=0.0)
    host.client.settle(20)
    rounds, before = 0, _state()
    for number in range(reads):
        host.skipped += 1.0
        if number % BETWEEN_ROUNDS == 0:
            host.heard()
            rounds += 1
        if number and number % session == 0:
            host.bmc.expire()
        assert host.redfish.read(request).samples
        if number == int(reads * WARM_UP):
            before = _state()
    threads, files, blocks, resident = (now - then for now, then in zip(_state(), before, strict=True))
    return Growth(
        reads=reads,
        rounds=rounds,
        logins=host.bmc.logins,
        most_sessions=host.bmc.most_sessions,
        threads=threads,
        files=files,
        blocks=blocks,
        resident=resident,
    )


def _state() -> tuple[int, int, int, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        threading.active_count(),
        # Connections to the BMC come and go; what is left of them is a file that is not a socket's any more.
        sum(1 for link in Path("/proc/self/fd").iterdir() if not _is_socket(link)),
        sys.getallocatedblocks(),
        pages * os.sysconf("SC_PAGE_SIZE"),
    )


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:
        return True


def main(reads: int) -> None:
    """Print what has grown in `reads` looks."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostcollector-day-") as name, gpu_host(Path(name)) as host:
        host.stop()
        host.start(BETWEEN_PORTS)
        growth = measure(host, reads=reads, session=SESSION_SECONDS)
    print(f"{growth.reads} reads, at least {growth.rounds} rounds of questions, {growth.logins} logins")
    print(f"at most {growth.most_sessions} session at a time, {len(host.bmc.sessions)} left at the end")
    print(
        f"more than after the warm-up: {growth.threads} threads, {growth.files} files, "
        f"{growth.blocks} blocks, {growth.resident / 2**20:.2f} MiB resident"
    )
    print(f"it took {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DAY)
