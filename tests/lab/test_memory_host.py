"""On a host with NUMA nodes and huge pages, a guest's memory and storage are as the kernel says."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.memory.inside import DONE, WRITTEN
from tests.lab.memory.machine import HUGE_PAGES, SECONDS, run_once
from tests.lab.served import Page, parse

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(SECONDS + 300)]
HUGE_PAGE = 2 << 20


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Page, Mapping[str, Any]]:
    """Give the page of running guests, that with a hung guest, and the kernel's account."""
    outbox = tmp_path_factory.mktemp("memory")
    run_once(outbox)
    return _read(outbox)


def _read(outbox: Path) -> tuple[Page, Page, Mapping[str, Any]]:
    pages = [parse((outbox / name).read_text()) for name in ("running.prom", "hung.prom")]
    return pages[0], pages[1], json.loads((outbox / DONE).read_text())


def _by_node(numa_maps: str) -> dict[str, int]:
    """Return the bytes of normal anonymous pages by node, as root may read them in /proc/PID/numa_maps."""
    found: dict[str, int] = {}
    for line in numa_maps.splitlines():
        if " anon=" in line and "kernelpagesize_kB=4" in line and "huge" not in line.split()[2:3]:
            for node, pages in re.findall(r" N(\d+)=(\d+)", line):
                found[node] = found.get(node, 0) + int(pages) * 4096
    return found


def test_reserved_huge_pages_are_those_of_the_process(seen: tuple[Page, Page, Mapping[str, Any]]) -> None:
    """64 MiB of one guest are in huge pages; the free ones are the host's rest; other guests have none."""
    page, _, facts = seen
    for name in ("huge", "bound", "astray"):
        kibibytes = re.search(r"HugetlbPages:\s+(\d+) kB", facts[name]["status"])
        assert kibibytes
        shown = page.one("libvirt_domain_memory_hugepages_bytes", domain=name)
        assert shown == int(kibibytes[1]) * 1024
    assert page.one("libvirt_domain_memory_hugepages_bytes", domain="huge") >= 64 << 20
    free = re.search(r"HugePages_Free:\s+(\d+)", facts["host"]["meminfo"])
    assert free
    assert page.one("hostcollector_host_memory_hugepages_bytes") == HUGE_PAGES * HUGE_PAGE
    assert page.one("hostcollector_host_memory_hugepages_free_bytes") == int(free[1]) * HUGE_PAGE


@pytest.mark.parametrize(("name", "node"), [("bound", "1"), ("astray", "0")])
def test_memory_is_on_the_node_that_it_is_bound_to(
    name: str, node: str, seen: tuple[Page, Page, Mapping[str, Any]]
) -> None:
    """The control group's account on the page agrees with the process's numa_maps to a tenth."""
    page, _, facts = seen
    shown = page.one("libvirt_domain_cgroup_memory_numa_bytes", domain=name, node=node)
    assert shown >= 64 << 20
    assert shown == pytest.approx(_by_node(facts[name]["numa_maps"])[node], rel=0.1)
    assert page.all("libvirt_domain_numa_info", domain=name, node="1", resource="vcpu")
    assert page.all("libvirt_domain_numa_info", domain=name, node=node, resource="memory")


def test_the_storage_of_a_hung_guest_goes_on(seen: tuple[Page, Page, Mapping[str, Any]]) -> None:
    """QEMU is stopped and has no disk statistics; what its group writes is counted to the byte."""
    running, hung, _ = seen
    written = "libvirt_domain_cgroup_io_write_bytes_total"
    labels = {"domain": "bound", "device": "vda"}
    assert hung.one("libvirt_domain_monitor_blocked_seconds", domain="bound") > 0
    assert not hung.all("libvirt_domain_block_stats_read_bytes_total", domain="bound")
    before = sum(running.all(written, **labels).values())
    assert hung.one(written, **labels) - before == WRITTEN
    assert hung.one("libvirt_domain_cgroup_io_write_requests_total", **labels) >= 16
    assert hung.all("hostcollector_host_block_device_info", device="vda")


def test_merging_is_seen(seen: tuple[Page, Page, Mapping[str, Any]]) -> None:
    """It was switched on between the two pages."""
    running, hung, _ = seen
    assert running.one("hostcollector_host_ksm_enabled") == 0
    assert hung.one("hostcollector_host_ksm_enabled") == 1
