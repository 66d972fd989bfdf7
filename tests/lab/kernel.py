"""A Debian kernel to boot without installing it: its package unpacked, modules, an initramfs."""

import lzma
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path, PurePosixPath


def unpack_kernel(name: str, tree: Path) -> None:
    """Download the kernel package that `name`, such as linux-image-amd64, depends on, into a new tree."""
    depends = run("apt-cache", "depends", name, cwd=tree.parent).decode()
    package = re.findall(r"Depends: (linux-image-\S+)", depends)
    if not package:
        raise FileNotFoundError(f"apt knows no {name}: run 'apt-get update' once")
    unpack_package(package[0], tree)


def unpack_package(name: str, tree: Path) -> None:
    """Download a Debian package and unpack it into a new tree; nothing is installed."""
    cache = tree.parent
    run("apt-get", "-qq", "download", name, cwd=cache)
    archive = next(cache.glob(f"{name}_*.deb"))
    unfinished = tree.with_suffix(".new")
    run("dpkg-deb", "-x", archive, unfinished, cwd=cache)
    archive.unlink()
    unfinished.rename(tree)


def modules(tree: Path, drivers: Iterable[str]) -> dict[str, bytes]:
    """Return the drivers of an unpacked kernel as files of an initramfs, numbered in the order of loading."""
    found = {path.name.split(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    loaded: dict[str, bytes] = {}
    for driver in drivers:
        _load(driver, found, loaded)
    return {f"modules/{number:02}.ko": module for number, module in enumerate(loaded.values())}


def _load(name: str, found: Mapping[str, Path], loaded: dict[str, bytes]) -> None:
    """Add a module after those that it needs, which its own .modinfo section names."""
    if name in loaded or name not in found:  # what is no module is built into the kernel
        return
    path = found[name]
    module = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    needs = re.search(rb"\0depends=([^\0]*)\0", module)
    for other in needs[1].decode().split(",") if needs else []:
        if other:
            _load(other.replace("-", "_"), found, loaded)
    loaded[name] = module


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a cpio archive in the "newc" format that the kernel unpacks (its document buffer-format)."""
    parents = {str(parent): None for name in files for parent in reversed(PurePosixPath(name).parents)}
    parents.pop(".", None)
    return b"".join(_entries(parents, files))


def _entries(directories: Iterable[str], files: Mapping[str, bytes]) -> Iterator[bytes]:
    inodes = count(1)
    for name in directories:
        yield _entry(next(inodes), name, 0o40755)
    for name, data in files.items():
        yield _entry(next(inodes), name, 0o100755, data)
    yield _entry(0, "TRAILER!!!", 0)


def _entry(inode: int, name: str, mode: int, data: bytes = b"") -> bytes:
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4)


def run(*command: str | Path, cwd: Path) -> bytes:
    """Return what a program writes; ChildProcessError with its last words when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    if done.returncode:
        raise ChildProcessError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout
