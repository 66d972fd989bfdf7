"""What the emulated hypervisor is made of, kept in a cache: a QEMU with the card, a kernel, an initramfs."""

import fcntl
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.image import CACHE
from tests.lab.kernel import archive, modules, run, unpack_kernel, unpack_package

INIT = Path(__file__).with_name("init.sh")
# vfio asks for its IOMMU driver at run time: the module's own list of needs does not name it.
DRIVERS = (
    *("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay"),
    *("igb", "igbvf", "vfio_iommu_type1", "vfio_pci"),
)
SOURCES = """Types: deb
URIs: {mirror}
Suites: {release} {release}-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The files of the emulated machine, and the QEMU that runs it with its environment."""

    qemu: tuple[str, ...]
    environment: Mapping[str, str]
    kernel: Path
    initramfs: bytes


def gather(inside: str, seconds: float, cache: Path = CACHE / "sriov") -> Parts:
    """Return the parts for a machine that runs `inside` so long at most; what the cache lacks is fetched."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree, busybox = cache / "kernel", cache / "busybox"
        if not tree.exists():
            unpack_kernel("linux-image-amd64", tree)  # the cloud kernel has no igb
        if not busybox.exists():
            unpack_package("busybox-static", busybox)
        qemu, environment = _qemu(cache)
        if not (tree / "lib").exists():
            (tree / "lib").symlink_to("usr/lib")  # where Debian 13 keeps its modules, and depmod may not look
        release = next(tree.glob("lib/modules/*"))
        if not (release / "modules.alias").exists():
            run("depmod", "-b", tree, release.name, cwd=cache)
        files = {
            "init": INIT.read_bytes(),
            "busybox": next(busybox.rglob("bin/busybox")).read_bytes(),
            "settings": _settings(release, inside, seconds).encode(),
        }
        initramfs = archive({**files, **modules(tree, DRIVERS)})
    kernel = tree / "boot" / f"vmlinuz-{release.name}"
    return Parts(qemu=qemu, environment=environment, kernel=kernel, initramfs=initramfs)


def _settings(modules: Path, inside: str, seconds: float) -> str:
    """Return the settings of init.sh, in the shell's language; `modules` is the kernel's folder of them."""
    values = {
        "MODULES": modules.resolve(),
        "RELEASE": modules.name,
        "REPOSITORY": CACHE.parent,
        "PYTHON": sys.executable,
        "INSIDE": inside,
        "LIMIT": seconds,
    }
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def _qemu(cache: Path) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return a QEMU that emulates igb, as 8.0 and later do, and its environment: ours, or a newer one."""
    installed = shutil.which("qemu-system-x86_64")
    if installed and _emulates_igb(installed):
        return (installed,), {}
    tree = cache / "qemu"
    if not tree.exists():
        _unpack_newer_qemu(cache, tree)
    share, libraries = tree / "usr/share", tree / "usr/lib/x86_64-linux-gnu"
    program = tree / "usr/bin/qemu-system-x86_64"
    firmware = (share / "qemu", share / "seabios", Path("/usr/share/seabios"))
    folders = [word for folder in firmware for word in ("-L", str(folder))]
    return (str(program), *folders), {
        "QEMU_MODULE_DIR": str(libraries / "qemu"),
        "LD_LIBRARY_PATH": str(libraries),
    }


def _emulates_igb(program: str) -> bool:
    command = (program, "-machine", "none", "-device", "igb,help")
    return b"igb options" in subprocess.run(command, capture_output=True, check=False).stdout


def _unpack_newer_qemu(cache: Path, tree: Path) -> None:
    """Unpack the QEMU of this Debian's backports with what it needs and the machine lacks.

    apt is given sources and a cache of its own and only downloads: nothing changes for the machine.
    """
    apt = cache / "apt"
    for folder in ("lists/partial", "archives/partial", "sources"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "sources/debian.sources").write_text(SOURCES.format(mirror=_mirror(cache), release=_release()))
    options = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": apt / "sources",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
    }
    own = [f"-o{key}={value}" for key, value in options.items()]
    run("apt-get", *own, "-qq", "update", cwd=cache)
    wanted = ("-t", f"{_release()}-backports", "install", "qemu-system-x86")
    run("apt-get", *own, "-qqy", "--no-install-recommends", "--download-only", *wanted, cwd=cache)
    unfinished = tree.with_suffix(".new")
    for package in sorted(apt.glob("archives/*.deb")):
        run("dpkg-deb", "-x", package, unfinished, cwd=cache)
    shutil.rmtree(apt)
    unfinished.rename(tree)


def _mirror(cache: Path) -> str:
    """Return the Debian archive that this machine's apt downloads from."""
    address = run("apt-get", "download", "--print-uris", "base-files", cwd=cache).decode()
    found = re.match(r"'(\S+)/pool/", address)
    if found is None:
        raise FileNotFoundError("apt knows no Debian archive: run 'apt-get update' once")
    return found[1]


def _release() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    if found is None:
        raise FileNotFoundError("/etc/os-release names no release of Debian")
    return found[1]
