"""A host's ``/proc`` built by hand: QEMU processes with their threads, and whatever else runs there.

The files are those of Linux 6.1 as far as the collector reads them; tests/fixtures/hosts has a captured tree.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

KERNEL_THREAD = 0x00200000
STATUS = "Name:\t{comm}\nState:\tS (sleeping)\nCpus_allowed_list:\t{cpus}\nMems_allowed_list:\t0\n"
SWITCHES = "voluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}\n"
BOOT_TIME = 1_700_000_000


def stat_line(  # the fields by their names in proc_pid_stat(5)
    pid: int,
    comm: str,
    *,
    state: str = "S",
    flags: int = 0x00400100,
    utime: int = 0,
    stime: int = 0,
    num_threads: int = 1,
    starttime: int = 1000,
    rss: int = 0,
    processor: int = 0,
) -> str:
    """Return a line of /proc/PID/stat; what the collector does not read is 0."""
    fields: list[int | str] = [0] * 50
    fields[0], fields[6], fields[11], fields[12] = state, flags, utime, stime
    fields[17], fields[19], fields[21], fields[36] = num_threads, starttime, rss, processor
    return f"{pid} ({comm}) {' '.join(map(str, fields))}\n"


class Procfs:
    """Builds below `root`/proc; process 1 and the time of boot are there from the start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/1/stat", stat_line(1, "systemd", starttime=1))
        self.write("proc/stat", f"cpu  1 2 3\ncpu0 1 2 3\nbtime {BOOT_TIME}\nprocesses 12\n")

    def write(self, path: str, content: str) -> None:
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def process(
        self,
        pid: int,
        comm: str,
        arguments: Sequence[str] = (),
        *,
        starttime: int = 1000,
        state: str = "S",
        flags: int = 0x00400100,
    ) -> None:
        """Add or replace a process."""
        line = stat_line(pid, comm, starttime=starttime, state=state, flags=flags)
        self.write(f"proc/{pid}/stat", line)
        self.write(f"proc/{pid}/cmdline", "".join(f"{argument}\0" for argument in arguments))

    def qemu(
        self,
        pid: int,
        uuid: str,
        name: str,
        threads: Mapping[int, str] | None = None,
        *,
        comm: str = "qemu-system-x86",
        starttime: int = 1000,
        state: str = "S",
    ) -> None:
        """Add a QEMU process as libvirt starts it; `threads` are the names of all but its main one.

        `state` is that of its main thread.
        """
        escaped = name.replace(",", ",,")
        arguments = (
            "/usr/bin/qemu-system-x86_64",
            "-name",
            f"guest={escaped},debug-threads=on",
            "-uuid",
            uuid,
        )
        self.process(pid, comm, arguments, starttime=starttime, state=state)
        self.thread(f"proc/{pid}/task/{pid}", pid, comm, state=state)
        for tid, thread in (threads or {}).items():
            self.thread(f"proc/{pid}/task/{tid}", tid, thread)

    def thread(
        self,
        directory: str,
        tid: int,
        comm: str,
        schedstat: str = "1000000000 500000000 10",
        *,
        flags: int = 0x00400100,
        processor: int = 0,
        state: str = "S",
    ) -> None:
        """Add or replace a thread, by its directory below the root."""
        self.write(f"{directory}/stat", stat_line(tid, comm, state=state, flags=flags, processor=processor))
        self.write(f"{directory}/schedstat", f"{schedstat}\n")
        status = STATUS.format(comm=comm, cpus="0-3") + SWITCHES.format(voluntary=7, involuntary=3)
        self.write(f"{directory}/status", status)

    def kernel_thread(self, tid: int, comm: str) -> None:
        """Add a kernel thread, which is a process without a command line."""
        self.process(tid, comm, flags=KERNEL_THREAD)
        self.thread(f"proc/{tid}", tid, comm, flags=KERNEL_THREAD)

    def end(self, pid: int) -> None:
        """Remove a process or a kernel thread."""
        shutil.rmtree(self.root / f"proc/{pid}")
