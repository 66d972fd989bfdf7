"""A host whose clock jumps, whose files run out or are hidden: the page says what is missing, and goes on."""

import resource
import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.matrix.harm import EVERYTHING, NO_HARM, Harm
from tests.lab.matrix.reading import shows
from tests.lab.matrix.row import Begin
from tests.lab.matrix.scene import Scene
from tests.lab.matrix.watched import Watched, watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

HOUR = 3600
DESCRIPTORS_LEFT = (4, 2, 0)
UP = "hostcollector_source_up"
OF_PROCESSES = frozenset({"procfs", "cgroup"})

# A mount namespace with a /proc of its own, so that both can be changed for the collector alone.
OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
OWN_PROC = ("sh", "-c", 'mount -t proc proc /proc && exec "$@"', "sh")
# Another user than the guests', who may read the test's own files wherever they are.
UNPRIVILEGED = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


def _inside(seen: Watched, *command: str) -> None:
    """Run a command in the collector's mount namespace."""
    namespace = f"--mount=/proc/{seen.served.child.pid}/ns/mnt"
    subprocess.run(["nsenter", namespace, *command], check=True, capture_output=True)


@pytest.mark.full
def test_the_clock_is_set(on_stage: Scene, begin: Begin, tmp_path: Path) -> None:
    """An hour forward and back again changes no counter and no start time, and nothing waits for it."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    clock = (
        *("env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={offset}"),
        *("FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"),
    )
    uri = on_stage.hypervisor.uri_readonly
    with (
        watched(uri, tmp_path, on_stage.guests, within=clock) as seen,
        begin("clock an hour forward and back", seen) as row,
    ):
        for _ in row.each_round():
            for moved in (HOUR, 0, -HOUR, 0):
                with row.fault(NO_HARM):
                    offset.write_text(f"{moved:+d}")
                    row.keep_scraping(3)


def test_no_file_descriptor_is_left(on_stage: Scene, begin: Begin, tmp_path: Path) -> None:
    """What cannot be opened is absent and explained, and comes back."""
    uri = on_stage.hypervisor.uri_readonly
    with (
        watched(uri, tmp_path, on_stage.guests) as seen,
        begin("no file descriptors left", seen) as row,
    ):
        pid = seen.served.child.pid
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        for number in row.each_round():
            with row.fault(Harm(everywhere=EVERYTHING)):
                left = seen.served.file_descriptors() + DESCRIPTORS_LEFT[number % len(DESCRIPTORS_LEFT)]
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (left, usual[1]))
                time.sleep(4)  # pages may have to wait for a descriptor: for less than their time
                resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)


@pytest.mark.full
def test_proc_is_hidden(on_stage: Scene, begin: Begin, tmp_path: Path) -> None:
    """With hidepid the page says that the processes cannot be seen, and libvirt's part goes on."""
    surroundings = (*OWN_MOUNTS, *OWN_PROC, *UNPRIVILEGED)
    on_stage.hypervisor.directory.chmod(0o711)
    uri = on_stage.hypervisor.uri_readonly
    with (
        watched(uri, tmp_path, on_stage.guests, within=surroundings) as seen,
        begin("/proc hidden (hidepid)", seen) as row,
    ):
        for _ in row.each_round():
            with row.fault(Harm(everywhere=OF_PROCESSES)):
                _inside(seen, "mount", "-o", "remount,hidepid=2", "/proc")
                row.see(shows(UP, 0, source="procfs"), "the processes are hidden")
                row.keep_scraping()
                _inside(seen, "mount", "-o", "remount,hidepid=0", "/proc")


def test_the_control_groups_are_gone(on_stage: Scene, begin: Begin, tmp_path: Path) -> None:
    """Without the tree of control groups their figures are absent, and nothing else."""
    uri = on_stage.hypervisor.uri_readonly
    with (
        watched(uri, tmp_path, on_stage.guests, within=OWN_MOUNTS) as seen,
        begin("control groups absent", seen) as row,
    ):
        for _ in row.each_round():
            with row.fault(Harm(everywhere=frozenset({"cgroup"}))):
                _inside(seen, "mount", "-t", "tmpfs", "nothing", "/sys/fs/cgroup")
                row.keep_scraping(3)
                _inside(seen, "umount", "/sys/fs/cgroup")
