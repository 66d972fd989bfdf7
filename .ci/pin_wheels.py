"""Prints the requirements that a folder of wheels fulfils, each pinned by version and by hash.

The wheel of libvirt-python was built here, so no index knows its hash: this is where it becomes binding.
"""

import sys
from hashlib import sha256
from pathlib import Path

from packaging.utils import parse_wheel_filename


def main(folder: Path) -> None:
    """Write one requirement per wheel in `folder` to standard output."""
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        print(f"{name}=={version} --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
