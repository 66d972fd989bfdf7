"""Control groups for the containers: one below each hierarchy that systemd uses, removed afterwards."""

from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Return the mount points: that of version 2, and on a hybrid machine systemd's own of version 1."""
    if (ROOT / "cgroup.procs").exists():
        return [ROOT]
    return [path for path in (ROOT / "unified", ROOT / "systemd") if (path / "cgroup.procs").exists()]


def make(name: str) -> list[Path]:
    """Make a group of this name in each hierarchy and return the files that take processes."""
    files = []
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(parents=True, exist_ok=True)
        files.append(hierarchy / name / "cgroup.procs")
    return files


def remove(name: str) -> bool:
    """Remove these groups and everything below them; tell whether none is left that still holds a process."""
    for hierarchy in hierarchies():
        groups = [path for path in (hierarchy / name).rglob("*") if path.is_dir()]
        for group in [*sorted(groups, reverse=True), hierarchy / name]:
            with suppress(OSError):
                group.rmdir()
    return not any((hierarchy / name).exists() for hierarchy in hierarchies())
