"""What guests boot, kept in a cache: a Debian kernel, its virtio modules and `workload.c`."""

import fcntl
import hashlib
import lzma
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".lab"
SOURCE = Path(__file__).with_name("workload.c")
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon")


@dataclass(frozen=True, slots=True)
class GuestImage:
    """The two files of a direct kernel boot."""

    kernel: Path
    initramfs: Path

    @classmethod
    def build(cls, cache: Path = CACHE) -> "GuestImage":
        """Return the image; the kernel is fetched and the workload compiled where the cache lacks them."""
        cache.mkdir(exist_ok=True)
        tree = cache / "kernel"
        recipe = SOURCE.read_bytes() + Path(__file__).read_bytes()
        initramfs = cache / f"initramfs-{hashlib.sha256(recipe).hexdigest()[:16]}"
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed: a second build waits and finds the files
            if not tree.exists():
                _unpack_kernel(cache, tree)
            if not initramfs.exists():
                for outdated in cache.glob("initramfs-*"):
                    outdated.unlink()
                unfinished = initramfs.with_suffix(".new")
                unfinished.write_bytes(b"".join(_archive(_contents(cache, tree))))
                unfinished.rename(initramfs)
        return cls(next(tree.glob("boot/vmlinuz-*")), initramfs)


def _unpack_kernel(cache: Path, tree: Path) -> None:
    """Download the kernel package that the distribution's cloud kernel stands for; nothing is installed."""
    depends = _run("apt-cache", "depends", "linux-image-cloud-amd64", cwd=cache).decode()
    package = re.findall(r"Depends: (linux-image-\S+)", depends)
    if not package:
        raise FileNotFoundError("apt knows no linux-image-cloud-amd64: run 'apt-get update' once")
    _run("apt-get", "-qq", "download", package[0], cwd=cache)
    archive = next(cache.glob(f"{package[0]}_*.deb"))
    unfinished = cache / "kernel.new"
    _run("dpkg-deb", "-x", archive.name, unfinished.name, cwd=cache)
    archive.unlink()
    unfinished.rename(tree)


def _contents(cache: Path, tree: Path) -> dict[str, bytes]:
    """Return the initramfs's files by name: init, and the modules numbered in the order of loading."""
    program = cache / "workload"
    _run("gcc", "-std=gnu17", "-O1", "-static", "-Wall", "-Werror", "-o", program, SOURCE, cwd=cache)
    files = {"init": program.read_bytes()}
    modules = {path.name.split(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    loaded: dict[str, bytes] = {}
    for driver in DRIVERS:
        _load(driver, modules, loaded)
    for number, module in enumerate(loaded.values()):
        files[f"modules/{number:02}.ko"] = module
    return files


def _load(name: str, modules: Mapping[str, Path], loaded: dict[str, bytes]) -> None:
    """Add a module after those that it needs, which its own .modinfo section names."""
    if name in loaded or name not in modules:  # what is no module is built into the kernel
        return
    path = modules[name]
    module = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    needs = re.search(rb"\0depends=([^\0]*)\0", module)
    for other in needs[1].decode().split(",") if needs else []:
        if other:
            _load(other.replace("-", "_"), modules, loaded)
    loaded[name] = module


def _archive(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Write a cpio archive in the "newc" format that the kernel unpacks (its buffer-format documentation)."""
    yield _entry(1, "modules", 0o40755)
    for number, (name, data) in enumerate(files.items(), start=2):
        yield _entry(number, name, 0o100755, data)
    yield _entry(0, "TRAILER!!!", 0)


def _entry(inode: int, name: str, mode: int, data: bytes = b"") -> bytes:
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4)


def _run(*command: str | Path, cwd: Path) -> bytes:
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    if done.returncode:
        raise ChildProcessError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout
