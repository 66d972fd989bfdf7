"""The host, one for each test."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.protocols.redfish.client import DEFAULT_LIMITS
from tests.simulated.gpu_host import GpuHost, gpu_host

IMPATIENT = replace(DEFAULT_LIMITS, first_pause=0.05, longest_pause=0.1, login_pause=0.1)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GpuHost]:
    """Return a host whose BMC is polled again soon after a failure."""
    with gpu_host(tmp_path, IMPATIENT) as made:
        yield made
