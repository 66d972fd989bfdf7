"""A collector that starts under a scraper: its first answered page has the guests, so no series ends."""

import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.lab.fixtures import BootAll
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.served import parse, starting

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

GUESTS, STARTS = 5, 5


def _first_answer(url: str, timeout: str) -> tuple[str, list[str]]:
    """Ask until there is a page; return it, and the reasons of the refusals before it."""
    refusals: list[str] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": timeout}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=headers), timeout=float(timeout)
            ) as answer:
                return answer.read().decode(), refusals
        except urllib.error.HTTPError as error:
            with error:
                refusals.append(error.read().decode())
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise  # a time-out above all: an answer that comes too late
        time.sleep(0.01)
    raise AssertionError(refusals)


@pytest.mark.parametrize("timeout", ["10", "1"])
def test_the_first_answered_page_has_the_guests(
    timeout: str, boot_all: BootAll, hypervisor: PrivateHypervisor, tmp_path: Path
) -> None:
    """Whenever the scraper comes after the start, and however little time it has: all guests, or a reason."""
    boot_all([Guest.idle(f"first-{timeout}-{number}") for number in range(GUESTS)])
    for _ in range(STARTS):
        with starting(hypervisor.uri_readonly, tmp_path) as served:
            text, refusals = _first_answer(f"{served.url}/metrics", timeout)
        assert len(parse(text).all("libvirt_domain_info_vstate")) >= GUESTS, refusals
        assert set(refusals) <= {"The first listing of guests is not done yet.\n"}
