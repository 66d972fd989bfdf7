"""Root trees of Debian releases, each made once and kept in the laboratory's cache."""

import fcntl
import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.lab.image import CACHE

TREES = CACHE / "trees"
LIBVIRT = ("iproute2", "libvirt-clients", "libvirt-daemon-system", "qemu-system-x86")
"""What makes a tree a hypervisor's."""
# A mirror may lag behind; what it has is signed all the same.
# Documentation and translations are half of the files and not read here.
OPTIONS = (
    *("--variant=minbase", "--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"'),
    '--aptopt=Acquire::Check-Valid-Until "false"',
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")),
)


def root_tree(use: str, codename: str, packages: Iterable[str]) -> Path:
    """Return a release's root tree with the packages; it is made where the cache lacks it.

    `use` distinguishes trees of a release; one with other packages for the same use replaces the old.
    """
    name = f"{use}-{codename}"
    include = f"--include={','.join(packages)}"
    recipe = " ".join((*OPTIONS, include))
    tree = TREES / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    TREES.mkdir(parents=True, exist_ok=True)
    with (TREES / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            for outdated in TREES.glob(f"{name}-*"):
                subprocess.run(("rm", "-rf", "--one-file-system", outdated), check=True)
            _bootstrap(tree, codename, include)
    return tree


def _bootstrap(tree: Path, codename: str, include: str) -> None:
    print(f"Debian {codename}: making a root tree ...", flush=True)
    unfinished = tree.with_suffix(".new")
    with tree.with_suffix(".log").open("wb") as log:
        subprocess.run(
            ("mmdebstrap", *OPTIONS, include, codename, unfinished),
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    unfinished.rename(tree)
