"""How many series a page has: on a host without guests, and for each guest; beside those of another revision.

``python -m tests.bench.series REVISION``. The guests have two vCPUs, a disk and an interface each.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.fleet import Fleet
from tests.bench.pairs import checked_out
from tests.lab import laboratory
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.trees import OWN

GUESTS = 4
FEWER = "series: {compatibility_names: false, vcpu_detail: false}\n"


def main(revision: str) -> int:
    """Boot the guests and print the table; 1 where no guest can be booted."""
    if reason := laboratory.missing():
        print(reason, file=sys.stderr)
        return 1
    with checked_out(revision) as base, tempfile.TemporaryDirectory() as name:
        fewer, nothing = Path(name) / "fewer.yml", Path(name) / "nothing.yml"
        fewer.write_text(FEWER)
        nothing.write_text("")
        pages = {
            revision: (base, nothing),
            "this checkout": (OWN, nothing),
            f"this checkout with {FEWER.strip()}": (OWN, fewer),
        }
        with PrivateHypervisor.start() as hypervisor:
            empty = {title: _series(hypervisor, *page) for title, page in pages.items()}
            Fleet(hypervisor).grow(GUESTS)
            full = {title: _series(hypervisor, *page) for title, page in pages.items()}
    print("| page | empty host | each guest |\n|---|---|---|")
    for title in pages:
        print(f"| {title} | {empty[title]} | {(full[title] - empty[title]) / GUESTS:g} |")
    return 0


def _series(hypervisor: PrivateHypervisor, tree: Path, config: Path) -> int:
    flags = ("collect", "--own", f"--libvirt.uri={hypervisor.uri_readonly}", f"--config.file={config}")
    page = subprocess.run(
        (sys.executable, "-m", "hostcollector", *flags), cwd=tree, check=True, capture_output=True, text=True
    )
    return sum(1 for line in page.stdout.splitlines() if not line.startswith("#"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
