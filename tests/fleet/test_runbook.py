"""The commands of the runbook work on a host as the roles deploy it: each one's exit status."""

import re
import shlex

import pytest

from tests.dashboards.pages import pages
from tests.fleet.fleet import Fleet
from tests.fleet.host import Host

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

GUEST = "acme-web"
OTHER_MACHINES = "openstack ceph rbd amtool promtool curl ping docker hostcollector-gateway psql"
HARDWARE = "nvidia-smi ibstat perfquery ibdiagnet mlxlink mlnx_qos ethtool lspci ipmitool ras-mc-ctl numactl"
PACKAGES = "ovs-vsctl ovn-appctl ovn-sbctl multipath nfsstat iostat mpstat coredumpctl chronyc"
ELSEWHERE = frozenset(f"{OTHER_MACHINES} {HARDWARE} {PACKAGES}".split())
"""Programs that the hosts of this fleet do not have."""

UNKNOWN = re.compile(r"\b(DEVICE|INTERFACE|PF|ADDRESS|BOND|PORT)\b")
"""Hardware that the hosts of this fleet do not have."""

OTHER_FILES = ("/etc/prometheus", "/var/lib/hostcollector-intake", "/var/lib/hostcollector-gateway")
"""What Prometheus and the gateway have on their own machines."""

STATUSES = {
    "systemctl status": {0, 3, 4},  # a service that is not running, or not there
    "journalctl -k": {0, 1},  # 1: no line matches
    "journalctl -u": {0, 1},
    "hostcollector query hostcollector_host_": {1},  # no GPU and no BMC: no such series, and a sentence why
    "hostcollector query libvirt_domain_gpu_": {1},
    "virsh --readonly schedinfo": {1},  # the laboratory's libvirt has no control groups
    "virsh screenshot": {1},  # these guests have no display
}
"""Statuses other than 0, by how a command begins."""


def _commands() -> list[str]:
    """Return each command of all pages once."""
    return sorted({command for page in pages() for command in page.commands})


def _program(command: str) -> str:
    return next(word for word in shlex.split(command) if word not in {"timeout", "5"})


def _here(command: str) -> bool:
    """Whether a host can run it: its program, its hardware and its files are there."""
    other = UNKNOWN.search(command) or any(path in command for path in OTHER_FILES)
    return _program(command) not in ELSEWHERE and not other


def _filled(command: str, host: Host) -> str:
    uuid = host.run("virsh", "--readonly", "domuuid", GUEST)
    disks = host.run("virsh", "--readonly", "domblklist", GUEST).splitlines()[2:]
    values = {
        "GUEST": GUEST,
        "UUID": uuid,
        "HOST": host.name,
        "DISK": disks[0].split()[0] if disks else "vda",
    }
    return re.sub(r"\b(GUEST|UUID|HOST|DISK)\b", lambda place: values[place[1]], command)


def test_commands_of_the_runbook_work(deployed: Fleet) -> None:
    """Those that a host of this fleet can run end with the status that is expected of them."""
    host = deployed.hosts[0]
    wrong, ran = [], 0
    for command in filter(_here, _commands()):
        status, output = host.status(_filled(command, host))
        expected = next((codes for start, codes in STATUSES.items() if command.startswith(start)), {0})
        ran += 1
        print(f"{status} | {command}")
        if status not in expected:
            wrong.append(f"{command}: {status}, not {expected}: {output[-300:]}")
    assert wrong == []
    assert ran > 50  # a list that has become empty would pass


def test_programs_that_are_elsewhere_are_not_here(deployed: Fleet) -> None:
    """None of the commands that are left out could have run."""
    host = deployed.hosts[0]
    there = {program for program in ELSEWHERE if host.status(f"command -v {program}")[0] == 0}
    assert there <= {"ping", "curl"}  # their commands ask other machines
