"""Processes that say they are a guest's QEMU, and which of several can prove it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A process whose command line names a guest; `start_ticks` tells it from a later owner of its PID."""

    pid: int
    start_ticks: int
    uuid: str
    name: str


def proven(claims: Sequence[Claim], name: str, pid_files: Path) -> Claim | None:
    """Return the guest's one process among those that claim its UUID, or None when none is provable.

    A process with another name is none of libvirt's. Of several with the right one, which may be a copy that
    QEMU made of itself or somebody's forgery, only libvirt's PID file tells the true one.
    """
    named = [claim for claim in claims if claim.name == name]
    if len(named) == 1:
        return named[0]
    pid = _pid_in(pid_files, name) if named else None
    return next((claim for claim in named if claim.pid == pid), None)


def _pid_in(pid_files: Path, name: str) -> int | None:
    """Return what libvirt wrote into the guest's PID file, where it keeps one that this account may read."""
    if "/" in name or "\0" in name:
        return None
    try:
        return int((pid_files / f"{name}.pid").read_bytes())
    except (OSError, ValueError):
        return None
