"""The artefacts: built, compared with an earlier build, installed and purged on a copy of this machine."""

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from hostcollector import __version__
from tests.lab.image import CACHE
from tests.places import REPOSITORY

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(600)]  # compiles libvirt-python

SOURCE_DATE_EPOCH = "1700000000"
RECIPE = ("lock/run.txt", "lock/gateway.txt", "lock/build.txt", ".ci/dist", ".ci/pin_wheels.py")
TOOLS = ("binutils", "gcc-*", "libc6-dev", "libvirt-dev", "python3.*-dev")
"""What the wheels of the dependencies depend on: files of this tree, and Debian packages of the machine."""

COPY = """
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mkdir -p "$1/root/run/package"
cp "$2" "$1/root/run/package/hostcollector.deb"
exec chroot "$1/root" /bin/sh -eu -c "$3"
"""
"""Runs a script on a copy of this machine that is gone with the script: an overlay in a mount namespace."""

INSTALL = """
exec 2>&1
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
dpkg -i /run/package/hostcollector.deb
echo "version: $(hostcollector --version)"
echo "check: $(hostcollector check-config /etc/hostcollector/hostcollector.yml)"
echo "web: $(stat -c '%a %U:%G' /etc/hostcollector/web-config.yml)"
echo "libvirt's licence: $(grep -o 'libvirt-python .*: LGPL' /usr/share/doc/hostcollector/copyright)"
echo "user: $(getent passwd hostcollector | cut -d: -f1,6,7)"
echo "release: $(readlink /opt/hostcollector/current)"
echo "shebang: $(head -n 1 /opt/hostcollector/current/bin/hostcollector)"
/opt/hostcollector/current/bin/python3 -c 'import libvirt, bcrypt, aiohttp, pyroute2, pynvml'
mkdir -p /var/lib/hostcollector; touch /var/lib/hostcollector/baselines
dpkg --purge hostcollector
echo "left: $(find /etc /opt /usr /var/lib -xdev -name '*hostcollector*' | sort | tr '\\n' ' ')"
echo "account left: $(getent passwd hostcollector || echo none) $(getent group hostcollector || echo none)"
"""


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the artefacts of two builds, which were made in different temporary directories.

    The first compiles everything. The second takes the wheels of the dependencies from the cache, where an
    earlier run on this machine left them; a run that finds none there compiles them a second time.
    """
    wheels = _cached_wheels()
    first = _build(tmp_path_factory.mktemp("first"))
    second = _build(tmp_path_factory.mktemp("second"), wheels if wheels.exists() else None)
    if not wheels.exists():
        _keep(second, wheels)
    return first, second


def _cached_wheels() -> Path:
    """Return where wheels are kept that were made by the same recipe with the same tools."""
    command = ("dpkg-query", "--show", *TOOLS)
    versions = subprocess.run(command, capture_output=True, check=False).stdout
    recipe = b"".join((REPOSITORY / name).read_bytes() for name in RECIPE)
    return CACHE / f"dist/wheels-{hashlib.sha256(recipe + versions).hexdigest()[:12]}"


def _build(directory: Path, wheels: Path | None = None) -> Path:
    target, temporary = directory / "dist", directory / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH}
    if wheels:
        environment["HOSTCOLLECTOR_WHEELS"] = str(wheels)
    command = (REPOSITORY / ".ci/dist", target)
    made = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert list(temporary.iterdir()) == []
    return target


def _keep(built: Path, wheels: Path) -> None:
    """Put a build's wheels into the cache, without the product's own."""
    (tarball,) = built.glob("hostcollector-[0-9]*.tar.gz")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch, tarfile.open(tarball) as packed:
        packed.extractall(scratch, filter="data")
        (found,) = Path(scratch).glob("*/wheels")
        for own in found.glob("hostcollector-*"):
            own.unlink()
        wheels.parent.mkdir(exist_ok=True)
        with suppress(OSError):  # another run has put the same there
            found.rename(wheels)


def test_two_builds_give_the_same_bytes(artefacts: tuple[Path, Path]) -> None:
    """A build of the same commit can be compared with what is shipped."""
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in artefacts)
    assert len(first) == 8
    assert [name for name in first if first[name] != second.get(name)] == []


@pytest.mark.parametrize("program", ["hostcollector", "hostcollector-gateway"])
def test_the_bill_of_materials_names_every_wheel(artefacts: tuple[Path, Path], program: str) -> None:
    """Each component with its hash as the requirements have it, and the graph is closed."""
    (tarball,) = artefacts[0].glob(f"{program}-[0-9]*.tar.gz")
    (bill,) = artefacts[0].glob(f"{program}-[0-9]*.cdx.json")
    name = tarball.name.removesuffix(".tar.gz")
    command = ("tar", "xzOf", str(tarball), f"{name}/requirements.txt")
    requirements = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    document = json.loads(bill.read_text())
    components = [document["metadata"]["component"], *document["components"]]
    assert {
        f"{part['name']}=={part['version']} --hash=sha256:{part['hashes'][0]['content']}"
        for part in components
    } == set(requirements.splitlines())
    known = {part["bom-ref"] for part in components}
    assert {edge["ref"] for edge in document["dependencies"]} == known
    assert all(set(edge["dependsOn"]) <= known for edge in document["dependencies"])


def test_the_package_installs_and_leaves_nothing_when_purged(
    artefacts: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without network or compiler: account, configuration, command; after a purge there is none of it."""
    (package,) = artefacts[0].glob("*.deb")
    command = ("unshare", "--mount", "--propagation=private", "sh", "-c", COPY, "sh")
    done = subprocess.run(
        (*command, str(tmp_path), str(package), INSTALL), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    release = f"releases/{__version__}"
    assert said["version"] == f"hostcollector {__version__}"
    assert said["check"] == "/etc/hostcollector/hostcollector.yml: valid"
    assert said["web"] == "640 root:hostcollector"
    assert said["libvirt's licence"].endswith("LGPL")
    assert said["user"] == "hostcollector:/var/lib/hostcollector:/usr/sbin/nologin"
    assert said["release"] == release
    assert said["shebang"] == f"#!/opt/hostcollector/{release}/bin/python3"
    assert said["left"].strip() == ""
    assert said["account left"] == "none none"
