"""A guest whose QEMU not even SIGKILL ends, which simulates uninterruptible sleep."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.lab.process import until
from tests.lab.running import RunningGuest


@contextmanager
def frozen(guest: RunningGuest) -> Iterator[None]:
    """Freeze a guest's QEMU for the block by a control group of its own, so that not even SIGKILL ends it."""
    mounts = Path("/proc/self/mounts").read_text()
    trees = re.findall(r"^\S+ (\S+) cgroup \S*\bfreezer\b", mounts, re.MULTILINE)
    group = Path(trees[0] if trees else "/sys/fs/cgroup") / f"hostcollector-frozen-{guest.qemu.pid}"
    file, freeze, thaw = ("freezer.state", "FROZEN", "THAWED") if trees else ("cgroup.freeze", "1", "0")
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(guest.qemu.pid))
        (group / file).write_text(freeze)
        until(lambda: (group / file).read_text().strip() == freeze, 5.0, f"freezing {guest.guest.name}")
        yield
    finally:
        (group / file).write_text(thaw)
        with suppress(OSError):
            guest.kill()
        until(lambda: not (group / "cgroup.procs").read_text(), 10.0, f"the end of {guest.guest.name}")
        group.rmdir()
