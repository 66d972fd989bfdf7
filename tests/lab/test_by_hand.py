"""A collection by hand, with two of libvirt's workers, beside guests that hang."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

GUESTS = 10
SERIES = re.compile(r'^libvirt_domain_block_stats_read_bytes_total\{.*uuid="([^"]+)"', re.MULTILINE)


@pytest.mark.parametrize("hung", [0, 3])
def test_a_collection_by_hand_shows_all_that_answer(
    hung: int, boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Few workers make it slower, not smaller; a hung guest costs its own disks, here too."""
    guests = boot_all(Guest.idle(f"hand{hung}-{number}") for number in range(GUESTS))
    config = tmp_path / "config.yml"
    config.write_text(f"paths: {{state_directory: {tmp_path}/state}}")
    for guest in guests[:hung]:
        guest.stop()
    command = [sys.executable, "-m", "hostcollector", "collect", "--own", f"--config.file={config}"]
    done = subprocess.run(
        [*command, f"--libvirt.uri={hypervisor.uri_readonly}"], capture_output=True, text=True, check=False
    )
    for guest in guests[:hung]:
        guest.cont()
    assert done.returncode == 0, done.stderr
    assert set(SERIES.findall(done.stdout)) >= {guest.guest.uuid for guest in guests[hung:]}
    assert not (tmp_path / "state").exists()
