"""What `.ci/dist` makes on each release, built in a throw-away copy of its root tree and kept in a cache."""

import fcntl
import hashlib
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
    ".ci/packages",
    ".ci/pin_wheels.py",
)
PROGRAMS = ("hostcollector", "hostcollector-gateway")
# Runs in a mount namespace of its own: all that it changes is in memory, and gone at its end.
BUILD = """set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
for path in proc dev; do mount --rbind /$path $path; done
cp --remove-destination /etc/resolv.conf etc/resolv.conf
mkdir src downloads
cp -a "$3"/. downloads
git -C "$4" ls-files -z --cached --others --exclude-standard | (cd "$4" && tar -c --null -T -) | tar -x -C src
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot . apt-get -qy update
compiler="gcc libc6-dev libvirt-dev pkg-config python3-dev python3-venv"
chroot . apt-get -qy --no-install-recommends install $compiler
PIP_NO_INDEX=1 PIP_FIND_LINKS=/downloads SOURCE_DATE_EPOCH=1 chroot . /src/.ci/dist
cp src/dist/*.tar.gz "$5"
"""


def wheelhouse(release: Release, program: str = "hostcollector") -> Path:
    """Return the unpacked wheelhouse of a program for the release: `wheels/` and `requirements.txt`."""
    recipe = b"".join((REPOSITORY / name).read_bytes() for name in INPUTS) + BUILD.encode()
    house = FLEET_CACHE / f"wheels-{release.codename}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    FLEET_CACHE.mkdir(parents=True, exist_ok=True)
    with (FLEET_CACHE / f"wheels-{release.codename}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not house.exists():
            _build(release, house)
    return house / program


def _build(release: Release, house: Path) -> None:
    tree = release.tree()
    print(f"Debian {release.number}: building the wheelhouse ...", flush=True)
    log = FLEET_CACHE / f"wheels-{release.codename}.log"
    with tempfile.TemporaryDirectory(prefix="hostcollector-wheels-") as name, log.open("wb") as output:
        scratch = Path(name)
        work, downloads, made = scratch / "work", scratch / "downloads", scratch / "made"
        for folder in (work, downloads, made):
            folder.mkdir()
        _download(release, downloads, output.fileno())
        enter = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
        subprocess.run(
            (*enter, "sh", "-c", BUILD, "sh", work, tree, downloads, REPOSITORY, made),
            check=True,
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


def _download(release: Release, folder: Path, output: int) -> None:
    """Fetch what the locks name for the release's Python with this machine's pip, which knows where from."""
    download = (
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-build-isolation",
        "--require-hashes",
    )
    platforms = ("--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64")
    for locks in (("-r", "lock/run.txt", "-r", "lock/build.txt"), ("-r", "lock/gateway.txt")):
        subprocess.run(
            (*download, *platforms, f"--python-version={release.python}", *locks, "-d", folder),
            check=True,
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
        )
