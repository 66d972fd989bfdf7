"""The deployed service: locked in, without privileges, and still able to read everything that it is for."""

import re
import urllib.error

import pytest

from tests.fleet.fleet import TENANTS, Fleet
from tests.fleet.host import Host
from tests.fleet.scraping import scrape
from tests.lab.process import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

SCORE = 2.0
"""The exposure that systemd-analyze may give at most, of 10."""
STATE = "/var/lib/hostcollector"
NEEDED = {
    "definition",
    "events",
    "libvirt_state",
    "libvirt_monitor",
    "procfs",
    "cgroup",
    "netlink",
    "host",
    "process",
}
"""The sources that have something to read on these hosts."""


def _main_pid(host: Host) -> str:
    return host.run("systemctl", "show", "--property=MainPID", "--value", "hostcollector")


def test_the_sandbox_is_tight(deployed: Fleet) -> None:
    """Systemd's own analysis of the unit, on each release, is within the limit."""
    for host in deployed.hosts:
        report = host.run("systemd-analyze", "security", "--no-pager", "hostcollector.service")
        found = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", report)
        assert found is not None, report
        print(f"{host.name}: systemd-analyze security {found[1]} {found[2]}")
        assert float(found[1]) <= SCORE, report


def test_the_running_process_has_no_capability(deployed: Fleet) -> None:
    """Neither held nor to be had: every set that the kernel keeps is empty, and stays so."""
    for host in deployed.hosts:
        status = dict(
            line.split(":\t", 1) for line in host.run("cat", f"/proc/{_main_pid(host)}/status").splitlines()
        )
        sets = {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        print(f"{host.name}: {sets}, NoNewPrivs {status['NoNewPrivs']}, Seccomp {status['Seccomp']}")
        assert set(sets.values()) == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert status["Uid"].split()[0] == host.run("id", "-u", "hostcollector")


def test_the_page_is_complete_under_the_sandbox(deployed: Fleet) -> None:
    """libvirt, procfs, control groups and netlink are read; every guest is there with its tenant."""
    for host in deployed.hosts:

        def complete(host: Host = host) -> bool:
            page = scrape(deployed, host)
            return all(page.all("hostcollector_source_up", source=name) for name in NEEDED)

        until(complete, 30.0, f"all sources of {host.name}")
        page = scrape(deployed, host)
        assert page.one("libvirt_up") == 1
        down = {
            dict(labels)["source"] for labels, up in page.all("hostcollector_source_up").items() if not up
        }
        assert not down
        for name, tenant in TENANTS.items():
            guest = {"domain": name, "tenant": tenant}
            assert page.all("libvirt_domain_vcpu_delay_seconds_total", **guest)
            assert page.all("libvirt_domain_block_stats_read_bytes_total", **guest)
            assert page.all("libvirt_domain_interface_stats_receive_bytes_total", **guest)
            assert page.one("libvirt_domain_monitor_blocked_seconds", **guest) == 0
        assert page.one("hostcollector_domains_unassigned") == 0
        print(f"{host.name}: {len(page.series)} series of {len(page.all('hostcollector_source_up'))} sources")


def test_the_state_directory_is_the_services_own(deployed: Fleet) -> None:
    """Baselines are written there under the sandbox, unreadable for other accounts."""
    for host in deployed.hosts:
        assert host.run("stat", "--format=%U %a", STATE) == "hostcollector 700"
        enter = ("nsenter", "--mount", f"--target={_main_pid(host)}", "setpriv", "--reuid=hostcollector")
        host.run(*enter, "--clear-groups", "touch", f"{STATE}/probe")
        host.run("rm", f"{STATE}/probe")
        host.run(*enter, "--clear-groups", "touch", "/var/lib/probe", check=False)
        assert not (host.root / "var/lib/probe").exists()
        assert scrape(deployed, host).one("hostcollector_baselines_unsaved") == 0


def test_secrets_are_readable_by_the_service_only(deployed: Fleet) -> None:
    """Key and web-config belong to root, and the service's group may read them."""
    for host in deployed.hosts:
        for name in ("tls.key", "web-config.yml"):
            assert (
                host.run("stat", "--format=%U:%G %a", f"/etc/hostcollector/{name}")
                == "root:hostcollector 640"
            )


def test_without_a_certificate_nothing_is_shown(deployed: Fleet) -> None:
    """A client that shows no certificate, or none that the authority for clients has signed, gets no page."""
    for host in deployed.hosts:
        with pytest.raises((urllib.error.URLError, OSError)):
            scrape(deployed, host, client=None)
