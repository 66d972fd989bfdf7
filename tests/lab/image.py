"""What guests boot, kept in a cache: a Debian kernel, its virtio modules and `workload.c`."""

import fcntl
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.kernel import archive, modules, run, unpack_kernel

CACHE = Path(__file__).parents[2] / ".lab"
SOURCE = Path(__file__).with_name("workload.c")
RECIPE = (SOURCE, Path(__file__), Path(__file__).with_name("kernel.py"))
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon", "pvpanic_mmio", "virtio_console")
# For how long an outdated initramfs stays.
KEPT_SECONDS = 86_400.0


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
        recipe = b"".join(path.read_bytes() for path in RECIPE)
        initramfs = cache / f"initramfs-{hashlib.sha256(recipe).hexdigest()[:16]}"
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed: a second build waits and finds the files
            if not tree.exists():
                unpack_kernel("linux-image-cloud-amd64", tree)
            if not initramfs.exists():
                for outdated in cache.glob("initramfs-*"):  # other checkouts may boot theirs now
                    if outdated.stat().st_mtime < time.time() - KEPT_SECONDS:
                        outdated.unlink()
                unfinished = initramfs.with_suffix(".new")
                unfinished.write_bytes(_initramfs(cache, tree))
                unfinished.rename(initramfs)
        return cls(next(tree.glob("boot/vmlinuz-*")), initramfs)


def _initramfs(cache: Path, tree: Path) -> bytes:
    """Return the archive of init, which is the workload, and of the modules that it loads."""
    program = cache / "workload"
    run("gcc", "-std=gnu17", "-O1", "-static", "-Wall", "-Werror", "-o", program, SOURCE, cwd=cache)
    return archive({"init": program.read_bytes(), **modules(tree, DRIVERS)})
