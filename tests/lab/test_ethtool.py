"""A driver's own statistics, as a real kernel has them."""

import os
import subprocess
from pathlib import Path

import pytest

from hostcollector.protocols.kernel.ethtool import statistics

pytestmark = [pytest.mark.lab, pytest.mark.timeout(30)]


def test_a_drivers_statistics_are_read_by_name() -> None:
    """The driver of a veth counts the number of the other end as a statistic."""
    one, other = f"hce{os.getpid()}", f"hco{os.getpid()}"
    subprocess.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other], check=True)
    try:
        found = statistics(one)
        assert found["peer_ifindex"] == int(Path(f"/sys/class/net/{other}/ifindex").read_text())
        assert all(name.isprintable() and value >= 0 for name, value in found.items())
    finally:
        subprocess.run(["ip", "link", "delete", one], check=True)
