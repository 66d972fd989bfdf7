"""Debian packages unpacked into the laboratory's cache, to be measured against; nothing is installed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def unpack(tree: Path, *alternatives: Sequence[str]) -> Path:
    """Return `tree` with what the packages contain; of each of the `alternatives` the first that there is."""
    done = tree / ".complete"
    if not done.exists():
        tree.mkdir(parents=True, exist_ok=True)
        for names in alternatives:
            _download(names, tree)
        for package in tree.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
        done.touch()
    return tree


def _download(names: Sequence[str], directory: Path) -> None:
    for name in names:
        command = ["apt-get", "download", name]
        if subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode == 0:
            return
    raise FileNotFoundError(f"apt-get can download none of {', '.join(names)}")
