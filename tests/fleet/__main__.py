"""`make fleet`: makes the hosts' root trees and wheelhouses, then runs the tests in namespaces.

Everything that the tests start lives in a process, a mount and a network namespace, and writes into memory
there: the kernel ends and frees all of it when the tests end, however they end. Only control groups remain.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fleet import cgroups
from tests.fleet.release import IMAGES, REACH, RELEASES, Release
from tests.fleet.wheelhouse import wheelhouse
from tests.lab.container import build as build_images
from tests.lab.modular import modular_daemons
from tests.lab.process import until

PROGRAMS = (
    "mmdebstrap",
    "systemd-nspawn",
    "unshare",
    "setpriv",
    "ssh",
    "ssh-keygen",
    "ip",
    "prometheus",
    "promtool",
)
# Killed with the process that started it, and everything inside with it.
ISOLATED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *(
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ),
)
IN_MEMORY = 'mount -t tmpfs -o mode=755 fleet "$HOSTCOLLECTOR_FLEET" && exec "$@"'


def main(arguments: Sequence[str]) -> int:
    """Run the fleet's tests, with more arguments for pytest, and return its status.

    With `reach` as the first argument they are those on hosts of three releases, which take minutes. With
    `prepare` it makes the root trees and wheelhouses, and runs no test.
    """
    reach = arguments[:1] == ["reach"]
    releases = REACH if reach else RELEASES
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent or os.geteuid() != 0:
        print(
            f"The fleet needs root and {', '.join(absent) or 'nothing else'}: see 'make setup'.",
            file=sys.stderr,
        )
        return 1
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=len(releases)) as pool:
        list(pool.map(_prepare, releases))
    print(f"root trees and wheelhouses: {time.monotonic() - started:.0f} s", flush=True)
    if arguments[:1] == ["prepare"]:
        return 0
    directory = Path(tempfile.mkdtemp(prefix="hostcollector-fleet-", dir="/tmp"))
    marks = "fleet and full" if reach else "fleet and not full"
    files = "tests/fleet/test_reach.py" if reach else "tests/fleet"
    tests = (sys.executable, "-m", "pytest", "-m", marks, "-s", files, *arguments[reach:])
    try:
        environment = {**os.environ, "HOSTCOLLECTOR_FLEET": str(directory)}
        return subprocess.call((*ISOLATED, "sh", "-c", IN_MEMORY, "sh", *tests), env=environment)
    except KeyboardInterrupt:
        return 130
    finally:
        until(lambda: cgroups.remove(directory.name), 30.0, "the end of the fleet's processes")
        directory.rmdir()


def _prepare(release: Release) -> None:
    release.tree()
    if release.modular:
        modular_daemons(release.codename)
    if release.by_image:
        IMAGES.mkdir(parents=True, exist_ok=True)
        build_images(IMAGES)
    else:
        wheelhouse(release)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
