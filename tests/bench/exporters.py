"""The exporter that Debian ships, unpacked into the laboratory's cache: something to be measured against."""

import subprocess
from pathlib import Path

PACKAGE = "prometheus-libvirt-exporter"


def unpack(cache: Path) -> Path:
    """Return the peer's program; nothing of the package is installed."""
    tree = cache / "peer"
    program = tree / "usr/bin" / PACKAGE
    if not program.exists():
        tree.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", PACKAGE], cwd=tree, check=True, capture_output=True)
        (package,) = tree.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    return program
