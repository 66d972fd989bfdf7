"""What `.ci/dist` makes on each release, built in a throw-away copy of its root tree and kept in a cache."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.fleet.release import FLEET_CACHE, Release

REPOSITORY = Path(__file__).parents[2]
# What decides about the wheels of others; the product's own wheel is built anew in every run.
INPUTS = (
    "lock/run.txt",
    "lock/gateway.txt",
    "lock/build.txt",
    ".ci/dist",
    ".ci/dist_in",
    ".ci/packages",
    ".ci/pin_wheels.py",
)
PROGRAMS = ("hostcollector", "hostcollector-gateway")


def wheelhouse(release: Release, program: str = "hostcollector") -> Path:
    """Return the unpacked wheelhouse of a program for the release: `wheels/` and `requirements.txt`."""
    recipe = b"".join((REPOSITORY / name).read_bytes() for name in INPUTS)
    house = FLEET_CACHE / f"wheels-{release.codename}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    FLEET_CACHE.mkdir(parents=True, exist_ok=True)
    if not house.exists():
        with (FLEET_CACHE / f"wheels-{release.codename}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not house.exists():  # another checkout may have built it meanwhile
                _build(release, house)
    return house / program


def _build(release: Release, house: Path) -> None:
    tree = release.tree()
    print(f"Debian {release.number}: building the wheelhouse ...", flush=True)
    log = FLEET_CACHE / f"wheels-{release.codename}.log"
    with tempfile.TemporaryDirectory(prefix="hostcollector-wheels-") as name, log.open("wb") as output:
        scratch = Path(name)
        made = scratch / "made"
        made.mkdir()
        subprocess.run(
            (REPOSITORY / ".ci/dist_in", tree, made),
            check=True,
            env={
                **os.environ,
                "PYTHON": sys.executable,
                "SOURCE_DATE_EPOCH": "1",
                "DPKG_DEB_COMPRESSOR_TYPE": "none",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        house.with_suffix(".new").mkdir(exist_ok=True)
        for program in PROGRAMS:
            (archive,) = made.glob(f"{program}-[0-9]*.tar.gz")
            with tarfile.open(archive) as packed:
                packed.extractall(scratch / program, filter="data")
            (unpacked,) = (scratch / program).iterdir()
            subprocess.run(("cp", "-aT", unpacked, house.with_suffix(".new") / program), check=True)
    house.with_suffix(".new").rename(house)
